package focus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/quota"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// focusNick is the focus's nickname in every room. Clients take Jingle from a
// bridge only from an occupant of this name.
const focusNick = "focus"

// shared is what all conferences of a focus have in common.
type shared struct {
	opts   *Options
	caps   *capsCache
	offers *templates
	met    *metrics
	self   xmpp.JID // focus@auth.D/focus
	// newID returns 32 hex digits nobody can guess; tests replace it.
	newID func() string
}

// Focus is the role. All methods are safe for concurrent use.
type Focus struct {
	shared
	component xmpp.JID // focus.D
	user      xmpp.Port
	service   xmpp.Port
	desk      *mailbox[func()] // what is not for one conference
	lobby     *lobby
	// empty are the conferences nobody has come to yet, ordered those of them
	// that were asked for by XMPP: there, who asks is not known by address.
	empty, ordered *quota.Quota

	ctx     context.Context // of requests to bridges
	cancel  context.CancelFunc
	quit    chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex
	stopped  bool
	rooms    map[xmpp.JID]*owner
	meetings map[string]*owner
}

// New makes a focus; it does nothing before [Focus.Start]. The error says
// what is wrong with the options.
func New(opts Options) (*Focus, error) {
	if opts.Domain == "" || opts.Router == nil {
		return nil, errors.New("focus: Domain and Router are needed")
	}
	if err := checkCodecs(opts.VideoCodecs); err != nil {
		return nil, err
	}
	opts.complete()
	met, err := newMetrics(opts.Metrics)
	if err != nil {
		return nil, fmt.Errorf("focus: metrics: %w", err)
	}
	f := &Focus{
		shared: shared{
			opts: &opts, caps: newCapsCache(opts.MaxCapabilities), offers: newTemplates(&opts), met: met,
			self:  xmpp.JID{Local: focusNick, Domain: "auth." + opts.Domain, Resource: focusNick},
			newID: randomHex,
		},
		component: xmpp.JID{Domain: "focus." + opts.Domain},
		desk:      newMailbox[func()](),
		lobby:     newLobby(opts.Invites),
		empty:     quota.New(opts.MaxEmpty, opts.MaxEmptyEach),
		ordered:   quota.New(opts.MaxEmpty/2, opts.MaxEmptyEach),
		quit:      make(chan struct{}),
		rooms:     make(map[xmpp.JID]*owner),
		meetings:  make(map[string]*owner),
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

// Start attaches the focus to the router and begins to serve.
func (f *Focus) Start() error {
	var err error
	if f.user, err = f.opts.Router.Attach(f.self, f.deliverUser); err != nil {
		return fmt.Errorf("focus: %w", err)
	}
	if f.service, err = f.opts.Router.Attach(f.component, f.deliverService); err != nil {
		return errors.Join(fmt.Errorf("focus: %w", err), f.user.Close())
	}
	f.running.Go(f.serveDesk)
	return nil
}

// Stop ends all conferences without a word to their participants, and waits
// for its goroutines until ctx is done. The focus stays in its rooms as far
// as the router is concerned: a client that sees the focus leave gives the
// conference up, one that merely loses its connection comes back.
func (f *Focus) Stop(ctx context.Context) error {
	f.mu.Lock()
	if !f.stopped {
		f.stopped = true
		close(f.quit)
	}
	f.mu.Unlock()
	done := make(chan struct{})
	go func() {
		f.running.Wait()
		f.lobby.close()
		close(done)
	}()
	defer f.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Report implements colibri.Reporter.
func (f *Focus) Report(ev colibri.EndpointEvent) {
	f.mu.Lock()
	o := f.meetings[ev.MeetingID]
	f.mu.Unlock()
	if o == nil {
		return
	}
	o.mail.post(event{do: func(c *conference, now time.Time) {
		c.now = now
		c.report(ev)
	}})
}

// deliverUser takes stanzas for the focus as an occupant. It runs on the
// router's goroutine: no waiting, no sending.
func (f *Focus) deliverUser(stanza []byte) {
	st, from, ok := scan(stanza)
	if !ok {
		return
	}
	f.mu.Lock()
	o := f.rooms[from.Bare()]
	f.mu.Unlock()
	if o != nil && o.deliver(st, from) {
		return
	}
	if o != nil {
		f.met.dropped.Inc()
	}
	f.stray(st)
}

// stray sees to it that a request to no conference is answered.
func (f *Focus) stray(st xmpp.Stanza) {
	if !st.IsRequest() {
		return
	}
	f.desk.post(func() {
		payload, _ := st.First()
		f.reply(f.user, answerAnybody(st, payload, f.self))
	})
}

// deliverService takes stanzas for focus.D.
func (f *Focus) deliverService(stanza []byte) {
	st, _, ok := scan(stanza)
	if !ok || !st.IsRequest() {
		return
	}
	if !f.desk.post(func() { f.onServiceIQ(st) }) {
		f.met.dropped.Inc()
	}
}

func scan(stanza []byte) (xmpp.Stanza, xmpp.JID, bool) {
	st, err := xmpp.Scan(stanza)
	if err != nil {
		return st, xmpp.JID{}, false
	}
	from, err := xmpp.ParseJID(st.From)
	return st, from, err == nil
}

// serveDesk works on what is not for one conference.
func (f *Focus) serveDesk() {
	for {
		select {
		case <-f.quit:
			f.desk.close()
			return
		case <-f.desk.wake:
		}
		for _, do := range f.desk.take() {
			do()
		}
	}
}

func (f *Focus) reply(port xmpp.Port, stanza []byte) {
	if err := port.Send(stanza); err != nil {
		f.opts.Log.Warn("reply not sent", "err", err)
	}
}

// errFull says that there is no room for another conference now.
var errFull = &xmpp.StanzaError{Type: "wait", Condition: "resource-constraint", Text: "too many conferences"}

// request finds the conference of a room, beginning it if there is none, and
// has it answer once; see conference.request. Requests for one room meet in
// one conference.
func (f *Focus) request(room xmpp.JID, by asker, answer func(ready bool, err *xmpp.StanzaError)) {
	ev := event{
		do:       func(c *conference, now time.Time) { c.request(now, answer) },
		orphaned: func() { f.request(room, by, answer) },
	}
	for {
		o, err := f.open(room, by)
		if err != nil {
			answer(false, err)
			return
		}
		if o == nil {
			answer(false, nil)
			return
		}
		if o.mail.post(ev) {
			return
		}
		if f.still(room, o) {
			answer(false, nil) // its mailbox is full
			return
		}
	}
}

func (f *Focus) still(room xmpp.JID, o *owner) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rooms[room] == o
}

// asker is whoever makes a conference request: by HTTP from an address, or by
// XMPP under a bare JID.
type asker struct{ address, jid string }

// book counts a conference that nobody has come to yet, if there may be one
// more; the function it returns takes that back.
func (f *Focus) book(by asker) (came func(), ok bool) {
	if by.jid != "" && !f.ordered.Take(by.jid) {
		return nil, false
	}
	if !f.empty.Take(by.address) {
		if by.jid != "" {
			f.ordered.Give(by.jid)
		}
		return nil, false
	}
	return func() {
		f.empty.Give(by.address)
		if by.jid != "" {
			f.ordered.Give(by.jid)
		}
	}, true
}

// open returns the owner of a room's conference, new or not; nil when the
// focus is stopping.
func (f *Focus) open(room xmpp.JID, by asker) (*owner, *xmpp.StanzaError) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return nil, nil
	}
	if o := f.rooms[room]; o != nil {
		return o, nil
	}
	if len(f.rooms) >= f.opts.MaxConferences {
		return nil, errFull
	}
	came, ok := f.book(by)
	if !ok {
		return nil, errFull
	}
	o := &owner{f: f, mail: newMailbox[event]()}
	o.conf = newConference(&f.shared, o, room, time.Now())
	f.rooms[room] = o
	f.meetings[o.conf.meeting] = o
	f.met.conferences.Inc()
	f.met.created.Inc()
	o.conf.came = came
	f.running.Go(o.run)
	return o, nil
}

