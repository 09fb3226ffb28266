package bridge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/netio/readable"
)

// Bridge is one selective forwarding unit. Its methods may be called from
// any goroutine.
type Bridge struct {
	opt        Options
	identities *identities
	workers    []*worker
	candidates []media.Candidate
	why        []string
	reporter   atomic.Pointer[colibri.Reporter]
	draining   atomic.Bool

	mu       sync.Mutex
	homes    map[string]*worker // meeting id -> worker
	doors    map[doorKey]*door  // bridge channel admissions
	sockets  map[*wsLink]struct{}
	quiet    *readable.Set // the sockets on which nothing is said
	started  bool
	stopped  bool
	channels sync.WaitGroup
	sessions []<-chan struct{} // DTLS associations that end with the bridge
}

var _ colibri.Bridge = (*Bridge)(nil)

// New opens the sockets of a bridge; nothing is read before [Bridge.Start].
func New(o Options) (*Bridge, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	ids := &identities{now: time.Now}
	if _, err := ids.get(); err != nil { // from now on there is one
		return nil, fmt.Errorf("bridge: certificate: %w", err)
	}
	socks, err := netio.Listen(netio.Config{Addr: o.Listen, Sockets: o.Workers, ReadBuffer: o.ReadBuffer, NoOffload: o.NoOffload})
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	o.Workers = len(socks)
	quiet, err := readable.New()
	if err != nil {
		closeAll(socks)
		return nil, fmt.Errorf("bridge: %w", err)
	}
	b := &Bridge{
		opt: o, identities: ids, quiet: quiet,
		homes: map[string]*worker{}, doors: map[doorKey]*door{}, sockets: map[*wsLink]struct{}{},
	}
	for i, s := range socks {
		b.workers = append(b.workers, newWorker(b, i, s))
	}
	if err := b.findCandidates(socks[0].LocalAddr().Port()); err != nil {
		b.closeSockets()
		return nil, err
	}
	if o.Metrics != nil {
		if err := o.Metrics.Register(newCollector(b)); err != nil {
			b.closeSockets()
			return nil, fmt.Errorf("bridge: metrics: %w", err)
		}
	}
	return b, nil
}

func (b *Bridge) findCandidates(port uint16) error {
	addrs, err := netio.LocalAddresses()
	if err != nil {
		return fmt.Errorf("bridge: local addresses: %w", err)
	}
	names := interfaceNames()
	var local []localAddress
	for _, a := range addrs {
		why := "it is an address of this machine"
		if n := names[a]; n != "" {
			why = "it is the address of " + n
		}
		local = append(local, localAddress{a, why})
	}
	told, why := advertised(&b.opt, port, local)
	b.candidates, b.why = hostCandidates(told), why
	return nil
}

// Start lets the workers run.
func (b *Bridge) Start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		return errors.New("bridge: started twice")
	}
	b.started = true
	for _, w := range b.workers {
		go w.run()
	}
	return nil
}

// Candidates explains the addresses clients are told, one line each:
// "192.0.2.7:10000 because it is the address of eth0".
func (b *Bridge) Candidates() []string { return append([]string(nil), b.why...) }

// Addr returns the UDP address media is listened for at.
func (b *Bridge) Addr() netip.AddrPort { return b.workers[0].sock.LocalAddr() }

// SetReporter says who is told of endpoints that ended by themselves. It may
// be called at any time.
func (b *Bridge) SetReporter(r colibri.Reporter) { b.reporter.Store(&r) }

func (b *Bridge) report(ev colibri.EndpointEvent) {
	if r := b.reporter.Load(); r != nil {
		(*r).Report(ev)
	}
}

// Drain makes the bridge refuse new conferences; those it has go on.
func (b *Bridge) Drain() { b.draining.Store(true) }

// Stop ends all conferences, closes every channel and socket, and waits
// until all goroutines of the bridge have gone or ctx is done.
func (b *Bridge) Stop(ctx context.Context) error {
	b.mu.Lock()
	if b.stopped {
		b.mu.Unlock()
		return nil
	}
	b.stopped = true
	started := b.started
	b.mu.Unlock()
	b.closeChannels()
	var err error
	if started {
		err = b.stopWorkers(ctx)
	} else {
		for _, w := range b.workers {
			w.refuseAll()
		}
	}
	if err == nil {
		err = b.waitSessions(ctx)
	}
	err = errors.Join(err, b.waitChannels(ctx))
	b.closeSockets()
	return err
}

func (b *Bridge) stopWorkers(ctx context.Context) error {
	for _, w := range b.workers {
		w.mail.postAlways(stopWorker{})
	}
	for _, w := range b.workers {
		select {
		case <-w.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// waitSessions lets the peers be told before the sockets close.
func (b *Bridge) waitSessions(ctx context.Context) error {
	b.mu.Lock()
	sessions := b.sessions
	b.mu.Unlock()
	for _, done := range sessions {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (b *Bridge) waitChannels(ctx context.Context) error {
	gone := make(chan struct{})
	go func() { b.channels.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Bridge) closeSockets() {
	for _, w := range b.workers {
		w.sock.Close()
	}
	b.quiet.Close()
}

func closeAll(socks []*netio.Socket) {
	for _, s := range socks {
		s.Close()
	}
}

// stopWorker ends a worker's loop.
type stopWorker struct{}

func (stopWorker) handle(w *worker) { w.stopping = true }

// shutdown ends everything this worker owns; letters still waiting are
// answered, so that nobody waits for them.
func (w *worker) shutdown() {
	w.now = mono.Now()
	for _, c := range w.conferences {
		w.b.awaitSessions(c)
		c.expire()
	}
	w.flush()
	for len(w.telling) > 0 {
		w.tell()
	}
	w.refuseAll()
	w.publish()
}

// refuseAll ends the mailbox.
func (w *worker) refuseAll() {
	for _, ev := range w.mail.close() {
		if r, ok := ev.(interface{ refuse() }); ok {
			r.refuse()
		}
	}
}

// awaitSessions makes Stop wait for the DTLS associations of a conference.
func (b *Bridge) awaitSessions(c *conference) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ep := range c.order {
		b.sessions = append(b.sessions, ep.session.Done())
	}
}

// leastLoaded picks the worker for a new conference.
func (b *Bridge) leastLoaded() *worker {
	best := b.workers[0]
	for _, w := range b.workers[1:] {
		if w.load() < best.load() {
			best = w
		}
	}
	return best
}

// load orders workers: those it sends to weigh, conferences break ties (one that
// was just made has no endpoint yet).
func (w *worker) load() int64 { return w.lending.sends.Load()*1024 + w.numConferences.Load() }

// randomHex returns n random bytes as hex.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails, crypto/rand
	return hex.EncodeToString(b)
}

// Handler serves the bridge channel's WebSockets below /colibri-ws/.
func (b *Bridge) Handler() http.Handler { return http.HandlerFunc(b.serveChannel) }
