package storm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Target is the server and what to do with it.
type Target struct {
	URL    string // WebSocket address; must be loopback
	Domain string // XMPP domain; rooms are at conference.<Domain>
	PID    int    // the server's process, 0 if its CPU time is not wanted
	Rooms  int    // 1 and more
	People int    // in each room, 1 and more
	// Unmanaged is without stream management (XEP-0198): nothing is acknowledged,
	// and nothing need be kept until it is.
	Unmanaged bool
	// Ramp is how many join per second; 0 means all at once.
	Ramp int
	// Idle is how long everybody is silent at the end, to measure what a
	// server does for people who do nothing.
	Idle time.Duration
}

// Phase is what one phase cost. Times are in seconds.
type Phase struct {
	Name         string
	Wall         float64 // from the first stanza sent to the last received
	ServerCPU    float64
	GeneratorCPU float64
	Presences    int64   // received by all clients
	Bytes        int64   // received, without framing
	P50, P99     float64 // from the start until a client had everything
	RSS          int64   // of the server at the end, bytes
}

// Result is one run. Failed clients are left out of what follows.
type Result struct {
	Target Target
	Base   int64 // the server's memory before, bytes
	Phases []Phase
	Peak   int64 // the most memory the server ever had, bytes
	Acks   int64 // how often clients said what they have, each time they were asked
	Failed int
	Error  string // why the first failed
}

// phaseLimit bounds a phase: a server that takes longer has failed it.
const phaseLimit = 5 * time.Minute

// run is a run under way.
type run struct {
	t        Target
	clients  []*client
	progress chan struct{}
	lost     atomic.Int64 // connections that ended by themselves
	closing  atomic.Bool
	readers  sync.WaitGroup
	result   Result
}

