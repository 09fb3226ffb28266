package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/plenum-conf/plenum/internal/bench/storm"
)

const churnSection = "Memory over time"

// Of the churn: everybody leaves and comes back twice a minute, in rooms of
// ten, of whom three have cameras.
const (
	churnRooms, churnPeople, churnCameras = 10, 10, 3
	churnShare                            = "200%/min"
	// maxGrowth is how much more memory the server may have in use at the end
	// than when it was warm, as a part of that.
	maxGrowth = 0.1
	// strayGoroutines may be more beside that: there are some forty, and who
	// is just coming or leaving has a few. Of one that each hundredth join
	// leaves behind an hour makes more than this.
	strayGoroutines = 20
	// strayOutside is how many MB outside the runtime are chance: pages of the
	// program itself that were touched in the meantime.
	strayOutside = 2
)

// churnCommand lets participants leave and come back for a long time, enters
// what became of the server's memory, and fails if it grew.
func churnCommand(ctx context.Context, args []string) error {
	var s settings
	f := flag.NewFlagSet("bench churn", flag.ExitOnError)
	length := f.Duration("for", time.Hour, "how `long`, five minutes or more")
	s.addTo(f, 1)
	_ = f.Parse(args[1:]) // ends the process on mistakes
	if *length < 5*time.Minute {
		return fmt.Errorf("-for %v is too short to see memory grow: five minutes at the least", *length)
	}
	name := fmt.Sprintf("%d x %d, %d cameras, %s leave and come back", churnRooms, churnPeople, churnCameras, churnShare)
	var last figures
	err := s.measure(ctx, []row{{section: churnSection, name: name, once: func(ctx context.Context, s *settings, dir string) (figures, error) {
		var err error
		last, err = runChurn(ctx, s, dir, *length)
		return last, err
	}}})
	if err != nil {
		return err
	}
	return last.grown()
}

// grown says what became more by too much. The resident size as a whole says
// nothing: up to 128 MB of it are room for garbage (docs/memory.md), of which
// more or less is taken as the machine has time. Of its parts those that could
// grow for ever are judged: what is live, and what the Go runtime knows nothing
// of.
func (f figures) grown() error {
	var all []error
	if least := churnPeople * churnRooms * f["minutes"]; f["joins"] < least { // half of what the load does
		all = append(all, fmt.Errorf("only %.0f times did somebody come in; %.0f is the least that tells anything", f["joins"], least))
	}
	for what, chance := range map[string]float64{"live MB": 0, "outside MB": strayOutside, "goroutines": strayGoroutines} {
		if warm, end := f["warm "+what], f["end "+what]; end > (1+maxGrowth)*warm+chance {
			all = append(all, fmt.Errorf("the server grew: %s was %.1f when warm and %.1f at the end", what, warm, end))
		}
	}
	return errors.Join(all...)
}

func runChurn(ctx context.Context, s *settings, dir string, length time.Duration) (figures, error) {
	p, public, admin, err := startAll(ctx, s, dir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	return s.underLoad(ctx, dir, length+patience, func() (figures, error) { return watchChurn(ctx, p, admin, length) }, public,
		"--rooms", fmt.Sprint(churnRooms), "--participants", fmt.Sprint(churnPeople), "--video", fmt.Sprint(churnCameras),
		"--audio", fmt.Sprint(churnCameras), "--churn", churnShare, "--ramp", "10/s")
}

// watchChurn looks at the server's memory in the second tenth of the time and
// in the last. Memory goes up and down with garbage: what counts is what is left
// of it after collections, and what is outside the runtime.
func watchChurn(ctx context.Context, p *process, admin string, length time.Duration) (figures, error) {
	f := figures{}
	start, tenth := time.Now(), length/10
	for _, part := range []struct {
		name  string
		after time.Duration
	}{{"warm", tenth}, {"end", 9 * tenth}} {
		from := start.Add(part.after)
		if err := pause(ctx, time.Until(from)); err != nil {
			return nil, err
		}
		if err := f.sampleMemory(ctx, p, admin, part.name, from.Add(tenth)); err != nil {
			return nil, err
		}
	}
	m, err := scrape(ctx, admin)
	f["joins"] = m["plenum_bridge_endpoints_created_total"]
	f["minutes"] = length.Minutes()
	return f, err
}

// sampleMemory looks each second until the time has come. A server that people
// have left has little in use, which says nothing.
func (f figures) sampleMemory(ctx context.Context, p *process, admin, name string, until time.Time) error {
	var kept, resident, outside, goroutines, n float64
	for time.Now().Before(until) {
		m, err := scrape(ctx, admin)
		if err != nil {
			return err
		}
		if in := m["plenum_bridge_endpoints"]; in < churnRooms*churnPeople/2 {
			return fmt.Errorf("only %.0f of %d participants are in", in, churnRooms*churnPeople)
		}
		goroutines += m["go_goroutines"]
		size := float64(storm.Memory(p.pid()))
		resident += size
		outside += size - (m[ofRuntime] - m[givenBack])
		now, err := live(ctx, admin)
		if err != nil {
			return err
		}
		kept += now
		n++
		if err := pause(ctx, min(time.Second, time.Until(until))); err != nil {
			return err
		}
	}
	f[name+" live MB"], f[name+" MB"], f[name+" outside MB"] = kept/n/(1<<20), resident/n/(1<<20), outside/n/(1<<20)
	f[name+" goroutines"] = goroutines / n
	return nil
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
