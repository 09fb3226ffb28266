package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// TestGoalsExist: each goal is one of a row and a column that there are.
func TestGoalsExist(t *testing.T) {
	has := map[string]bool{}
	for _, r := range rows() {
		has[r.section+r.name] = true
	}
	for _, s := range sections {
		for _, c := range slices.Concat(s.tables...) {
			has[s.title+c] = true
		}
	}
	for row, name := range shownBy {
		if !has[profileSection+name] || !slices.ContainsFunc(goals, func(g goal) bool { return g.row == row }) {
			t.Errorf("%s is to show what is in the way of %s", name, row)
		}
	}
	for _, g := range goals {
		if !has[g.section+g.row] || !has[g.section+g.column] || g.beside != "" && !has[g.section+g.beside] || g.goal > g.must {
			t.Errorf("%+v", g)
		}
	}
}

// later is a row as if it had been measured later.
func later(e entry, d time.Duration) entry {
	e.Began, e.Ended = e.Began.Add(d), e.Ended.Add(d)
	return e
}

func TestGoalLines(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(name string, values ...float64) entry {
		e := entry{Section: signallingSection, Name: name, Began: noon, Ended: noon.Add(100 * time.Second)}
		for _, v := range values {
			e.Runs = append(e.Runs, figures{"join CPU-s": v})
		}
		return e
	}
	all := []entry{at("81 x 40: plenum", 0.5), at("81 x 40: Prosody, gc generational", 38), at("1 x 321: plenum", 0.3)}
	for _, tc := range []struct {
		entries []entry
		want    []string
	}{
		{all, []string{
			"81 x 40: plenum: join CPU-s 0.500. Must be at most 1.5: met. Goal at most 0.4: missed, 1.25 times that.",
			"1 x 321: plenum: join CPU-s 0.300. Must be at most 1.2: met. Goal at most 0.3: met.",
			"81 x 40: Prosody, gc generational takes 76.0 times the CPU time of plenum to join, both measured within 2 minutes. Must be at least 60: met. Goal at least 150: missed, 0.507 of that.",
		}},
		{[]entry{all[0], later(all[1], 2*time.Hour)}, []string{"takes 76.0 times the CPU time of plenum to join, both measured within 122 minutes. That is not judged."}},
		{[]entry{later(all[1], time.Hour), all[0]}, []string{"both measured within 62 minutes. Must be at least 60: met."}},
		{[]entry{{Section: signallingSection, Name: all[0].Name, Runs: all[0].Runs}, all[1]}, []string{"both measured at times that are not known. That is not judged."}},
		{all[:1], []string{"Not measured: 81 x 40: Prosody, gc generational; 81 x 40: Prosody, gc incremental 105/250; 1 x 321: plenum;", "## Delay\n\nNot measured: n x 5, 1 camera, tile;"}},
		{[]entry{{Section: mediaSection, Name: "1 x 40, 4 cameras, tile", Runs: []figures{{"us per packet": 5}}}}, []string{"No media server of another make was measured."}},
		{all[:1], []string{"Prosody: not measured.", "1 x 321: plenum: join CPU-s was not measured. It must be at most 1.2, and at most 0.3 is aimed at."}},
		{[]entry{{Section: signallingSection, Name: "1 x 321: plenum", Failed: 2}}, []string{
			"1 x 321: plenum: no run came to its end. join CPU-s was to be at most 1.2, and at most 0.3 is aimed at: missed.",
		}},
		{[]entry{at("81 x 40: plenum", 0.5), {Section: signallingSection, Name: "81 x 40: Prosody, gc generational", Commit: "another", Runs: []figures{{"join CPU-s": 38}}}}, []string{
			"81 x 40: Prosody, gc generational was not measured together with plenum, and is not compared.",
		}},
		{[]entry{{Section: restSection, Name: "at rest: 1 x 1000, muted", Runs: []figures{{"CPU %": 2}}}}, []string{
			"at rest: 1 x 1000, muted: CPU % 2.00. Must be at most 3: met. Goal at most 1: missed, 2.00 times that. What its CPU time goes to was not measured (profile: at rest: 25 x 40, muted, silence).\n",
		}},
		{[]entry{{Section: restSection, Name: "at rest: 25 x 40, muted, silence", Runs: []figures{{"CPU %": 2}}},
			{Section: profileSection, Name: restProfile, Commit: "abc", Runs: []figures{{"seal %": 12, "wait %": 40.5, "memory %": 9, "other %": 30}}}}, []string{
			"missed, 2.00 times that. The largest shares of the server's CPU time are wait 40.5 %, other 30.0 %, seal 12.0 % (" + restProfile + ", at abc).",
		}},
		{[]entry{{Section: profileSection, Name: "profile: it", Runs: []figures{{"seal %": 12}}, Earlier: []past{{"abc", "2026-11-22", "", figures{"recvmmsg %": 5, "seal %": 34}}}}}, []string{
			"| | runs | recvmmsg % | seal % |\n|---|---:|---:|---:|\n| profile: it | 1 | - | 12.0 |\n| - at abc, 2026-11-22 | | 5.00 | 34.0 |\n",
		}},
		{[]entry{at("1 x 321: plenum", 0.2, 0.5, 0.2, 0.3)}, []string{"1 x 321: plenum: join CPU-s 0.250. Must be at most 1.2: met. Goal at most 0.3: met, but not by every run."}},
	} {
		text := string(render(&book{Rows: tc.entries}))
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text[len(head):])
			}
		}
	}
}

