package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

// sample is a report of n participants; every third has a trouble of its own.
func sample(n, seconds int) *record.Report {
	r := &record.Report{
		Target: "http://localhost:8080", Began: time.Unix(1e9, 0), Duration: time.Duration(seconds) * time.Second, Plan: map[string]int{"n": n},
		Machine: record.Machine{Cores: 2, CPU: time.Second, PeakMemory: 50 << 20},
		Server:  &record.Server{Source: "process 1", Samples: []record.ServerSample{{At: time.Second, CPU: 0.5, Memory: 60 << 20}, {At: 3 * time.Second, CPU: 0.7}}},
	}
	for i := range n {
		at := time.Duration(i%100+1) * time.Millisecond
		var delay record.Histogram
		delay.Add(at)
		p := record.Participant{
			Index: i, Room: "<room>", Name: fmt.Sprintf("Somebody & %d", i), State: record.InCall,
			Steps: []record.StepTime{{Step: record.Room, At: at, Took: at}, {Step: record.Offer, At: at}, {Step: record.ICE, At: at}, {Step: record.DTLS, At: at}, {Step: record.Accepted, At: at}},
			Media: &record.Media{Delay: &delay, Streams: []record.Stream{{Kind: "audio", Packets: 9, Expected: 9}, {Kind: "video", Packets: 9, Expected: 9, Height: 180}}},
		}
		if i%3 == 0 {
			p.Errors = []record.Error{{Step: record.ICE, Cause: fmt.Sprintf("<b>trouble %d</b>", i), Count: 1}}
		}
		r.Participants = append(r.Participants, p)
	}
	for i := range seconds {
		r.Seconds = append(r.Seconds, record.Second{
			At: time.Duration(i+1) * time.Second, InRoom: n, InCall: min(i, n), PacketsIn: 100, BitsIn: uint64(i) * 1e6, BitsOut: 5e5,
			DelayP50: time.Millisecond, DelayP99: time.Duration(i) * time.Millisecond, Lost: int64(i%3 - 1), CPU: 0.1,
		})
	}
	return r
}

func render(t testing.TB, r *record.Report, checks []Check) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r, verdict.Judge(r), checks); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var svgs = regexp.MustCompile(`(?s)<svg.*?</svg>`)

// TestPage: the page has everybody's reason, its plots are well-formed and
// described, nothing comes from elsewhere, and nothing that a server says
// becomes markup.
func TestPage(t *testing.T) {
	r := sample(60, 30)
	text := render(t, r, []Check{{Text: "loss<1%", OK: true, Found: "it is 0 %"}, {Text: "join.p99<1ms", Found: "it is 60 ms"}})
	for i := 0; i < 60; i += 3 {
		if want := fmt.Sprintf("ice: &lt;b&gt;trouble %d&lt;/b&gt;", i); strings.Count(text, want) < 2 { // once as a cause, once as a reason
			t.Errorf("%q is missing", want)
		}
	}
	for _, want := range []string{"loss&lt;1%", `<span class="no">no</span>`, "All 60 participants", "Steps of joining", "Processors", "server", "60 MiB", "The 10 worst participants"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, bad := range []string{"<script", "<link", "src=", "href=", "url(", "<room>", "<b>trouble", "ZgotmplZ", "NaN", "Inf"} {
		if strings.Contains(text, bad) {
			t.Errorf("there is %q", bad)
		}
	}
	plots := svgs.FindAllString(text, -1)
	if len(plots) != 5 {
		t.Errorf("%d plots", len(plots))
	}
	for _, p := range plots {
		checkSVG(t, p)
	}
}

// checkSVG: it is XML, has a title and a description, and its points lie in it.
func checkSVG(t *testing.T, text string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(text))
	curves := 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		el, ok := tok.(xml.StartElement)
		if !ok || el.Name.Local != "polyline" {
			continue
		}
		curves++
		for _, a := range el.Attr {
			if a.Name.Local == "points" {
				checkPoints(t, a.Value)
			}
		}
	}
	if curves == 0 || !strings.Contains(text, `role="img"`) || !strings.Contains(text, "<title") || !strings.Contains(text, "<desc") {
		t.Errorf("%d curves in %.200s", curves, text)
	}
}

func checkPoints(t *testing.T, points string) {
	t.Helper()
	before := -1.0
	for pair := range strings.FieldsSeq(points) {
		a, b, _ := strings.Cut(pair, ",")
		x, err := strconv.ParseFloat(a, 64)
		y, err2 := strconv.ParseFloat(b, 64)
		if err != nil || err2 != nil || x < plotLeft || x > plotWidth-plotRight+0.1 || y < plotTop-0.1 || y > plotHeight-plotBottom+0.1 || x <= before {
			t.Fatalf("a point at %s", pair)
		}
		before = x
	}
}

