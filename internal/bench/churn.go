package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/bench/storm"
)

const churnSection = "Memory over time"

// Of the churn: everybody leaves and comes back twice a minute, in rooms of
// ten, of whom three have cameras.
const (
	churnRooms, churnPeople, churnCameras = 10, 10, 3
	churnShare                            = "200%/min"
	// strayGoroutines may be more after everybody has left: of some twenty, some
	// come and go with the server's own tasks. Of one that each hundredth join
	// leaves behind an hour makes more than this.
	strayGoroutines = 5
	// strayOutside is how many MB outside the runtime are chance: pages of the
	// program itself that were touched in the meantime.
	strayOutside = 2
	// buffers is how many MB the socket of the one worker may take more, once, after
	// it was full: all it ever takes (netio.MaxMemory). A leak of less is one of many
	// objects, and those are counted.
	buffers = 4
)

// bounds are how much more the server may have at the end than when it was
// warm: a part of that, and what is chance on top of it. What is left when
// everybody has gone is nearly the same each time, objects most of all. Half of
// what lives during calls are packets kept to be sent again, which are as many
// as the load had time to send.
var bounds = []struct {
	what         string
	more, chance float64
}{
	{"live MB", 0.25, 0},
	{"empty MB", 0.1, buffers},
	{"empty objects", 0.1, 0},
	{"outside MB", 0.1, strayOutside},
	{"goroutines", 0.1, strayGoroutines},
}

