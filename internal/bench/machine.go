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
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What the machine is like at the time: how long its memory takes, and how much of
// the server's core the hypervisor took.

const machineSection = "The machine"

const (
	// stride is how many reads a stretch has: 0.1 ms or more.
	stride = 20_000
	// period is over what time stretches are added up.
	period = 500 * time.Millisecond
	// walkFor is how long a core is watched.
	walkFor = 20 * time.Second
)

// walks are how much memory is read through in turn: less than a core's own cache
// of the usual size, and more than that.
var walks = []struct {
	name  string
	bytes int
}{{"256 KB", 256 << 10}, {"4 MB", 4 << 20}}

func machineRows() []row {
	return []row{{
		section: machineSection, name: "the server's core, with nothing else to do", takes: walkFor,
		once: func(ctx context.Context, s *settings, _ string) (figures, error) {
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			stolen := steal(s.server)
			cmd := exec.CommandContext(ctx, "taskset", "-c", s.server, self, "machine", "-for", walkFor.String())
			cmd.Env, cmd.Stderr = append(os.Environ(), oneCore...), os.Stderr
			text, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("bench machine: %w", err)
			}
			var f figures
			err = json.Unmarshal(text, &f)
			f.stolen(steal(s.server)-stolen, walkFor)
			return f, err
		},
	}}
}

// stealing is the part of the time that the hypervisor gave to others in which the
// server's core had something to do, as far as it says so.
const stealing = "steal %"

func (f figures) stolen(d, of time.Duration) { f[stealing] = 100 * d.Seconds() / of.Seconds() }

// steal is for how long that was since the start of the machine, of several cores,
// with commas between them, together: the eighth figure of a core in /proc/stat (proc(5)), 0 if it does not say.
func steal(cores string) (sum time.Duration) {
	text, _ := os.ReadFile("/proc/stat") // elsewhere there is none
	for core := range strings.SplitSeq(cores, ",") {
		sum += stealOf(string(text), core)
	}
	return sum
}

func stealOf(stat, core string) time.Duration {
	const tick, place = 10 * time.Millisecond, 8 // USER_HZ is 100 wherever Go runs
	for line := range strings.Lines(stat) {
		if fields := strings.Fields(line); len(fields) > place && fields[0] == "cpu"+core {
			ticks, _ := strconv.ParseInt(fields[place], 10, 64) // the kernel wrote it
			return time.Duration(ticks) * tick
		}
	}
	return 0
}

// machineCommand watches the core it runs on and prints what it found as JSON.
func machineCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench machine", flag.ExitOnError)
	d := f.Duration("for", walkFor, "for how `long`")
	_ = f.Parse(args[1:]) // ends the process on mistakes
	all := figures{}
	taken, err := walk(ctx, *d)
	for i, w := range walks {
		if len(taken[i]) > 0 {
			all.reads(w.name, taken[i])
		}
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

// stretch is so many reads, each of which had to wait for the one before.
type stretch struct {
	at        time.Duration // when it ended, since the beginning
	wall, cpu time.Duration // that it took
}

// walk reads through memory for a while, a stretch of each size in turn.
func walk(ctx context.Context, d time.Duration) ([][]stretch, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	taken, at := make([][]stretch, len(walks)), make([]uint32, len(walks))
	var paths [][]uint32
	for i, w := range walks {
		paths = append(paths, cycle(w.bytes/4))
		taken[i] = make([]stretch, 0, d/(100*time.Microsecond)+1)
	}
	cpu, err := threadTime()
	begun := time.Now()
	for wall, i := begun, 0; err == nil && wall.Sub(begun) < d && ctx.Err() == nil; i = (i + 1) % len(walks) {
		place, path := at[i], paths[i]
		for range stride {
			place = path[place]
		}
		at[i] = place // what is read has to matter
		var used time.Duration
		used, err = threadTime()
		now := time.Now()
		taken[i] = append(taken[i], stretch{now.Sub(begun), now.Sub(wall), used - cpu})
		wall, cpu = now, used
	}
	return taken, err
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

// reads adds what stretches tell, of which there is one at the least. What does not
// fill a period is in none.
func (f figures) reads(name string, all []stretch) {
	var cpu, longest, used time.Duration // used in the period at hand
	var least, most float64
	n, end := 0, period
	for _, s := range all {
		for ; s.at > end; end += period {
			if n > 0 {
				ns := readTime(used, n)
				if most = max(most, ns); least == 0 || ns < least {
					least = ns
				}
			}
			used, n = 0, 0
		}
		cpu, longest = cpu+s.cpu, max(longest, s.wall)
		used, n = used+s.cpu, n+1
	}
	f[name+" ns"], f[name+" longest ms"] = readTime(cpu, len(all)), 1000*longest.Seconds()
	if most > 0 {
		f[name+" least ns"], f[name+" most ns"] = least, most
	}
}

// readTime is how long a read took, in ns.
func readTime(cpu time.Duration, stretches int) float64 {
	return float64(cpu.Nanoseconds()) / float64(stretches) / stride
}