// TestPageOfLittle: reports with hardly anything in them make pages too.
func TestPageOfLittle(t *testing.T) {
	signalling := sample(3, 2)
	for i := range signalling.Participants {
		signalling.Participants[i].Media, signalling.Participants[i].NoMedia, signalling.Participants[i].Errors = nil, true, nil
	}
	for i := range signalling.Seconds {
		signalling.Seconds[i].PacketsIn = 0
	}
	for name, r := range map[string]*record.Report{"empty": {}, "signalling": signalling, "long": sample(2, 5000), "many": sample(3*maxPeople+60, 1)} {
		text := render(t, r, nil)
		for _, p := range svgs.FindAllString(text, -1) {
			checkSVG(t, p)
		}
		switch {
		case len(text) > 3<<20:
			t.Errorf("%s: %d bytes", name, len(text))
		case name == "signalling" && (strings.Contains(text, "audio lost") || !strings.Contains(text, "Nobody had reason")):
			t.Error("it speaks of media")
		case name == "many" && !strings.Contains(text, "20 more are in the JSON report"):
			t.Error("it does not say what it leaves out")
		}
	}
}

// terminal is one that knows the two sequences a view uses. It fails on others.
type terminal struct {
	t     *testing.T
	lines []string
}

var up = regexp.MustCompile("^\x1b\\[([0-9]+)A\x1b\\[J")

func (s *terminal) Write(b []byte) (int, error) {
	text := string(b)
	if m := up.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		if n > len(s.lines) {
			s.t.Fatalf("%d lines up, of %d", n, len(s.lines))
		}
		s.lines, text = s.lines[:len(s.lines)-n], text[len(m[0]):]
	}
	if strings.Contains(text, "\x1b") || !strings.HasSuffix(text, "\n") {
		s.t.Fatalf("%q", text)
	}
	s.lines = append(s.lines, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
	return len(b), nil
}

// TestTerminal: the view replaces itself, never wraps, and follows the width.
func TestTerminal(t *testing.T) {
	screen := &terminal{t: t, lines: []string{"$ plenum loadtest"}}
	width := 100
	v := NewView(screen, Header{Target: "http://localhost:8080", Participants: 12, Duration: 30 * time.Second}, func() int { return width })
	for i, s := range sample(12, 30).Seconds {
		if i == 10 {
			width = 30
		}
		if i == 20 {
			width = 3
		}
		v.Second(s)
		if len(screen.lines) != 9 || screen.lines[0] != "$ plenum loadtest" {
			t.Fatalf("%q", screen.lines)
		}
		for _, l := range screen.lines[1:] {
			if utf8.RuneCountInString(l) >= max(width, 20) {
				t.Fatalf("%q wraps at %d", l, width)
			}
		}
		if i == 5 {
			text := strings.Join(screen.lines, "\n")
			for _, want := range []string{"in call 5 of 12", "joins 1/s", "99 % 5.00 ms", "6 s of 30 s", "5.0 Mbit/s"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in\n%s", want, text)
				}
			}
		}
	}
}

// TestPlainLines: without a terminal there is a line for each second of a
// short test, fewer of a long one, and one whenever somebody fails.
func TestPlainLines(t *testing.T) {
	for _, tc := range []struct {
		duration time.Duration
		seconds  int
		want     int
	}{{30 * time.Second, 30, 30}, {time.Hour, 100, 14 + 18}} {
		var b strings.Builder
		v := NewView(&b, Header{Participants: 3, Duration: tc.duration}, nil)
		for _, s := range sample(3, tc.seconds).Seconds {
			v.Second(s)
		}
		if n := strings.Count(b.String(), "\n"); n != tc.want || strings.Contains(b.String(), "\x1b") {
			t.Errorf("%d lines in %d s of %v", n, tc.seconds, tc.duration)
		}
		before := b.Len()
		v.Second(record.Second{At: time.Duration(tc.seconds)*time.Second + time.Second, Failed: 1})
		if !strings.Contains(b.String()[before:], "failed 1") {
			t.Error("a failure is not told at once")
		}
	}
}

func TestText(t *testing.T) {
	r := sample(40, 5)
	r.Participants[7].Alone = true
	text := Text(verdict.Judge(r), []Check{{Text: "loss<1%", OK: true, Found: "it is 0 %"}, {Text: "failed=1", Found: "it is 0"}})
	for _, want := range []string{"All 40 participants", "ok      loss<1%: it is 0 %", "FAILED  failed=1: it is 0", "ice: <b>trouble 0</b>", "40 streams of audio", "Somebody & 0 in <room>: ice", "into the call", "\n  The step \"offer\" leaves out one participant"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// TestRound compares with trying all round numbers.
func TestRound(t *testing.T) {
	for _, v := range []float64{0, 0.001, 0.3, 0.9, 1, 2.2, 2.6, 7, 99, 101, 2.6e6} {
		got := round(v, false)
		if got < v || v > 0 && got > 2.6*v {
			t.Errorf("%v becomes %v", v, got)
		}
		if whole := round(v, true); whole != float64(int(whole)) || whole < v {
			t.Errorf("%v becomes %v", v, whole)
		}
	}
}

func TestApart(t *testing.T) {
	for _, ends := range [][]float64{{100, 100, 100}, {100, 103, 98}, {14, 14, 14}, {206, 206, 206}, {50, 120}, nil} {
		got := apart(ends)
		for i := range got {
			for k := range i {
				if d := got[i] - got[k]; d > -11 && d < 11 {
					t.Errorf("%v becomes %v", ends, got)
				}
			}
		}
	}
}
