package record

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Line says in one line how a second was.
func Line(s Second) string {
	return fmt.Sprintf("%4.0fs  in room %d, in call %d of %d, failed %d | in %s pkt/s %s, out %s pkt/s %s | lost %d, freezes %d, delay %s/%s | own CPU %.2f cores",
		s.At.Seconds(), s.InRoom, s.InCall, s.Began, s.Failed, count(s.PacketsIn), rate(s.BitsIn), count(s.PacketsOut), rate(s.BitsOut),
		s.Lost, s.Freezes, brief(s.DelayP50), brief(s.DelayP99), s.CPU)
}

func count(n uint64) string {
	switch {
	case n >= 10_000_000:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	case n >= 10_000:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

func rate(bits uint64) string {
	switch {
	case bits >= 1e9:
		return fmt.Sprintf("%.2f Gbit/s", float64(bits)/1e9)
	case bits >= 1e6:
		return fmt.Sprintf("%.1f Mbit/s", float64(bits)/1e6)
	}
	return fmt.Sprintf("%.0f kbit/s", float64(bits)/1e3)
}

// brief rounds a duration to what a reader wants to know.
func brief(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// Sum is a report in a few figures.
type Sum struct {
	Participants int
	Joined       int // came into their room
	InCall       int // and into the call, or need not
	Failed       int
	Expected     uint64
	Lost         int64
	Freezes      int
	Frozen       time.Duration
	VideoTime    time.Duration // of all video streams together, roughly
	Resumes      int
	Delay        Histogram
	Steps        map[Step]*Histogram // how long each step took
	Total        map[Step]*Histogram // since the participant began
	Errors       []Error             // by cause, most frequent first
	Machine      Machine
	Busiest      Second // with the most packets received
}

// Sum adds up what all participants have seen.
func (r *Report) Sum() *Sum {
	s := &Sum{Participants: len(r.Participants), Steps: map[Step]*Histogram{}, Total: map[Step]*Histogram{}, Machine: r.Machine}
	causes := map[string]int{}
	for i := range r.Participants {
		s.participant(&r.Participants[i], causes)
	}
	slices.SortStableFunc(s.Errors, func(a, b Error) int { return b.Count - a.Count })
	for _, sec := range r.Seconds {
		if sec.PacketsIn > s.Busiest.PacketsIn {
			s.Busiest = sec
		}
	}
	return s
}

func (s *Sum) participant(p *Participant, causes map[string]int) {
	for _, t := range p.Steps {
		if s.Steps[t.Step] == nil {
			s.Steps[t.Step], s.Total[t.Step] = &Histogram{}, &Histogram{}
		}
		s.Steps[t.Step].Add(t.Took)
		s.Total[t.Step].Add(t.At)
		if t.Step == Room {
			s.Joined++
		}
	}
	switch p.State {
	case InCall:
		s.InCall++
	case Failed:
		s.Failed++
	}
	s.Resumes += p.Resumes
	for _, e := range p.Errors {
		at, ok := causes[e.Cause]
		if !ok {
			at = len(s.Errors)
			causes[e.Cause] = at
			e.Count = 0
			s.Errors = append(s.Errors, e)
		}
		s.Errors[at].Count++
		s.Errors[at].Fatal = s.Errors[at].Fatal || e.Fatal
	}
	if p.Media == nil {
		return
	}
	s.Delay.Merge(p.Media.Delay)
	for _, st := range p.Media.Streams {
		s.Expected += st.Expected
		s.Lost += st.Lost
		s.Freezes += st.Freezes
		s.Frozen += st.Frozen
	}
}

// Loss is the share of packets lost, 0 to 1.
func (s *Sum) Loss() float64 {
	return float64(max(s.Lost, 0)) / float64(max(s.Expected, 1))
}

// Problems says in plain words what should not have been; nothing if all is
// well. maxLoss is the share of lost packets that is tolerated.
func (s *Sum) Problems(maxLoss float64) []string {
	var out []string
	if s.Joined < s.Participants {
		out = append(out, fmt.Sprintf("%d of %d participants did not get into their room", s.Participants-s.Joined, s.Participants))
	}
	if s.Failed > 0 {
		out = append(out, fmt.Sprintf("%d participants failed", s.Failed))
	}
	if s.Loss() > maxLoss {
		out = append(out, fmt.Sprintf("%.2f %% of packets were lost", 100*s.Loss()))
	}
	return out
}

// Text says it all in plain words.
func (s *Sum) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%d participants: %d got into their room, %d were in the call at the end, %d failed.", s.Participants, s.Joined, s.InCall, s.Failed)
	if s.Expected > 0 {
		line("%d packets were expected and %d lost (%.3f %%). Videos froze %d times, for %s together.", s.Expected, max(s.Lost, 0), 100*s.Loss(), s.Freezes, brief(s.Frozen))
	}
	if s.Delay.Count() > 0 {
		line("Delay from sender to receiver: half within %s, 99 %% within %s, longest %s.", brief(s.Delay.Quantile(0.5)), brief(s.Delay.Quantile(0.99)), brief(s.Delay.Max()))
	}
	line("Joining, by step (median, 99 %%, and median since the beginning):")
	for _, step := range Steps() {
		if h := s.Steps[step]; h != nil && step != Config {
			line("  %-16s %8s %8s %8s   %d participants", step, brief(h.Quantile(0.5)), brief(h.Quantile(0.99)), brief(s.Total[step].Quantile(0.5)), h.Count())
		}
	}
	if s.Resumes > 0 {
		line("Streams were resumed %d times.", s.Resumes)
	}
	if len(s.Errors) > 0 {
		line("What went wrong, with the number of participants it happened to:")
		for _, e := range s.Errors[:min(len(s.Errors), 20)] {
			line("  %5d  %s", e.Count, e.Cause)
		}
	}
	m := s.Machine
	line("The generator itself used %s of CPU on %d cores and %d MiB.", brief(m.CPU), m.Cores, m.PeakMemory>>20)
	for _, l := range m.Limited {
		line("NOTE: the generator, not the server, may have been the limit: %s.", l)
	}
	return b.String()
}
