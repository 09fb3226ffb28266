package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/loadtest/dial"
	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/site"
	"github.com/plenum-conf/plenum/internal/loadtest/wire"
	"github.com/plenum-conf/plenum/internal/mono"
)

// participant is one synthetic participant. Its goroutine connects and reads;
// what is below mu belongs to whoever holds it.
type participant struct {
	r      *run
	index  int
	who    int // in its room
	room   *room
	role   *Role
	name   string
	w      *worker
	story  story
	pulse  pulse
	begins time.Duration
	ctx    context.Context // of all it does; ends when it leaves, or the run does
	stop   func()

	// The shepherd's.
	started, left   bool
	back            bool // it was there before
	breakAt         mono.Time
	churnAt         mono.Time // when it leaves to come back, 0 for never
	seenIn, seenOut uint64    // stanzas, when they were last looked at
	hearing         hearing

	deadline  atomic.Int64 // of the client: a mono.Time
	view      atomic.Int64 // when what it looks at has to be told again: a mono.Time, 0 for never
	statsNext atomic.Int64 // when the others are to be told how the connection is: a mono.Time, 0 for never
	keepNext  atomic.Int64 // when the keepalive is due: a mono.Time, 0 for never

	mu      sync.Mutex
	client  *wire.Client
	sock    *socket
	leaving bool
	refused bool // to be resumed: it begins anew when its reader has ended
	ping    time.Duration

	peer      *peer
	past      []record.Media // of sessions that have ended
	channel   *channel
	remotes   remotes
	speaker   string // dominant
	forwarded []string
	mapped    map[uint32]announced
	ignored   int // what the offer had that nobody here knows
}

// The web client's times for resuming (lib-jitsi-meet's ResumeTask): random
// between the two, for the first, second and third attempt.
var resumeWaits = [][2]time.Duration{
	{1500 * time.Millisecond, 3 * time.Second}, {3 * time.Second, 9 * time.Second}, {4500 * time.Millisecond, 27 * time.Second},
}

// keepFirst is when the first keepalive is due after a stream was opened.
const keepFirst = 5 * time.Second

// live is the participant's goroutine.
func (p *participant) live() {
	p.story.begin(mono.Now())
	p.story.step(record.Config)
	if !p.enter() {
		return
	}
	for {
		err := p.readAll()
		p.mu.Lock()
		over, refused := p.leaving, p.refused
		resumable := p.client.Lost()
		p.sock, p.refused = nil, false
		p.mu.Unlock()
		switch {
		case over:
			return
		case refused:
			if !p.enter() {
				return
			}
		case !resumable || !p.resume():
			p.giveUp(p.stage(), fmt.Errorf("the connection was lost: %w", err))
			return
		}
	}
}

// enter asks for the conference and connects: at the beginning, and again,
// as a page that is loaded again, when the server does not resume a stream. It
// reports whether there is a connection; without one the participant has
// given up.
func (p *participant) enter() bool {
	focus := ""
	if p.r.site.Request != "" {
		var err error
		if focus, err = p.request(p.ctx); err != nil {
			p.giveUp(record.Request, err)
			return false
		}
		p.story.step(record.Request)
	}
	p.mu.Lock()
	if p.client == nil {
		p.client = wire.New(p.wireConfig())
	} else {
		p.client = p.client.Anew(p.wireConfig())
	}
	if focus != "" {
		p.client.SetFocus(focus)
	}
	p.mu.Unlock()
	if err := p.connect(); err != nil {
		p.giveUp(p.stage(), err)
		return false
	}
	return true
}

// stage is the step the participant has to take next.
func (p *participant) stage() record.Step {
	for _, s := range []record.Step{record.DNS, record.TCP, record.WebSocket, record.Auth, record.Room} {
		if !p.story.reached(s) {
			return s
		}
	}
	return ""
}

// giveUp ends the participant as failed, unless it was leaving anyway or the
// run is over.
func (p *participant) giveUp(step record.Step, err error) {
	p.mu.Lock()
	leaving := p.leaving
	p.mu.Unlock()
	if leaving || p.ctx.Err() != nil {
		return
	}
	var at *stepError
	if errors.As(err, &at) {
		step = at.step
	}
	p.story.wrong(step, cause(err), true)
	p.leave(false)
}

