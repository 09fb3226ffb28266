package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

// Header is what a view knows before the test begins.
type Header struct {
	Target       string
	Participants int
	Duration     time.Duration
}

// View shows a test while it runs.
type View struct {
	out   io.Writer
	h     Header
	width func() int // of the terminal; nil for plain lines
	drawn int        // lines on the terminal that the next second replaces
	last  record.Second
	errs  int
	lost  int64
}

// NewView makes a view. With width, which says how many columns the terminal
// has now, it redraws a block of lines each second; with nil it writes a line
// now and then, each as a whole.
func NewView(out io.Writer, h Header, width func() int) *View {
	return &View{out: out, h: h, width: width}
}

// Second shows how a second was.
func (v *View) Second(s record.Second) {
	v.errs += s.Errors
	v.lost += s.Lost
	if v.width != nil {
		v.draw(s)
	} else if v.due(s) {
		_, _ = fmt.Fprintln(v.out, v.line(s))
	}
	v.last = s
}

// due decides about a plain line: each second of a short test and of the
// beginning, later every fifth, and whenever somebody fails.
func (v *View) due(s record.Second) bool {
	return v.h.Duration <= time.Minute || s.At < 15*time.Second || s.Failed > v.last.Failed ||
		int(s.At.Seconds())/5 != int(v.last.At.Seconds())/5
}

// line is a second in one line.
func (v *View) line(s record.Second) string {
	return fmt.Sprintf("%4.0fs  in call %d of %d, in room %d, failed %d, slowest join %s | in %s/s %s, out %s/s %s | lost %d, freezes %d, delay %s/%s, errors %d | generator %.2f cores",
		s.At.Seconds(), s.InCall, v.h.Participants, s.InRoom, s.Failed, verdict.Brief(s.WorstJoin),
		verdict.Count(s.PacketsIn), verdict.Rate(int64(s.BitsIn)), verdict.Count(s.PacketsOut), verdict.Rate(int64(s.BitsOut)),
		s.Lost, s.Freezes, verdict.Brief(s.DelayP50), verdict.Brief(s.DelayP99), s.Errors, s.CPU)
}

// draw replaces the block on the terminal. No line is wider than it: one that
// wraps could not be taken back.
func (v *View) draw(s record.Second) {
	width := max(v.width(), 20)
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", v.drawn)
	}
	lines := v.block(s, width)
	for _, l := range lines {
		b.WriteString(cut(l, width-1) + "\n")
	}
	v.drawn = len(lines)
	_, _ = io.WriteString(v.out, b.String())
}

// block is what stands on the terminal.
func (v *View) block(s record.Second, width int) []string {
	share := 1.0
	if v.h.Duration > 0 {
		share = min(float64(s.At)/float64(v.h.Duration), 1)
	}
	bar := max(min(width-40, 40), 5)
	full := int(share * float64(bar))
	return []string{
		fmt.Sprintf("plenum loadtest of %s", v.h.Target),
		fmt.Sprintf("  time      %s%s %.0f s of %.0f s   Ctrl-C ends it with a report", strings.Repeat("█", full), strings.Repeat("░", bar-full), s.At.Seconds(), v.h.Duration.Seconds()),
		fmt.Sprintf("  people    in call %d of %d   in room %d   failed %d   left %d   joins %d/s   slowest join %s",
			s.InCall, v.h.Participants, s.InRoom, s.Failed, s.Left, max(s.InCall-v.last.InCall, 0), verdict.Brief(s.WorstJoin)),
		fmt.Sprintf("  received  %s packets/s   %s", verdict.Count(s.PacketsIn), verdict.Rate(int64(s.BitsIn))),
		fmt.Sprintf("  sent      %s packets/s   %s", verdict.Count(s.PacketsOut), verdict.Rate(int64(s.BitsOut))),
		fmt.Sprintf("  quality   delay %s, 99 %% %s   lost %d now, %d in all   freezes %d", verdict.Brief(s.DelayP50), verdict.Brief(s.DelayP99), max(s.Lost, 0), max(v.lost, 0), s.Freezes),
		fmt.Sprintf("  signals   %s stanzas/s in, %s out   resumed %d   errors %d", verdict.Count(s.StanzasIn), verdict.Count(s.StanzasOut), s.Resumes, v.errs),
		fmt.Sprintf("  generator %.2f cores, the busiest worker %.0f %%, %d sent late", s.CPU, 100*s.BusiestShare, s.Late),
	}
}

// cut makes a line at most n characters long.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}
