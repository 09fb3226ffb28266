package signal

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/muc"
	"github.com/plenum-conf/plenum/internal/signal/service"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// room is the goroutine that owns one muc.Room, and its mailbox.
type room struct {
	srv    *Server
	key    xmpp.JID // as the table knows it
	public xmpp.JID // as occupants know it
	core   *muc.Room
	parts  map[string]service.Part // by service address
	box    *mailbox
	over   atomic.Bool
}

// rooms is the table of rooms, and of those the focus is about to open.
type rooms struct {
	srv      *Server
	mu       sync.Mutex
	byKey    map[xmpp.JID]*room
	expected map[xmpp.JID]*expectation
	stopped  bool
	group    sync.WaitGroup
}

func newRooms(s *Server) *rooms {
	return &rooms{srv: s, byKey: make(map[xmpp.JID]*room), expected: make(map[xmpp.JID]*expectation)}
}

// find returns a room, nil if it does not exist.
func (t *rooms) find(key xmpp.JID) *room {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byKey[key]
}

// route takes stanzas to the conference host.
func (t *rooms) route(from sender, to xmpp.JID, st xmpp.Stanza) {
	if to.Local == "" {
		t.srv.host.toConference(from, st)
		return
	}
	key, _ := t.srv.inner(to)
	if public := t.srv.outer(key); public != to {
		st.To = public.String()
	}
	t.deliver(from, key.Bare(), st, !from.trusted())
}

// deliver brings a stanza to its room, which may be closing just now.
func (t *rooms) deliver(from sender, key xmpp.JID, st xmpp.Stanza, wait bool) {
	ev := event{kind: evStanza, from: from, st: st}
	for {
		r := t.find(key)
		switch {
		case joining(st) && from.crowded(r):
			t.srv.refuse(from, st, errTooManyRooms)
			return
		case r == nil:
			done, e := t.roomless(key, ev)
			if e != nil {
				t.srv.refuse(from, st, e)
			}
			if done {
				return
			}
		case r.post(ev, wait):
			r.enter(ev)
			return
		case !r.over.Load():
			t.srv.bounce(from, st, errBusy)
			return
		}
	}
}

// enter notes who may now be in the room, or no more. It comes after the
// event, so that the news of a sender's end comes after it too.
func (r *room) enter(ev event) {
	switch {
	case joining(ev.st) && !ev.from.entered(r):
		r.gone(ev.from, "Disconnected")
	case ev.st.Kind == xmpp.Presence && ev.st.Type == "unavailable":
		ev.from.left(r)
	}
}

// joining reports whether a stanza may make somebody an occupant.
func joining(st xmpp.Stanza) bool {
	if st.Kind != xmpp.Presence || st.Type != "" {
		return false
	}
	_, ok := st.Child("x", xmpp.NSMUC)
	return ok
}

var (
	errBusy         = &xmpp.StanzaError{Type: "wait", Condition: "resource-constraint"}
	errTooManyRooms = &xmpp.StanzaError{Type: "wait", Condition: "resource-constraint", Text: "You are in too many rooms"}
)

// roomless deals with a stanza to a room that does not exist: the focus opens
// it, clients wait for the focus if it is on its way, and the rest is refused
// with the error. Not done means that there is a room after all.
func (t *rooms) roomless(key xmpp.JID, ev event) (done bool, e *xmpp.StanzaError) {
	st, joins := ev.st, joining(ev.st)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.byKey[key] != nil:
		return false, nil
	case t.stopped:
		return true, nil
	case joins && (t.srv.opt.AnyoneOpens || ev.from.trusted() && ev.from.JID().Bare() == t.srv.focus):
		t.open(key, ev)
		return true, nil
	case joins && t.park(key, ev):
		return true, nil
	case joins:
		return true, muc.RoomCreationRestricted
	case st.Type == "unavailable":
		t.unpark(key, ev)
		return true, nil
	case st.Type == "error" || st.Type == "result":
		return true, nil
	}
	return true, errNotFound
}

// open makes a room for whoever may open it, mostly the focus, whose join is
// its first event, and lets in who waited. The caller holds mu.
func (t *rooms) open(key xmpp.JID, first event) {
	s := t.srv
	r := &room{srv: s, key: key, public: s.outer(key), box: newMailbox(s.opt.MailboxEvents)}
	waiting := t.expected[key].take()
	delete(t.expected, key)
	t.byKey[key] = r
	s.metrics.rooms.Inc()
	s.log.Info("room opened", "room", r.public, "waiting", len(waiting))
	for _, ev := range append([]event{first}, waiting...) {
		if ev.from.crowded(r) { // by now, if it asked for many at once
			s.refuse(ev.from, ev.st, errTooManyRooms)
			continue
		}
		r.box.put(ev, false)
		r.enter(ev)
	}
	s.metrics.parked.Sub(float64(len(waiting)))
	t.group.Go(r.run)
}

