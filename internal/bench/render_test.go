package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0123: "0.012", 0.5: "0.500", 1.234: "1.23", 36.71: "36.7", 129600: "129600", 364.6: "365"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// TestBook measures a row twice and another once: the first is replaced, the
// order is that of the table, and medians and spreads are shown.
func TestBook(t *testing.T) {
	dir := t.TempDir()
	all := signallingRows()
	for _, step := range []struct {
		row  int
		cpus []float64
	}{{1, []float64{9}}, {0, []float64{3, 1, 2}}, {1, []float64{5, 5}}} {
		b, err := openBook(dir)
		if err != nil {
			t.Fatal(err)
		}
		var runs []figures
		for _, v := range step.cpus {
			runs = append(runs, figures{"join CPU-s": v})
		}
		b.enter(&all[step.row], time.Now(), runs, 0)
		if err := b.write(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	var table []string
	for _, l := range lines {
		if strings.Contains(l, " x ") && strings.HasPrefix(l, "|") {
			table = append(table, l)
		}
	}
	if len(table) != 2 || !strings.HasPrefix(table[0], "| "+all[0].name+" | 3 |") || !strings.Contains(table[0], " 2.00 (1.00-3.00) |") || !strings.Contains(table[1], " 5.00 |") {
		t.Errorf("%s", text)
	}
}

// TestRendered: performance.md in the repository is what bench makes of
// performance.json.
func TestRendered(t *testing.T) {
	const dir = "../../docs"
	b, err := openBook(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(render(b)) {
		t.Error("docs/performance.md is not what ./bench render writes")
	}
}

// TestMore: runs add up only when that is wanted, and only those of one
// commit; what was measured before is kept as past, of each commit the last.
func TestMore(t *testing.T) {
	b := &book{dir: t.TempDir(), commit: "a"}
	r := &rows()[0]
	for _, step := range []struct {
		commit        string
		more          bool
		runs, earlier int
	}{{"a", true, 1, 0}, {"a", true, 2, 0}, {"a", false, 1, 1}, {"a", false, 1, 1}, {"b", true, 1, 1}, {"b", true, 2, 1}, {"b", false, 1, 2}} {
		b.commit, b.more = step.commit, step.more
		b.enter(r, time.Now(), []figures{{"join CPU-s": 1}}, 0)
		if e := b.Rows[0]; len(b.Rows) != 1 || len(e.Runs) != step.runs || len(e.Earlier) != step.earlier {
			t.Errorf("%+v: %+v", step, b.Rows)
		}
	}
}

// TestScrape reads metrics as a server exposes them: sums over labels.
func TestScrape(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# HELP a words\na_total{worker=\"0\"} 2\na_total{worker=\"1\"} 1.5e1\nb 3\nd_bucket{worker=\"0\",le=\"0.5\"} 4\n")
	}))
	defer s.Close()
	m, err := scrape(t.Context(), s.URL)
	if err != nil || m["a_total"] != 17 || m["b"] != 3 || m["d_bucket 0.5"] != 4 {
		t.Error(m, err)
	}
}