func (p *participant) wireConfig() wire.Config {
	s, plan := p.r.site, p.r.plan
	c := wire.Config{
		Domain: s.Domain, Main: s.Domain, MUC: s.MUC, Focus: s.Focus, FocusUser: s.FocusUser,
		Room: p.room.name, Nick: p.name, User: plan.User, Password: plan.Password, RoomPassword: plan.RoomPassword,
		Token: plan.Token, MachineID: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()),
		RequestByIQ: s.Request == "" && !s.Bare, Codecs: []string{"vp8", "vp9", "h264", "av1"}, Rewriting: s.Rewriting,
		Signalling: p.role.Signalling, Resume: true, PingEvery: 10 * time.Second,
		EndpointID: fmt.Sprintf("%08x", rand.Uint32()),
	}
	if s.Anonymous != "" && plan.User == "" && plan.Token == "" {
		c.Domain = s.Anonymous
	}
	if own := strings.ToLower(string(p.role.Codec)); own != "" {
		c.Codecs = append([]string{own}, slices.DeleteFunc(c.Codecs, func(o string) bool { return o == own })...)
	}
	return c
}

// socketURL is where the stream goes, with what the web client adds.
func (p *participant) socketURL(resume string) string {
	u := site.WithQuery(p.r.site.WebSocket, "room", p.room.name)
	u = site.WithQuery(u, "token", p.r.plan.Token)
	return site.WithQuery(u, "previd", resume)
}

// connect opens the WebSocket and begins the stream.
func (p *participant) connect() error {
	p.mu.Lock()
	resume := p.client.ResumeID()
	p.mu.Unlock()
	step := p.story.step
	if resume != "" {
		step = func(record.Step) {}
	}
	s, err := p.r.dialer.dial(p.ctx, p.socketURL(resume), "xmpp", step)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving {
		s.drop()
		return context.Canceled
	}
	p.sock = s
	now := mono.Now()
	p.client.Open(now)
	p.drain(now)
	if p.r.site.KeepAlive != "" {
		p.keepNext.Store(int64(now.Add(keepFirst)))
	}
	return nil
}

// resume tries as often and as slowly as the web client.
func (p *participant) resume() bool {
	for _, w := range resumeWaits {
		wait := time.NewTimer(w[0] + rand.N(w[1]-w[0]))
		select {
		case <-wait.C:
		case <-p.ctx.Done():
			wait.Stop()
			return false
		}
		err := p.connect()
		if err == nil {
			return true
		}
		if p.ctx.Err() != nil {
			return false
		}
		p.story.wrong(record.WebSocket, "resuming: "+cause(err), false)
	}
	return false
}

// readAll reads until the connection ends.
func (p *participant) readAll() error {
	p.mu.Lock()
	s := p.sock
	p.mu.Unlock()
	if s == nil {
		return errClosed
	}
	for {
		msg, err := s.read()
		if err != nil {
			s.drop()
			return err
		}
		now := mono.Now()
		p.mu.Lock()
		p.client.Frame(now, msg)
		p.drain(now)
		p.mu.Unlock()
	}
}

// drain sends what the client wants to send, and acts on what happened. The
// lock is held.
func (p *participant) drain(now mono.Time) {
	for {
		if out := p.client.Take(); len(out) > 0 && p.sock != nil {
			if err := p.sock.send(out...); err != nil {
				p.sock.drop()
			}
		}
		events := p.client.Events()
		if len(events) == 0 {
			break
		}
		for i := range events {
			p.event(now, &events[i])
		}
	}
	p.deadline.Store(int64(p.client.Deadline()))
}