// retire takes a room that is over out of the table.
func (t *rooms) retire(r *room) []event {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.over.Store(true)
	delete(t.byKey, r.key)
	t.srv.metrics.rooms.Dec()
	return r.box.close()
}

// stopAll ends all rooms' goroutines.
func (t *rooms) stopAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for _, r := range t.byKey {
		r.over.Store(true)
		r.box.close()
	}
	clear(t.byKey)
	for key, x := range t.expected {
		x.timer.Stop()
		delete(t.expected, key)
	}
}

func (t *rooms) wait() { t.group.Wait() }

// post puts an event into the room's mailbox.
func (r *room) post(ev event, wait bool) bool { return r.box.put(ev, wait) }

// gone tells the room that a session or service is no more.
func (r *room) gone(who sender, status string) {
	r.post(event{kind: evGone, from: who, host: status}, false)
}

// keptEvents is for how many events a quiet room keeps memory.
const keptEvents = 8

// run is the room's goroutine.
func (r *room) run() {
	r.build()
	var batch []event
	for {
		var ok bool
		clear(batch)
		if cap(batch) > keptEvents {
			batch = nil
		}
		if batch, ok = r.box.take(batch[:0]); !ok {
			return
		}
		for i := range batch {
			r.handle(&batch[i])
			if r.core.Empty() || r.core.Destroyed() {
				r.finish(batch[i+1:])
				return
			}
		}
	}
}

// build makes the core with its services.
func (r *room) build() {
	s := r.srv
	now := time.Now()
	r.parts = make(map[string]service.Part)
	var hooks []muc.Hooks
	for _, f := range s.opt.Services {
		address := xmpp.JID{Domain: f.Host + "." + s.opt.Domain}
		part := f.Open(service.Env{
			Address: address, Room: r.public, Now: time.Now, External: s.external,
		})
		r.parts[address.Domain] = part
		hooks = append(hooks, part.Hooks)
	}
	limits := muc.DefaultLimits()
	limits.Occupants, limits.HistoryMessages = s.opt.MaxOccupants, s.opt.History
	r.core = muc.New(muc.Config{
		JID: r.public, MeetingID: newUUID(), Created: now,
		FocusJID: s.focus, AnyoneOpens: s.opt.AnyoneOpens,
		// Anonymous clients are held to the endpoint id that follows from
		// their address, so that nobody takes somebody else's.
		AnonymousDomain: s.opt.Domain,
		Limits:          limits, Hooks: muc.Chain(hooks...),
	})
}

// handle gives one event to the core.
func (r *room) handle(ev *event) {
	switch ev.kind {
	case evStanza:
		r.stanza(ev)
	case evService:
		r.service(ev)
	case evGone:
		r.core.Gone(time.Now(), ev.from, ev.host)
	case evCall:
		ev.call(r)
	}
}

func (r *room) stanza(ev *event) {
	now := time.Now()
	switch ev.st.Kind {
	case xmpp.Presence:
		r.core.Presence(now, ev.from, ev.st)
	case xmpp.Message:
		r.core.Message(now, ev.from, ev.st)
	case xmpp.IQ:
		r.core.IQ(now, ev.from, ev.st)
	}
}

// service hands a message to a room service, if the sender is in the room.
func (r *room) service(ev *event) {
	part := r.parts[ev.host]
	o := r.core.OccupantByReal(ev.from.JID())
	if o == nil || part.Message == nil {
		r.srv.bounce(ev.from, ev.st, errUnavailable)
		return
	}
	if e := part.Message(r.core, o, ev.st); e != nil {
		r.srv.bounce(ev.from, ev.st, e)
	}
}

// finish ends the room. Events that came too late start over: they may open
// the room anew.
func (r *room) finish(late []event) {
	late = append(late, r.srv.rooms.retire(r)...)
	r.srv.log.Info("room closed", "room", r.public)
	for _, ev := range late {
		switch ev.kind {
		case evStanza:
			r.srv.rooms.deliver(ev.from, r.key, ev.st, false)
		case evService:
			r.srv.bounce(ev.from, ev.st, errUnavailable)
		case evCall:
			ev.call(r)
		}
	}
}