// TestPlot draws the rows of its kind, in their order, and nothing without a
// second point.
func TestPlot(t *testing.T) {
	at := func(name string, v ...float64) entry {
		e := entry{Section: roomSection, Name: name}
		for _, v := range v {
			e.Runs = append(e.Runs, figures{"us per packet": v})
		}
		return e
	}
	p := &plots[roomSection][0]
	entries := []entry{at("1 x 10, one voice", 30), at("1 x 300, muted", 4)}
	if got := p.draw(entries, entries); got != "" {
		t.Errorf("one point makes no plot: %s", got)
	}
	entries = append(entries, at("1 x 40, one voice", 9, 7, 8))
	got := p.draw(entries, entries)
	for _, want := range []string{"[10, 40]", "    bar [30.0, 8.00]\n    line [30.0, 8.00]\n", "0 --> 36.0", "%%{init: {", "0.267 times as much for 4.00 times as many people in the room.\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// TestGrowth: a further packet, a further join and a further person told of
// another may take a quarter more than one did a step before, and not more.
func TestGrowth(t *testing.T) {
	packets := func(name string, cores, rate float64) entry {
		return entry{Section: roomSection, Name: name, Runs: []figures{{"us per packet": 1e6 * cores / rate, "server cores": cores, "packets/s": rate}}}
	}
	joins := func(section, name string, ms float64) entry {
		return entry{Section: section, Name: name, Runs: []figures{{"CPU-ms a join": ms}}}
	}
	for _, tc := range []struct {
		plot *plot
		rows []entry
		want string
	}{
		{&plots[roomSection][0], []entry{packets("1 x 10, one voice", 0.01, 1000), packets("1 x 100, one voice", 0.055, 10000), packets("1 x 1000, one voice", 0.61, 100000)},
			" A further packet takes, in us of CPU time: 5.00 from 10 to 100, 6.17 from 100 to 1000. CPU time grows no faster than the work.\n"},
		{&plots[roomSection][0], []entry{packets("1 x 10, one voice", 0.01, 1000), packets("1 x 100, one voice", 0.055, 10000), packets("1 x 1000, one voice", 0.7, 100000)},
			" 7.17 from 100 to 1000. CPU time grows faster than the work: 7.17 after 5.00 up to 100.\n"},
		// A person more in the room is told of all others, and all others of them.
		{&plots[roomSection][1], []entry{joins(roomSection, "1 x 10, muted", 9), joins(roomSection, "1 x 40, muted", 39)},
			" A further person told of another takes, in us of CPU time: 1000 from 10 to 40. CPU time grows no faster than the work.\n"},
		{&plots[roomSection][1], []entry{joins(roomSection, "1 x 10, muted", 9), joins(roomSection, "1 x 40, muted", 50)},
			" 1299 from 10 to 40. CPU time grows faster than the work: 1299 after 1000 up to 10.\n"},
		// What a join costs anyway does not hide that being told of others becomes dearer.
		{&plots[roomSection][1], []entry{joins(roomSection, "1 x 100, muted", 5), joins(roomSection, "1 x 300, muted", 6.5), joins(roomSection, "1 x 1000, muted", 16)},
			" 18.2 from 100 to 300, 15.5 from 300 to 1000. CPU time grows no faster than the work.\n"},
		{&plots[roomSection][1], []entry{joins(roomSection, "1 x 100, muted", 5), joins(roomSection, "1 x 300, muted", 6.5), joins(roomSection, "1 x 1000, muted", 24)},
			" CPU time grows faster than the work: 24.2 after 18.2 up to 300.\n"},
		{&plots[roomsSection][1], []entry{joins(roomsSection, "10 x 5, muted", 3), joins(roomsSection, "30 x 5, muted", 3)},
			" A further join takes, in us of CPU time: 3000 from 10 to 30. CPU time grows no faster than the work.\n"},
		{&plots[roomsSection][1], []entry{joins(roomsSection, "10 x 5, muted", 3), joins(roomsSection, "30 x 5, muted", 4)},
			" 4500 from 10 to 30. CPU time grows faster than the work: 4500 after 3000 up to 10.\n"},
	} {
		points, _ := tc.plot.points(tc.rows, tc.rows)
		if got := tc.plot.read(points); !strings.HasSuffix(got, tc.want) {
			t.Errorf("no %q at the end of %q", tc.want, got)
		}
	}
}

// TestPackets: runs are of the socket's own count, which holds what is no media
// as well.
func TestPackets(t *testing.T) {
	f := figures{}
	f.packets(change{map[string]float64{}, map[string]float64{
		"plenum_bridge_video_packets_forwarded_total": 75, "plenum_bridge_audio_packets_forwarded_total": 25,
		"plenum_bridge_packets_sent_total": 110, "plenum_bridge_packets_lent_total": 11,
		"plenum_bridge_socket_send_datagrams_total": 120, "plenum_bridge_socket_send_messages_total": 60,
	}}, 0.5, 2)
	for column, want := range map[string]float64{"packets/s": 50, "us per packet": 5000, "CPU %": 25, "mean run": 2, "lent %": 10} {
		if f[column] != want {
			t.Errorf("%s is %v, want %v", column, f[column], want)
		}
	}
}

// TestGoverned: the worker's own measures, and no limit where there is none.
func TestGoverned(t *testing.T) {
	for limit, known := range map[float64]bool{-1: false, 0: true, 120: true} {
		f := figures{}
		f.governed(change{map[string]float64{busySeconds: 3, stressNow: 2}, map[string]float64{busySeconds: 7, stressNow: 0.9, videoLimitNow: limit, voiceLimitNow: limit}}, 5)
		if got, ok := f[videoLimit]; ok != known || ok && got != limit || f[voiceLimit] != got || f[workerBusy] != 0.8 || f[stressed] != 0.9 {
			t.Errorf("limit %g: %v", limit, f)
		}
	}
}

// TestDelay reads the bridge's state: a part that is missing is an error.
func TestDelay(t *testing.T) {
	const whole = `{"delay": {"last_10_seconds": {"p50": "250us", "p99": "2ms", "p99_9": "1s"}, "parts_last_10_seconds": {`
	const three = `"socket": {"p50": "100us", "p99": "1ms"}, "turn": {"p50": "0s", "p99": "3ms"}, "work": {"p50": "1us", "p99": "2us"}`
	f := figures{}
	if err := f.parseDelay(strings.NewReader(whole + three + `, "send": {"p50": "5us", "p99": "50us"}}}}`)); err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]float64{"added p50 ms": 0.25, "added p99.9 ms": 1000, "socket p50 ms": 0.1, "turn p99 ms": 3, "send p99 ms": 0.05} {
		if f[column] != want {
			t.Errorf("%s is %v, want %v", column, f[column], want)
		}
	}
	if err := f.parseDelay(strings.NewReader(whole + three + "}}}")); err == nil || !strings.Contains(err.Error(), "send p") {
		t.Errorf("there is no sending: %v", err)
	}
}

// TestPauses reads the profile of a heap of which three collections are of the
// time before, and four of the time that is measured; the runtime remembers four.
func TestPauses(t *testing.T) {
	before, err := parseGarbage(strings.NewReader("heap profile: 1: 2 [3: 4] @ heap/1048576\n# PauseNs = [100 200 300 0]\n# NumGC = 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := parseGarbage(strings.NewReader("# PauseNs = [2000000 3000000 9000000 1000000]\n# NumGC = 7\n# NumForcedGC = 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := figures{}
	f.pauses(before, after, 2)
	for column, want := range map[string]float64{"collections/s": 2, "GC pause p50 ms": 2.5, "GC pause p99 ms": 9, "GC pause max ms": 9} {
		if f[column] != want {
			t.Errorf("%s is %v, want %v", column, f[column], want)
		}
	}
	if all := (garbage{4, []float64{1e6, 2e6, 3e6, 4e6}}).since(garbage{collections: 3}); len(all) != 1 || all[0] != 4 {
		t.Errorf("the last pause is %v", all)
	}
	if _, err := parseGarbage(strings.NewReader("<html>")); err == nil {
		t.Error("that is no profile")
	}
}

// TestCollectionsMatter: what is said of them comes from the figures.
func TestCollectionsMatter(t *testing.T) {
	at := func(name string, often, p50, p99 float64) entry {
		run := func(more float64) figures {
			return figures{"server cores": 0.7, "collections/s": often, "GC pause max ms": 0.2, "added p50 ms": p50, "added p99 ms": p99 + more, "added p99.9 ms": 9}
		}
		return entry{Section: delaySection, Name: name, Began: time.Unix(1e9, 0), Ended: time.Unix(1e9+60, 0), Runs: []figures{run(-1), run(0), run(1)}}
	}
	with, without := at(collectingRow.name, 1, 0.5, 8), at(collectingRow.plain, 0.05, 0.5, 4)
	text := string(render(&book{Rows: []entry{with, without}}))
	want := "In 3 runs with 1.00 collections a second, the longest pause of all 0.200 ms, and 3 with 0.050, all on a core that was 65 to 78 % busy: " +
		"added p50 ms 0.500 and 0.500, no more than runs differ among themselves; added p99 ms 8.00 (7.00-9.00) and 4.00 (3.00-5.00), 2.00 times as much;"
	if !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	with.Runs[2]["server cores"] = mostBusy + 0.01
	if text := collectionsMatter([]entry{with, without}); !strings.Contains(text, "Unknown: the core was 65 to 78 % busy in 2 of 3 runs with") {
		t.Error(text)
	}
	with.Runs[2]["server cores"] = mostBusy
	without.Commit = "another"
	if text := collectionsMatter([]entry{with, without}); !strings.Contains(text, "Unknown: ") {
		t.Error(text)
	}
	without.Commit = with.Commit
	without.Runs[0][shortOfVideo], without.Runs[1][shortOfVideo] = 50, 50
	if text := collectionsMatter([]entry{with, without}); !strings.Contains(text, "Unknown: ") {
		t.Error(text)
	}
}

// TestApart: a median that is not among the other's runs is another, in both
// directions, and however far one of the others went astray.
func TestApart(t *testing.T) {
	for _, tc := range []struct {
		mine, theirs []float64
		want         string
	}{
		{[]float64{1, 2, 3}, []float64{1.5, 2.5, 4}, "no more than runs differ among themselves"},
		{[]float64{2, 2, 2}, []float64{1, 1, 9}, "2.00 times as much"},
		{[]float64{1, 5, 9}, []float64{3, 3.3, 3.4}, "1.52 times as much"},
		{[]float64{1, 1, 1}, []float64{2, 2.5, 3}, "0.400 times as much"},
		{[]float64{1, 1, 1}, []float64{0, 0, 0}, "more"},
		{[]float64{0}, []float64{0}, "no more than runs differ among themselves"},
	} {
		if got := apart(tc.mine, tc.theirs); got != tc.want {
			t.Errorf("%v and %v: %s, want %s", tc.mine, tc.theirs, got, tc.want)
		}
	}
}

// TestCell: of two runs there is no range to tell.
func TestCell(t *testing.T) {
	for want, values := range map[string][]float64{"-": nil, "1.00": {1}, "1.00, 3.00": {3, 1}, "2.00": {2, 2.0001}, "2.00 (1.00-3.00)": {3, 1, 2}} {
		var runs []figures
		for _, v := range values {
			runs = append(runs, figures{"a": v})
		}
		if got := cell(runs, "a"); got != want {
			t.Errorf("%v: %s, want %s", values, got, want)
		}
	}
}

// TestLines: a run is told by what its tables show, in that order, in lines that
// fit a terminal.
func TestLines(t *testing.T) {
	f := figures{"aa": 1, "KB each": 3, "us per packet": 4, "failed": 0}
	if got, want := f.lines(mediaSection), "us per packet 4.00, failed 0, KB each 3.00"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, s := range sections {
		f := figures{}
		for _, c := range slices.Concat(s.tables...) {
			f[c] = 1234567
		}
		text := f.lines(s.title)
		if n := strings.Count(text, "1234567"); n != len(f) {
			t.Errorf("%s: %d of %d figures in %s", s.title, n, len(f), text)
		}
		for line := range strings.Lines(text) {
			if len(line) > width+10 {
				t.Errorf("%s: %d bytes: %s", s.title, len(line), line)
			}
		}
	}
}

// TestFilled: nothing stands in a table that was not measured, but each row in the
// first of its tables.
func TestFilled(t *testing.T) {
	s := &section{tables: [][]string{{"a", "b"}, {"c", "d"}}}
	rows := []entry{{Name: "x", Runs: []figures{{"a": 1, "d": 0}}}, {Name: "y", Failed: 2}}
	for table, want := range []string{"a: x y", "d: x"} {
		columns, with := s.filled(table, rows)
		got := strings.Join(columns, " ") + ":"
		for _, e := range with {
			got += " " + e.Name
		}
		if got != want {
			t.Errorf("table %d is of %s, want %s", table, got, want)
		}
	}
	was := entry{Section: profileSection, Earlier: []past{{Medians: figures{"b": 1}}}}
	if !was.has("b") || was.has("a") {
		t.Error("what a profile was before is shown")
	}
}

// ofAny is what a column's name has around the word that has to be explained.
var ofAny = regexp.MustCompile(`^(warm|end) | (p50|p99\.9|p99|max|last)\b|[ /](ms|s|MB|CPU-s|%)$`)

// TestWords: each column's word is explained above its tables, above those of
// media, or at the beginning.
func TestWords(t *testing.T) {
	for _, s := range sections {
		above := strings.ToLower(head + mediaIntro + s.intro)
		for _, c := range slices.Concat(s.tables...) {
			word := c
			for last := ""; last != word; {
				last, word = word, ofAny.ReplaceAllString(word, "")
			}
			if !strings.Contains(above, strings.ToLower(word)) {
				t.Errorf("%s: what is %q, of %q?", s.title, word, c)
			}
		}
		for _, columns := range s.tables {
			if len(columns) > 15 {
				t.Errorf("%s: %d columns", s.title, len(columns))
			}
		}
	}
}
