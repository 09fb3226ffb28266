package e2e

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/participant"
)

var (
	crowdSize    = flag.Int("crowd", 300, "how many people are in the crowded room")
	crowdAtOnce  = flag.Int("crowd.wave", 50, "how many of them come at the same instant")
	crowdVoices  = flag.Int("crowd.voices", 2, "how many of them speak")
	crowdProfile = flag.String("crowd.profile", "", "write CPU profiles of the server to files that begin so")
)

// crowd is a room with many people in it, on a server in a process of its own.
type crowd struct {
	t      testing.TB
	cmd    *exec.Cmd
	host   string
	admin  string
	room   string
	people []*participant.Participant
}

// crowdPatience bounds everything that a crowd is waited for.
const crowdPatience = 2 * time.Minute

func newCrowd(t testing.TB, room string) *crowd {
	t.Helper()
	c := &crowd{t: t, room: room}
	c.cmd, c.host, c.admin = runBinary(t)
	t.Cleanup(c.leave)
	return c
}

func (c *crowd) leave() {
	var all sync.WaitGroup
	for _, p := range c.people {
		all.Go(p.Close)
	}
	all.Wait()
}

// join lets one more in and does not wait for it.
func (c *crowd) join(ctx context.Context, change func(*participant.Options)) *participant.Participant {
	c.t.Helper()
	o := participant.Options{Host: c.host, Room: c.room, Name: fmt.Sprintf("Number %d", len(c.people)), LastN: 0}
	change(&o)
	p, err := participant.Join(ctx, o)
	if err != nil {
		c.t.Fatal(err)
	}
	c.people = append(c.people, p)
	return p
}

// fill lets n people in: two speak, one in ten shows a camera. They come
// atOnce at a time; the next come when those have reached the moment.
func (c *crowd) fill(n, atOnce int, until participant.Moment) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), crowdPatience)
	defer cancel()
	for n > 0 {
		wave := min(n, atOnce)
		for range wave {
			i := len(c.people)
			c.join(ctx, func(o *participant.Options) { o.Speaks, o.Shows = i < *crowdVoices, i%10 == 0 })
		}
		for _, p := range c.people[len(c.people)-wave:] {
			if err := p.Wait(ctx, until, participant.Channelled); err != nil {
				c.t.Fatal(err)
			}
		}
		n -= wave
	}
}

// newcomer joins the crowd and waits for its first sound and picture, and for
// the answer to a ping that it sent while the crowd was being presented.
func (c *crowd) newcomer() (p *participant.Participant, ping time.Duration) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), crowdPatience)
	defer cancel()
	p = c.join(ctx, func(o *participant.Options) { o.LastN, o.Watches = 25, true })
	if err := p.Wait(ctx, participant.Bound); err != nil {
		c.t.Fatal(err)
	}
	answered := make(chan time.Duration, 1)
	if err := p.Ping(func(d time.Duration) { answered <- d }); err != nil {
		c.t.Fatal(err)
	}
	if err := p.Wait(ctx, participant.Heard, participant.Seen, participant.Accepted); err != nil {
		c.t.Fatal(err)
	}
	select {
	case ping = <-answered:
	case <-ctx.Done():
		c.t.Fatal("the ping was not answered")
	}
	return p, ping
}

// cost is CPU time used up to now.
type cost struct{ server, here time.Duration }

func (c *crowd) cost() cost {
	c.t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		c.t.Fatal(err)
	}
	return cost{server: processTime(c.t, c.cmd.Process.Pid), here: time.Duration(r.Utime.Nano() + r.Stime.Nano())}
}

func (x cost) since(y cost) string {
	return fmt.Sprintf("%.2f s of CPU by the server, %.2f s by its clients", (x.server - y.server).Seconds(), (x.here - y.here).Seconds())
}

// processTime is the CPU time of another process (proc(5), 14 and 15).
func processTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skip("CPU time is only known on Linux")
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	var ticks int
	for _, x := range f[11:13] {
		n, _ := strconv.Atoi(x)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// profile writes a CPU profile of the server, if that is wanted; the function
// it returns waits for it.
func (c *crowd) profile(name string, d time.Duration) func() {
	if *crowdProfile == "" {
		return func() {}
	}
	var done sync.WaitGroup
	done.Go(func() {
		res, err := http.Get(fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", c.admin, int(d.Seconds())))
		if err != nil {
			return
		}
		defer func() { _ = res.Body.Close() }()
		f, err := os.Create(*crowdProfile + name + ".pprof")
		if err != nil {
			return
		}
		_, _ = io.Copy(f, res.Body)
		_ = f.Close()
	})
	return done.Wait
}

// quantiles describes how long a moment took to come.
func quantiles(all []*participant.Participant, m participant.Moment) string {
	var d []time.Duration
	for _, p := range all {
		if at := p.At(m); at > 0 {
			d = append(d, at)
		}
	}
	if len(d) == 0 {
		return "never"
	}
	slices.Sort(d)
	return fmt.Sprintf("p50 %v, p99 %v, max %v", d[len(d)/2].Round(time.Millisecond),
		d[len(d)*99/100].Round(time.Millisecond), d[len(d)-1].Round(time.Millisecond))
}

func (c *crowd) report(all []*participant.Participant) {
	for m := participant.Requested; m <= participant.Seen; m++ {
		c.t.Logf("  %-10s %s", m, quantiles(all, m))
	}
}

// TestNewcomerInCrowd: into a room of 300, with thirty cameras and two who
// speak, somebody comes and hears and sees within a second. Three of five must;
// the others are left to what else a test machine does.
func TestNewcomerInCrowd(t *testing.T) {
	const promised, newcomers = time.Second, 5
	c := newCrowd(t, "crowd")
	before, began := c.cost(), time.Now()
	written := c.profile("storm", 10*time.Second)
	c.fill(*crowdSize, *crowdAtOnce, participant.Secured)
	t.Logf("%d people, %d at once, came in %v: %s", *crowdSize, *crowdAtOnce, time.Since(began).Round(time.Millisecond), c.cost().since(before))
	c.report(c.people)
	written()
	written = c.profile("newcomers", 3*time.Second)
	before = c.cost()
	then := allThreads()
	var took, pings []time.Duration
	for range newcomers {
		p, ping := c.newcomer()
		pings = append(pings, ping)
		took = append(took, max(p.At(participant.Heard), p.At(participant.Seen)))
	}
	written()
	t.Logf("newcomers: %s", c.cost().since(before))
	c.report(c.people[*crowdSize:])
	slices.Sort(took)
	t.Logf("sound and picture after %v, median %v", took, took[newcomers/2])
	t.Logf("pings while joining took %v", pings)
	if took[newcomers/2] > promised && then.hadTime(t, "how soon newcomers see and hear") {
		t.Errorf("more than half of the newcomers waited longer than %v", promised)
	}
}
