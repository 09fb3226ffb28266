package report

import (
	"fmt"
	"strings"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

// Check is what came of an assertion.
type Check struct {
	Text  string // as it was written
	OK    bool
	Found string
}

// How much of it a text shows.
const (
	textWorst  = 10
	textCauses = 20
)

// Text is a summary for a terminal or a log.
func Text(s *verdict.Summary, checks []Check) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, w := range s.Words {
		line("%s", w)
	}
	for _, w := range s.Beware {
		line("Read with care: %s.", w)
	}
	if len(s.Steps) > 0 {
		line("\nJoining                 median       90 %%       99 %%    slowest   participants")
		line("  %-17s %s", "into the "+s.Into(), spread(&s.Join))
		for i := range s.Steps {
			line("  %-17s %s", s.Steps[i].Step, spread(&s.Steps[i].Took))
		}
		if note := s.NoteOnSteps(); note != "" {
			line("  %s", note)
		}
	}
	for _, k := range []struct {
		name string
		kind *verdict.Kind
	}{{"audio", &s.Audio}, {"video", &s.Video}} {
		if k.kind.Streams > 0 {
			line("\n%d streams of %s: %s packets expected, %s lost (%s), %s came when sent again; jitter %s, 99 %% %s", k.kind.Streams, k.name,
				verdict.Count(k.kind.Expected), verdict.Count(k.kind.Lost), verdict.Percent(k.kind.Loss()), verdict.Count(k.kind.Recovered),
				verdict.Brief(k.kind.Jitter.Quantile(0.5)), verdict.Brief(k.kind.Jitter.Quantile(0.99)))
		}
	}
	if s.Listened > 0 {
		line("\n%d participants received nothing at all for a second or longer: %s of the %s that all together listened", s.SilentPeople,
			verdict.Brief(s.Silent), verdict.Brief(s.Listened))
	}
	if s.Delay.Count() > 0 {
		line("\nAll together received %s on average and %s at most, and sent %s.", verdict.Rate(s.RateIn), verdict.Rate(s.PeakIn), verdict.Rate(s.RateOut))
	}
	textWrong(line, s)
	textMachines(line, s)
	if len(checks) > 0 {
		line("")
	}
	for _, c := range checks {
		mark := "ok    "
		if !c.OK {
			mark = "FAILED"
		}
		line("%s  %s: %s", mark, c.Text, c.Found)
	}
	return b.String()
}

func textWrong(line func(string, ...any), s *verdict.Summary) {
	if len(s.Errors) > 0 {
		line("\nWhat went wrong, and for how many participants")
		for _, e := range s.Errors[:min(len(s.Errors), textCauses)] {
			line("  %6d  %s", e.People, Cause(e))
		}
		if more := len(s.Errors) - textCauses; more > 0 {
			line("          and %d other causes", more)
		}
	}
	shown := 0
	for i := range s.People {
		p := &s.People[i]
		if len(p.Reasons) == 0 || shown == textWorst {
			break
		}
		if shown == 0 {
			line("\nWho fared worst, and why")
		}
		shown++
		line("  %s in %s: %s", p.Name, p.Room, strings.Join(p.Reasons, "; "))
	}
}

// textMachines is what each of several machines needed.
func textMachines(line func(string, ...any), s *verdict.Summary) {
	for i := range s.Machines {
		if i == 0 {
			line("\nMachines                     participants   cores used    of      memory")
		}
		m := &s.Machines[i]
		line("  %-26s %12d %12.2f %5d %7d MiB%s", m.Name, m.Participants, m.Used, m.Cores, m.PeakMemory>>20, lostNote(m.Lost))
	}
}

func lostNote(why string) string {
	if why == "" {
		return ""
	}
	return "   LOST: " + why
}

// Cause is what went wrong and where.
func Cause(c verdict.Cause) string {
	if c.Step == "" {
		return c.Cause
	}
	return fmt.Sprintf("%s: %s", c.Step, c.Cause)
}

// spread is a row of quantiles.
func spread(h *record.Histogram) string {
	q := func(q float64) string { return verdict.Brief(h.Quantile(q)) }
	return fmt.Sprintf("%12s %10s %10s %10s %14d", q(0.5), q(0.9), q(0.99), verdict.Brief(h.Max()), h.Count())
}