// forget takes a conference that is over out of the books.
func (f *Focus) forget(o *owner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rooms[o.conf.room] == o {
		delete(f.rooms, o.conf.room)
		delete(f.meetings, o.conf.meeting)
		f.met.conferences.Dec()
	}
}

// randomHex returns 32 hex digits nobody can guess.
func randomHex() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	return hex.EncodeToString(b[:])
}

// parseRoom checks that text names a room of this deployment: an address at
// conference.D, conference.<tenant>.D or breakout.D.
func (f *Focus) parseRoom(text string) (xmpp.JID, bool) {
	if len(text) > 2*xmpp.MaxJIDPart {
		return xmpp.JID{}, false
	}
	room, err := xmpp.ParseJID(strings.Clone(text))
	if err != nil || room.Local == "" || !room.IsBare() {
		return xmpp.JID{}, false
	}
	// "[tenant]room" is how rooms of tenants are kept internally; asked for
	// by that name it would be a second conference in the same room.
	if strings.HasPrefix(room.Local, "[") {
		return xmpp.JID{}, false
	}
	return room, room.Domain == f.opts.BreakoutDomain || isRoomDomain(room.Domain, f.opts.Domain)
}

// isRoomDomain accepts conference.D and conference.<one label>.D.
func isRoomDomain(domain, base string) bool {
	tenant, ok := strings.CutPrefix(domain, "conference.")
	if !ok {
		return false
	}
	if tenant == base {
		return true
	}
	tenant, ok = strings.CutSuffix(tenant, "."+base)
	return ok && tenant != "" && !strings.Contains(tenant, ".")
}