// TestWindow: what happens before and after the window, and in seconds that
// are not wholly in it, does not count.
func TestWindow(t *testing.T) {
	began := time.Now().Round(0)
	r := record.Report{Began: began, Duration: 10 * time.Second, Participants: []record.Participant{{State: record.InCall}, {State: record.Failed}}}
	for i := range 10 {
		s := record.Second{At: time.Duration(i+1) * time.Second, CPU: 9, PacketsIn: 1000, Lost: 1000, DelayP50: time.Hour, DelayP99: time.Hour}
		if i >= 4 && i < 7 {
			s.CPU, s.Lost, s.DelayP50, s.DelayP99 = 0.5, 10, time.Duration(i)*time.Millisecond, time.Duration(2*i)*time.Millisecond
		}
		r.Seconds = append(r.Seconds, s)
	}
	file := filepath.Join(t.TempDir(), "report")
	b, err := json.Marshal(&r)
	if err != nil || os.WriteFile(file, b, 0o600) != nil {
		t.Fatal(err)
	}
	f := figures{}
	if err := f.readReport(file, window{began.Add(3500 * time.Millisecond), began.Add(7900 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]float64{"load cores": 0.5, "loss %": 100.0 * 30 / 3030, "delay p50 ms": 5, "delay p99 ms": 10, "failed": 1} {
		if got := f[column]; got != want {
			t.Errorf("%s is %v, want %v", column, got, want)
		}
	}
}

// TestVerdicts: what belongs to a verdict beside the figure itself.
func TestVerdicts(t *testing.T) {
	delay := func(cores, p50, p99 float64, parts ...string) entry {
		f := figures{"server cores": cores, "added p50 ms": p50, "added p99 ms": p99}
		for i, part := range parts {
			f[part+" p50 ms"], f[part+" p99 ms"] = float64(i+1)/100, float64(i+1)
		}
		return entry{Section: delaySection, Name: middling.name(), Runs: []figures{f}}
	}
	call := func(name string, each, failed float64, short ...float64) entry {
		e := seen(mediaSection, name, each, short...)
		e.Runs[0]["failed"] = failed
		return e
	}
	come := func(used float64) entry {
		return entry{Section: crowdSection, Name: "storm-500, all come at once", Runs: []figures{{"accepted last s": 2, comingIn: used}}}
	}
	for _, tc := range []struct {
		row  entry
		want string
	}{
		{delay(0.7, 0.05, 0.5), "added p50 ms 0.050 (the server's core was 70 % busy). Must be at most 1: met. Goal at most 0.1: met.\n"},
		{delay(0.7, 0.2, 4, parts...), "Goal at most 0.1: missed, 2.00 times that. Of its parts, each by itself: socket 0.010, turn 0.020, work 0.030, send 0.040.\n"},
		{func() entry { e := delay(0.7, 0.2, 4, parts...); e.Runs[0][coreWait] = 0.9; return e }(), "send 4.00. For 0.900 % of the time a thread of the server waited for the core.\n"},
		{delay(0.7, 0.2, 4, parts...), "Goal at most 1: missed, 4.00 times that. Of its parts, each by itself: socket 1.00, turn 2.00, work 3.00, send 4.00.\n"},
		{delay(0.7, 0.2, 4), "missed, 2.00 times that. What the delay consists of was not measured.\n"},
		{delay(0.64, 0.05, 4), "(the server's core was 64 % busy). Not judged: it must be at most 1, and at most 0.1 is aimed at, on a core that is 65 to 78 % busy.\n"},
		{func() entry { e := delay(0.7, 0.05, 0.5); e.Runs[0][shortOfVideo] = 6; return e }(), "busy). Not judged: it must be at most 1, and at most 0.1 is aimed at, with nothing left out, and a part was cut.\n"},
		{delay(0.79, 5, 9), "(the server's core was 79 % busy). Not judged: "},
		{call("1 x 1000, 20 cameras, tile", 38.8, 0), "failed 0. Must be nobody, with the video that was asked for: missed, 38.8 of 599 packets a second came to each, 6.47 %.\n"},
		{call("1 x 300, 20 cameras, tile", 0, 0), "with the video that was asked for: missed, none of it came.\n"},
		{call("1 x 300, 20 cameras, tile", 598, 0), "failed 0. Must be nobody, with the video that was asked for: met.\n"},
		{call("1 x 300, 20 cameras, tile", 598, 1), "failed 1.00. Must be nobody, with the video that was asked for: missed.\n"},
		{call("1 x 300, 20 cameras, tile", 598, 0, 6), "with the video that was asked for: missed, 598 of 598 packets a second came to each, 100 %.\n"},
		{entry{Section: mediaSection, Name: "1 x 300, 20 cameras, tile", Runs: []figures{{"failed": 0}}}, "with the video that was asked for: not judged, as the video was not measured.\n"},
		{entry{Section: signallingSection, Name: "250 x 40: plenum", Runs: []figures{{"MB": 116, "peak MB": 206}}},
			"MB 116 (ten thousand people in rooms of 40, at the end of the silence; peak MB 206). Must be at most 160: met.\n"},
		{come(0.46), "missed, 2.00 times that. Until the bridge had everybody the server had used 0.460 s of its core; the load, on the other core, has its part"},
	} {
		if text := string(render(&book{Rows: []entry{tc.row}})); !strings.Contains(text, tc.want) {
			t.Errorf("no %q in\n%s", tc.want, text[len(head):])
		}
	}
}

// TestFailures: a run that fails costs no other run and no other row, and is
// told of; of a row that always fails it is known that it did.
func TestFailures(t *testing.T) {
	runs := 0
	once := func(fails ...int) func(context.Context, *settings, string) (figures, error) {
		return func(context.Context, *settings, string) (figures, error) {
			runs++
			for _, n := range fails {
				if n == runs {
					return nil, errors.New("no luck")
				}
			}
			return figures{"joins": float64(runs)}, nil
		}
	}
	b := &book{dir: t.TempDir()}
	for _, tc := range []struct {
		row         row
		runs, found int // in all, and in the book
		failed      bool
	}{
		{row{once: once()}, 4, 4, false},
		{row{once: once(3)}, 4, 3, true},
		{row{once: once(1, 2)}, 2, 0, true},
		{row{once: once(), most: 2}, 2, 2, false},
		{row{once: once(), needs: "there-is-no-such-program"}, 0, 2, false},
	} {
		runs = 0
		tc.row.section = churnSection
		err := tc.row.measure(t.Context(), &settings{runs: 4}, t.TempDir(), b)
		if (err != nil) != tc.failed || runs != tc.runs || len(b.Rows) != 1 || len(b.Rows[0].Runs) != tc.found {
			t.Errorf("%d runs, %+v, %v; want %+v", runs, b.Rows, err, tc)
		}
	}
}

// TestMissing: one of forty may be missing, one of three may not.
func TestMissing(t *testing.T) {
	for _, tc := range []struct {
		people, in int
		enough     bool
	}{{40, 40, true}, {40, 39, true}, {40, 37, false}, {3, 2, false}, {3, 4, true}} {
		in, err := (&meeting{people: tc.people}).here(map[string]float64{"plenum_bridge_endpoints": float64(tc.in)})
		if (err == nil) != tc.enough || in != min(tc.in, tc.people) {
			t.Errorf("%+v: %d, %v", tc, in, err)
		}
	}
}

// TestGrown: what is more than a tenth larger at the end has grown, but for the
// resident size, of which most is room for garbage, and for what is live during
// calls, of which half is video that came.
func TestGrown(t *testing.T) {
	f := figures{"minutes": 5, "joins": 500, "warm live MB": 10, "end live MB": 12, "warm empty MB": 5, "end empty MB": 9.4, "warm empty objects": 15000, "end empty objects": 16000,
		"warm outside MB": 20, "end outside MB": 23, "warm MB": 50, "end MB": 90, "warm goroutines": 40, "end goroutines": 49}
	if err := f.grown(); err != nil {
		t.Error(err)
	}
	for what, tooMuch := range map[string]float64{"goroutines": 50, "outside MB": 25, "live MB": 13, "empty MB": 9.6, "empty objects": 16600} {
		f := maps.Clone(f)
		f["end "+what] = tooMuch
		if err := f.grown(); err == nil || !strings.Contains(err.Error(), "grew: "+what+" was") || strings.Count(err.Error(), "grew") != 1 {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, b := range bounds {
		f := maps.Clone(f)
		delete(f, "end "+b.what)
		if err := f.grown(); err == nil || err.Error() != b.what+" were not measured" {
			t.Errorf("without %s: %v", b.what, err)
		}
	}
	for said, f := range map[string]figures{
		"- a: within its bounds: live MB +2.00 of 2.50 allowed, empty MB +4.40 of 4.50 allowed, empty objects +1000 of 1500 allowed, " +
			"outside MB +3.00 of 4.00 allowed, goroutines +9.00 of 9.00 allowed, resident MB +40.0, which are not judged.": f,
		"- a: only 1 times": {"minutes": 60, "joins": 1},
	} {
		if got := verdictOfChurn([]entry{{Name: "a", Runs: []figures{{}, f}}}); !strings.HasPrefix(got, said) {
			t.Errorf("%q, want %q", got, said)
		}
	}
	less := maps.Clone(f)
	less["end live MB"], less["end goroutines"] = 8, 50
	if got := verdictOfChurn([]entry{{Name: "a", Runs: []figures{less}}}); !strings.HasPrefix(got, "- a: the server grew: goroutines was 40.0 when warm and 50.0 at the end: live MB -2.00 of 2.50 allowed, ") {
		t.Error(got)
	}
	idle := figures{"minutes": 60, "joins": 100}
	if err := idle.grown(); err == nil || !strings.Contains(err.Error(), "did somebody come in") {
		t.Error(err)
	}
}