// event acts on one event; the lock is held.
func (p *participant) event(now mono.Time, e *wire.Event) {
	if p.leaving {
		if e.Kind == wire.Broken && p.sock != nil {
			p.sock.drop()
		}
		return
	}
	switch e.Kind {
	case wire.Ready:
		p.story.step(record.Auth)
	case wire.Resumed:
		p.story.add(&p.story.resumes)
	case wire.Refused:
		p.forgetAll(e.Text)
	case wire.Requested:
		p.story.step(record.Request)
	case wire.Joined:
		p.joined()
	case wire.Offered:
		if !p.role.Signalling {
			p.offered(now, e.Message)
		}
	case wire.Accepted:
		p.story.step(record.Accepted)
		p.story.become(record.InCall)
		p.client.SetSources(p.role.Audio, p.role.Video, p.role.Screen, p.role.Muted, p.role.Muted)
	case wire.Added, wire.Removed:
		p.sourcesChanged(e)
	case wire.Terminated:
		p.endSession()
		p.story.become(record.InRoom)
	case wire.Presence:
		p.sourceInfo(e.Owner, e.Text)
	case wire.Gone:
		p.ownerGone(e.Owner)
	case wire.Pong:
		p.ping = e.Took
	case wire.Mute:
		p.story.wrong("", "a moderator muted its "+e.Text, false)
	case wire.Trouble:
		p.story.wrong("", e.Text, false)
	case wire.Broken:
		p.story.wrong("", e.Text, false)
		if p.sock != nil {
			p.sock.drop()
		}
	case wire.Fatal:
		p.story.wrong(p.stage(), e.Text, true)
		p.r.living.Go(func() { p.leave(false) })
	}
}

// joined notes that it is in the room, for the first time or again.
func (p *participant) joined() {
	if !p.story.reached(record.Room) {
		p.story.cameIn(p.client.Occupants() <= p.r.site.Least())
	}
	p.story.step(record.Room)
	p.story.become(record.InRoom)
	if p.role.Signalling {
		p.story.become(record.InCall)
	}
}

// forgetAll ends what hung on a stream that the server does not resume; live
// begins anew.
func (p *participant) forgetAll(cause string) {
	p.story.wrong("", cause, false)
	p.endSession()
	p.remotes = newRemotes()
	p.speaker = ""
	p.refused = true
	p.story.add(&p.story.rejoins)
	p.story.become(record.Joining)
	if p.sock != nil {
		p.sock.drop()
	}
}

// offered begins a session: it answers at once, and everything else happens
// in the worker and in the channel.
func (p *participant) offered(now mono.Time, m *jingle.Message) {
	if p.peer != nil {
		p.endSession()
		p.story.add(&p.story.reinvites)
	}
	p.story.step(record.Offer)
	o, err := readOffer(m)
	if err != nil {
		p.story.wrong(record.Offer, err.Error(), true)
		p.r.living.Go(func() { p.leave(false) })
		return
	}
	p.ignored += o.skipped
	endpoint := p.client.Endpoint()
	talk := lmedia.NewConversation(p.room.seed, p.room.size)
	s := makeSources(o, p.role, endpoint, talk, p.who)
	s.identity, s.profiles = p.r.identity, p.r.plan.Profiles
	s.network, s.privateOnly = p.role.Network, p.r.plan.PrivateOnly
	s.ufrag = fmt.Sprintf("%08x", rand.Uint32())
	pwd := fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
	o.sctp = o.transport.SCTPPort != 0 && (p.r.site.PreferSCTP || o.url == "")
	peer := &peer{w: p.w, ctx: p.ctx, living: &p.r.living, story: &p.story, pulse: &p.pulse, offer: o, sources: s, pwd: pwd, began: p.r.began, failed: p.transportFailed, muted: p.remotes.muted()}
	s.isMuted = peer.isMuted
	if o.sctp {
		s.onSecured = func(c *dial.Conn) { p.openSCTP(peer, c) }
	}
	p.peer = peer
	p.w.do(peer.start)
	if !o.sctp && o.url != "" {
		p.openWebSocket(peer)
	}
	p.sourcesChanged(&wire.Event{Kind: wire.Added, Sources: m.Sources})
	p.client.Accept(now, o.answer(s, pwd, p.lastN()))
}

// lastN is what the session-accept says about it: nothing unless the
// deployment or the role limits it.
func (p *participant) lastN() *int {
	n := p.r.site.LastN
	if p.role.LastN != nil {
		n = *p.role.LastN
	}
	if n < 0 {
		return nil
	}
	return &n
}