// Run does all phases: connect, join, change, idle. The error says which
// phase did not come to its end.
func Run(ctx context.Context, t Target) (Result, error) {
	if err := t.check(); err != nil {
		return Result{}, err
	}
	r := &run{t: t, progress: make(chan struct{}, 3*t.Rooms*t.People)}
	r.result = Result{Target: t, Base: Memory(t.PID)}
	defer r.close()
	for _, phase := range []struct {
		name string
		do   func(context.Context) error
	}{{"connect", r.connect}, {"join", r.join}, {"change", r.change}, {"idle", r.idle}} {
		limited, cancel := context.WithTimeout(ctx, phaseLimit)
		err := r.measure(phase.name, func() error { return phase.do(limited) })
		cancel()
		if err != nil {
			return r.result, fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	return r.result, nil
}

// check refuses what could hurt somebody else's server.
func (t *Target) check() error {
	u, err := url.Parse(t.URL)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(u.Hostname())
	switch {
	case err != nil || !ip.IsLoopback():
		return fmt.Errorf("%s is not a loopback address", u.Hostname())
	case t.Rooms < 1 || t.People < 1 || t.Rooms*t.People > 14000:
		return errors.New("between 1 and 14,000 clients are possible")
	}
	return nil
}

func (r *run) close() {
	r.closing.Store(true)
	for _, c := range r.clients {
		_ = c.conn.Close()
	}
	r.readers.Wait()
}

// measure charges a phase with what it costs.
func (r *run) measure(name string, do func() error) error {
	server, own, start := CPU(r.t.PID), CPU(Self), time.Now()
	presences, size := r.received()
	err := do()
	p := Phase{Name: name, Wall: time.Since(start).Seconds()}
	if name != "idle" {
		time.Sleep(settle) // acknowledgements and garbage are part of the cost
	}
	n, b := r.received()
	p.ServerCPU, p.GeneratorCPU = CPU(r.t.PID)-server, CPU(Self)-own
	p.Presences, p.Bytes, p.RSS = n-presences, b-size, Memory(r.t.PID)
	p.P50, p.P99 = r.delays(start)
	r.result.Acks = r.acks()
	r.result.Phases, r.result.Peak = append(r.result.Phases, p), PeakMemory(r.t.PID)
	return err
}

// settle is how long after a phase its aftermath is still charged to it.
const settle = 500 * time.Millisecond

func (r *run) received() (presences, size int64) {
	for _, c := range r.clients {
		presences += c.seen.Load()
		size += c.bytes.Load()
	}
	return presences, size
}

func (r *run) acks() (n int64) {
	for _, c := range r.clients {
		n += c.acks.Load()
	}
	return n
}

func (r *run) delays(start time.Time) (p50, p99 float64) {
	var all []float64
	for _, c := range r.clients {
		if at := c.at.Swap(0); at != 0 {
			all = append(all, time.Unix(0, at).Sub(start).Seconds())
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// dialling is how many log in at the same time.
const dialling = 64

func (r *run) connect(ctx context.Context) error {
	n := r.t.Rooms * r.t.People
	r.clients = make([]*client, n)
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	turns := make(chan struct{}, dialling)
	for i := range n {
		turns <- struct{}{}
		if failed.Load() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-turns }()
			c, err := dial(ctx, &r.t)
			if err != nil {
				failed.Store(&err)
				return
			}
			r.seat(c, i)
		})
	}
	group.Wait()
	r.clients = slices.DeleteFunc(r.clients, func(c *client) bool { return c == nil })
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// seat gives the client its place and begins to read.
func (r *run) seat(c *client, i int) {
	local, _, _ := strings.Cut(c.jid, "@")
	nick := local[:min(8, len(local))]
	c.room = fmt.Sprintf("storm%d@conference.%s/%s", i/r.t.People, r.t.Domain, nick)
	c.children, c.progress = children(nick), r.progress
	r.clients[i] = c
	r.readers.Go(func() {
		c.read()
		if !r.closing.Load() {
			r.lost.Add(1)
			r.progress <- struct{}{}
		}
	})
}

func (r *run) join(ctx context.Context) error   { return r.everybody(ctx, true) }
func (r *run) change(ctx context.Context) error { return r.everybody(ctx, false) }

// everybody sends a presence and waits until it has those of its whole room.
func (r *run) everybody(ctx context.Context, joins bool) error {
	for _, c := range r.clients {
		c.until.Store(c.seen.Load() + int64(r.t.People))
	}
	pause := time.NewTicker(time.Second / time.Duration(max(r.t.Ramp, 1)))
	defer pause.Stop()
	for _, c := range r.clients {
		if err := c.presence(joins); err != nil {
			return err
		}
		if joins && r.t.Ramp > 0 {
			<-pause.C
		}
	}
	return r.await(ctx)
}

func (r *run) await(ctx context.Context) error {
	for done := range r.clients {
		select {
		case <-r.progress:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d clients have everything: %w", done, len(r.clients), ctx.Err())
		}
		if n := r.lost.Load(); n > 0 {
			return fmt.Errorf("the server closed %d connections", n)
		}
		if n := r.refused(); n > 0 { // who was refused will never have everything
			return fmt.Errorf("the server refused %d presences", n)
		}
	}
	return nil
}

func (r *run) refused() (n int64) {
	for _, c := range r.clients {
		n += c.errors.Load()
	}
	return n
}

func (r *run) idle(ctx context.Context) error {
	select {
	case <-time.After(r.t.Idle):
	case <-ctx.Done():
	}
	if n := r.lost.Load(); n > 0 {
		return fmt.Errorf("the server closed %d connections", n)
	}
	return nil
}

// children is what a browser's presence holds; with addresses a presence is
// 1.3 KB when it is delivered.
func children(nick string) string {
	return `<stats-id>Zoe-kX3</stats-id>` +
		`<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://jitsi.org/jitsi-meet" ver="bYGTAaKzZNPWV6PvkS9sUQqC3cc="/>` +
		`<features><feature var="https://jitsi.org/meet/e2ee"/></features>` +
		`<SourceInfo>{&quot;` + nick + `-a0&quot;:{&quot;muted&quot;:true},&quot;` + nick + `-v0&quot;:{&quot;muted&quot;:true,&quot;videoType&quot;:&quot;camera&quot;}}</SourceInfo>` +
		`<jitsi_participant_region>eu-central-1</jitsi_participant_region>` +
		`<jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList>` +
		`<jitsi_participant_e2ee.idKey.curve25519>YkQ7k3sYyqzq1bJq2t9Z0J1YlqA8zqvVh2b9wWc2Q1E</jitsi_participant_e2ee.idKey.curve25519>` +
		`<jitsi_participant_e2ee.idKey.ed25519>Xx7J0J1YlqA8zqvVh2b9wWc2Q1EYkQ7k3sYyqzq1bJq</jitsi_participant_e2ee.idKey.ed25519>` +
		`<avatar-url>https://avatars.example.org/a/` + nick + `/portrait-of-a-participant-128.png</avatar-url>` +
		`<email>` + nick + `@participants.example.org</email>` +
		`<nick xmlns="http://jabber.org/protocol/nick">Somebody With A Name</nick>`
}