// verdictOfChurn says of the last run of the row whether the server grew.
func verdictOfChurn(entries []entry) string {
	var lines []string
	for _, e := range entries {
		if len(e.Runs) == 0 {
			continue
		}
		last := e.Runs[len(e.Runs)-1]
		said := "within its bounds"
		if err := last.grown(); err != nil {
			said = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		lines = append(lines, fmt.Sprintf("- %s: %s: %s.", e.Name, said, last.growth()))
	}
	return strings.Join(lines, "\n")
}

// growth says how much more there was of everything, and how much was allowed;
// of the resident size, too, which is not judged.
func (f figures) growth() string {
	var parts []string
	for _, b := range bounds {
		if warm, end, ok := f.change(b.what); ok {
			parts = append(parts, fmt.Sprintf("%s %s of %s allowed", b.what, signed(end-warm), number(b.more*warm+b.chance)))
		}
	}
	if warm, end, ok := f.change("MB"); ok {
		parts = append(parts, fmt.Sprintf("resident MB %s, which are not judged", signed(end-warm)))
	}
	return strings.Join(parts, ", ")
}

// change is a figure when the server was warm and at the end, if there are both.
func (f figures) change(what string) (warm, end float64, ok bool) {
	warm, first := f["warm "+what]
	end, last := f["end "+what]
	return warm, end, first && last
}

func signed(v float64) string {
	if v < 0 {
		return "-" + number(-v)
	}
	return "+" + number(v)
}

// churnCommand lets participants leave and come back for a long time, enters
// what became of the server's memory, and fails if it grew.
func churnCommand(ctx context.Context, args []string) error {
	var s settings
	f := flag.NewFlagSet("bench churn", flag.ExitOnError)
	length := f.Duration("for", time.Hour, "how long, a `duration` of five minutes or more")
	s.addTo(f, 1, "how often it is done")
	_ = f.Parse(args[1:]) // ends the process on mistakes
	if *length < 5*time.Minute {
		return fmt.Errorf("-for %v is too short to see memory grow: five minutes at the least", *length)
	}
	name := fmt.Sprintf("%d x %d, %d cameras, %s leave and come back", churnRooms, churnPeople, churnCameras, churnShare)
	var last figures
	err := s.measure(ctx, []row{{section: churnSection, name: name, takes: *length + around, once: func(ctx context.Context, s *settings, dir string) (figures, error) {
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
// grow for ever are judged: what is live during calls and after them, and what
// the Go runtime knows nothing of.
func (f figures) grown() error {
	var all []error
	if least := churnPeople * churnRooms * f["minutes"]; f["joins"] < least { // half of what the load does
		all = append(all, fmt.Errorf("only %.0f times did somebody come in; %.0f is the least that tells anything", f["joins"], least))
	}
	for _, b := range bounds {
		switch warm, end, ok := f.change(b.what); {
		case !ok:
			all = append(all, fmt.Errorf("%s were not measured", b.what))
		case end > (1+b.more)*warm+b.chance:
			all = append(all, fmt.Errorf("the server grew: %s was %.1f when warm and %.1f at the end", b.what, warm, end))
		}
	}
	return errors.Join(all...)
}

// runChurn has two loads after one another, one of a fifth of the time and one
// of the rest, and looks at the server's memory at the end of each and after
// everybody has left: when it is warm, and at the end.
func runChurn(ctx context.Context, s *settings, dir string, length time.Duration) (figures, error) {
	p, public, admin, err := startAll(ctx, s, dir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	f, fifth := figures{"minutes": length.Minutes()}, length/5
	for _, part := range []struct {
		name string
		long time.Duration
	}{{"warm", fifth}, {"end", length - fifth}} {
		file, w := filepath.Join(dir, part.name+".json"), window{from: time.Now()}
		_, err := s.underLoad(ctx, dir, part.long+patience, func() (figures, error) {
			defer func() { w.to = time.Now() }()
			return nil, f.watchChurn(ctx, p, admin, part.name, part.long, length/10)
		}, public, "--json", file, "--rooms", fmt.Sprint(churnRooms), "--participants", fmt.Sprint(churnPeople), "--video", fmt.Sprint(churnCameras),
			"--audio", fmt.Sprint(churnCameras), "--churn", churnShare, "--ramp", "10/s")
		if err != nil {
			return nil, err
		}
		seen := figures{}
		if err := seen.readReport(file, w); err != nil {
			return nil, err
		}
		f["load cores"] = seen["load cores"] // of the longer part
		if err := f.sampleEmpty(ctx, admin, part.name); err != nil {
			return nil, err
		}
	}
	m, err := scrape(ctx, admin)
	f["joins"] = m["plenum_bridge_endpoints_created_total"]
	return f, err
}

// watchChurn looks at the server's memory in the last part of the time, a look
// each second. Memory goes up and down with garbage: what counts is what is
// left of it after collections, and what is outside the runtime. A server that
// people have left has little in use, which says nothing here.
func (f figures) watchChurn(ctx context.Context, p *process, admin, name string, long, part time.Duration) error {
	until := time.Now().Add(long)
	if err := pause(ctx, long-part); err != nil {
		return err
	}
	var kept, resident, outside, n float64
	for time.Now().Before(until) {
		m, err := scrape(ctx, admin)
		if err != nil {
			return err
		}
		if in := m["plenum_bridge_endpoints"]; in < churnRooms*churnPeople/2 {
			return fmt.Errorf("only %.0f of %d participants are in", in, churnRooms*churnPeople)
		}
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
	return nil
}

// emptyLooks is how many looks, one a second, are taken at a server without
// people; the least counts: what is being tidied up is not kept.
const emptyLooks = 15

// around is what comes to the length, about: both loads come in, and leave, and
// the server is looked at without them.
const around = 2 * time.Minute

// sampleEmpty waits until everybody has left and looks at what the server still
// has.
func (f figures) sampleEmpty(ctx context.Context, admin, name string) error {
	for looks, giveUp := 0, time.Now().Add(patience); looks < emptyLooks; {
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		now, err := live(ctx, admin)
		if err != nil {
			return err
		}
		m, err := scrape(ctx, admin)
		if err != nil {
			return err
		}
		if left := m["plenum_bridge_endpoints"] + m["plenum_focus_conferences"] + m["plenum_signal_rooms"]; left > 0 {
			if time.Now().After(giveUp) {
				return fmt.Errorf("%v after the load has ended %.0f participants and rooms are still there", patience, left)
			}
			continue
		}
		for what, is := range map[string]float64{"empty MB": now / (1 << 20), "empty objects": m["go_memstats_heap_objects"], "goroutines": m["go_goroutines"]} {
			if looks == 0 || is < f[name+" "+what] {
				f[name+" "+what] = is
			}
		}
		looks++
	}
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