// endSession ends the media of the session; the lock is held.
func (p *participant) endSession() {
	if c := p.channel; c != nil {
		p.channel = nil
		p.r.living.Go(c.close)
	}
	if m := p.peer; m != nil {
		p.peer = nil
		var last record.Media
		p.w.ask(func() {
			last = m.snapshot()
			m.close()
		})
		p.past = append(p.past, last)
	}
	p.forwarded, p.mapped = nil, nil
	p.remotes.unlist()
}

// transportFailed asks for another session, as clients do.
func (p *participant) transportFailed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving || p.peer == nil {
		return
	}
	now := mono.Now()
	p.client.Restart(now)
	p.drain(now)
}

// goodbyeTime is how long a server has to take a goodbye. A connection that was
// closed at once could take the goodbye back: what has come and was not read
// makes the kernel reset it.
const goodbyeTime = 5 * time.Second

// leave ends the participant: with a goodbye if it goes well.
func (p *participant) leave(well bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving {
		return
	}
	p.leaving = true
	p.stop()
	p.endSession()
	if p.client != nil && p.sock != nil {
		p.client.Close()
		if p.sock.send(p.client.Take()...) != nil {
			p.sock.drop()
		}
		p.sock.expire(goodbyeTime) // until then its reader waits for the server to close
	}
	p.deadline.Store(0)
	p.view.Store(0)
	p.keepNext.Store(0)
	p.statsNext.Store(0)
	if well {
		p.story.become(record.Left)
	}
}

// tend does what is due for the participant; the shepherd calls it. It must
// not wait: whoever holds the lock may be writing to a server that does not
// read, and everybody else would wait as well.
func (p *participant) tend(now mono.Time) {
	if d := p.deadline.Load(); d != 0 && int64(now) >= d && p.deadline.CompareAndSwap(d, 0) {
		p.r.living.Go(p.tick)
	}
	if d := p.view.Load(); d != 0 && int64(now) >= d && p.mu.TryLock() {
		p.view.Store(0)
		p.tellView()
		p.mu.Unlock()
	}
	if d := p.statsNext.Load(); d != 0 && int64(now) >= d {
		p.statsNext.Store(int64(now.Add(statsPeriod)))
		p.r.living.Go(p.tellStats)
	}
	if d := p.keepNext.Load(); d != 0 && int64(now) >= d {
		every := p.r.site.Every
		p.keepNext.Store(int64(now.Add(every + rand.N(every))))
		p.r.living.Go(p.keepAlive)
	}
}

// tick does what is due for the client; it may write. What is due next is
// known when it has been done.
func (p *participant) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving {
		return
	}
	now := mono.Now()
	p.client.Tick(now)
	p.drain(now)
}

// breakNow lets the connection break, as networks do.
func (p *participant) breakNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sock != nil && p.client.InRoom() && !p.leaving {
		p.sock.drop()
	}
}

// sourceInfo takes what a presence says about somebody's sources.
func (p *participant) sourceInfo(owner, text string) {
	var info map[string]sourceState // nil if there are none, as of most in a crowd
	if text != "{}" && (len(text) > 64<<10 || json.Unmarshal([]byte(text), &info) != nil || len(info) > 100) {
		p.story.wrong("", "a presence has a SourceInfo that cannot be read", false)
		return
	}
	changed, shown, ignored := p.remotes.told(owner, info)
	p.ignored += ignored
	p.tellMutes(changed)
	if shown {
		p.lookAgain()
	}
}

func (p *participant) ownerGone(owner string) {
	gone, shown := p.remotes.forget(owner)
	p.tellGone(gone)
	if shown {
		p.lookAgain()
	}
}

// viewDelay lets changes gather before the bridge is told what is looked at.
const viewDelay = 200 * time.Millisecond

// lookAgain lets the bridge be told soon.
func (p *participant) lookAgain() {
	if p.channel != nil && p.view.Load() == 0 {
		p.view.Store(int64(mono.Now().Add(viewDelay)))
	}
}
