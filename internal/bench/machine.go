package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// What the machine does to everything that is measured on it. A core of a virtual
// machine shares its cache with cores of others, of which nothing here knows.

const machineSection = "The machine"

const (
	// walked is more than a core's own cache, and less than the one it shares.
	walked = 4 << 20
	// stride is how many reads a stretch has: 0.3 ms if they come from that cache.
	stride = 20_000
	// period is over what time stretches are added up.
	period = 500 * time.Millisecond
	// walkFor is how long a core is watched.
	walkFor = 20 * time.Second
)

func machineRows() []row {
	return []row{{
		section: machineSection, name: "the server's core, with nothing else to do", takes: walkFor,
		once: func(ctx context.Context, s *settings, _ string) (figures, error) {
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			cmd := exec.CommandContext(ctx, "taskset", "-c", s.server, self, "machine", "-for", walkFor.String())
			cmd.Env, cmd.Stderr = append(os.Environ(), oneCore...), os.Stderr
			text, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("bench machine: %w", err)
			}
			var f figures
			return f, json.Unmarshal(text, &f)
		},
	}}
}

// machineCommand watches the core it runs on and prints what it found as JSON.
func machineCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench machine", flag.ExitOnError)
	d := f.Duration("for", walkFor, "for how `long`")
	_ = f.Parse(args) // ends the process on mistakes
	stretches, err := walk(ctx, *d)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(ofMachine(stretches))
}

// stretch is so many reads, each of which had to wait for the one before.
type stretch struct{ wall, cpu time.Duration }

// walk reads from memory for a while.
func walk(ctx context.Context, d time.Duration) ([]stretch, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	next := cycle(walked / 4)
	cpu, err := threadTime()
	begun := time.Now()
	stretches := make([]stretch, 0, d/(100*time.Microsecond)+1)
	at := uint32(0)
	for wall := begun; err == nil && wall.Sub(begun) < d && ctx.Err() == nil; {
		for range stride {
			at = next[at]
		}
		var used time.Duration
		used, err = threadTime()
		now := time.Now()
		stretches = append(stretches, stretch{now.Sub(wall), used - cpu})
		wall, cpu = now, used
	}
	if at >= walked/4 { // never, but what is read has to matter
		panic("bench: out of the cycle")
	}
	return stretches, err
}

// cycle leads through all of n numbers in no order that a processor could guess
// (S. Sattolo, "An algorithm to generate a random cyclic permutation", 1986).
func cycle(n int) []uint32 {
	r, next := rand.New(rand.NewPCG(1, 1)), make([]uint32, n)
	for i := range next {
		next[i] = uint32(i)
	}
	for i := n - 1; i > 0; i-- {
		k := r.IntN(i)
		next[i], next[k] = next[k], next[i]
	}
	return next
}

// threadTime is the CPU time of this thread.
func threadTime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(t.Nano()), nil
}

// ofMachine is what stretches tell, of which there is one at the least.
func ofMachine(stretches []stretch) figures {
	var wall, cpu, longest time.Duration // of all
	var inPeriod, used time.Duration     // of the period at hand
	var quietest, busiest float64
	n := 0
	for _, l := range stretches {
		wall, cpu, longest = wall+l.wall, cpu+l.cpu, max(longest, l.wall)
		inPeriod, used, n = inPeriod+l.wall, used+l.cpu, n+1
		if inPeriod < period {
			continue
		}
		ns := readTime(used, n)
		if busiest = max(busiest, ns); quietest == 0 || ns < quietest {
			quietest = ns
		}
		inPeriod, used, n = 0, 0, 0
	}
	f := figures{
		"read ns": readTime(cpu, len(stretches)), "lost %": 100 * float64(wall-cpu) / float64(wall),
		"longest ms": 1000 * longest.Seconds(),
	}
	if busiest > 0 {
		f["quietest ns"], f["busiest ns"] = quietest, busiest
	}
	return f
}

// readTime is how long a read took, in ns.
func readTime(cpu time.Duration, stretches int) float64 {
	return float64(cpu.Nanoseconds()) / float64(stretches) / stride
}
