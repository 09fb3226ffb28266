package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// maxSeconds bounds how many seconds a machine may tell of.
const maxSeconds = int(loadtest.MaxDuration/time.Second) + 3600

// gathering makes one report of what machines tell. It does no I/O; all its
// methods belong to one goroutine.
type gathering struct {
	machines []*machine
	onSecond func(record.Second) // nil for nobody
	seconds  []record.Second     // of all together
}

// machine is what one has told.
type machine struct {
	record.Machine
	over         bool // nothing more will come
	duration     time.Duration
	seconds      []record.Second
	participants []record.Participant
}

// errEnd says that a machine has told everything.
var errEnd = errors.New("the end")

// take takes a message of the i-th machine: errEnd if it is the last one,
// another error if the machine is not to be trusted any more.
func (g *gathering) take(i int, m *message) error {
	from := g.machines[i]
	switch {
	case m.Refused != "":
		return errors.New(m.Refused)
	case m.Second != nil && len(from.seconds) < maxSeconds:
		from.seconds = append(from.seconds, *m.Second)
		g.show()
	case m.Participant != nil && len(from.participants) < loadtest.MaxComings:
		from.participants = append(from.participants, *m.Participant)
	case m.Second != nil || m.Participant != nil:
		return errors.New("it tells too much")
	case m.Done != nil:
		from.duration = m.Done.Duration
		name, people := from.Name, from.Participants
		from.Machine = m.Done.Machine
		from.Name, from.Participants = name, people
		g.end(i)
		return errEnd
	}
	return nil
}

// lose says that nothing more will come of the i-th machine, and why.
func (g *gathering) lose(i int, why error) {
	m := g.machines[i]
	m.Lost = fmt.Sprintf("after %d s: %v", len(m.seconds), why)
	m.duration = time.Duration(len(m.seconds)) * time.Second
	g.end(i)
}

func (g *gathering) end(i int) {
	g.machines[i].over = true
	g.show()
}

// left is how many machines something may come of.
func (g *gathering) left() int {
	n := 0
	for _, m := range g.machines {
		if !m.over {
			n++
		}
	}
	return n
}

// show tells of seconds that all machines have told of. Those that are lost
// are not waited for.
func (g *gathering) show() {
	for {
		n := len(g.seconds)
		var all []record.Second
		for _, m := range g.machines {
			switch {
			case n < len(m.seconds):
				all = append(all, m.seconds[n])
			case m.Lost == "":
				return
			}
		}
		if len(all) == 0 {
			return
		}
		s := together(all)
		g.seconds = append(g.seconds, s)
		if g.onSecond != nil {
			g.onSecond(s)
		}
	}
}

// together is a second of several machines. Quantiles cannot be added up: the
// worst of them stands for all.
func together(all []record.Second) record.Second {
	var out record.Second
	for _, s := range all {
		out.Began += s.Began
		out.InRoom += s.InRoom
		out.InCall += s.InCall
		out.Failed += s.Failed
		out.Left += s.Left
		out.PacketsIn += s.PacketsIn
		out.PacketsOut += s.PacketsOut
		out.BitsIn += s.BitsIn
		out.BitsOut += s.BitsOut
		out.Lost += s.Lost
		out.Freezes += s.Freezes
		out.Listening += s.Listening
		out.Silent += s.Silent
		out.StanzasIn += s.StanzasIn
		out.StanzasOut += s.StanzasOut
		out.Resumes += s.Resumes
		out.Errors += s.Errors
		out.CPU += s.CPU
		out.Late += s.Late
		out.KernelDrops += s.KernelDrops
		out.At = max(out.At, s.At)
		out.WorstJoin = max(out.WorstJoin, s.WorstJoin)
		out.DelayP50 = max(out.DelayP50, s.DelayP50)
		out.DelayP99 = max(out.DelayP99, s.DelayP99)
		out.BusiestShare = max(out.BusiestShare, s.BusiestShare)
	}
	return out
}

// report is everything that was told, as of one machine that is all of them.
func (g *gathering) report(plan *loadtest.Plan, began time.Time) *record.Report {
	rep := &record.Report{Target: plan.URL, Began: began, Plan: plan, Seconds: g.seconds}
	for _, m := range g.machines {
		rep.Duration = max(rep.Duration, m.duration)
		rep.Participants = append(rep.Participants, m.participants...)
		rep.Machines = append(rep.Machines, m.Machine)
		rep.Machine.Cores += m.Cores
		rep.Machine.CPU += m.CPU
		rep.Machine.PeakMemory += m.PeakMemory
		for _, l := range m.Limited {
			rep.Machine.Limited = append(rep.Machine.Limited, fmt.Sprintf("%s: %s", m.Name, l))
		}
	}
	slices.SortStableFunc(rep.Participants, func(a, b record.Participant) int { return cmp.Compare(a.Index, b.Index) })
	return rep
}
