package signal

import (
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/muc"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// expectation says that the focus has been asked to open a room. Clients that
// are faster than it wait here.
type expectation struct {
	joins []event
	timer *time.Timer
}

// take returns those who wait. It may be called on nil.
func (x *expectation) take() []event {
	if x == nil {
		return nil
	}
	x.timer.Stop()
	return x.joins
}

// Expect says that the focus has been asked for the room and will open it
// soon: joins that arrive before it are kept for Options.ParkTimeout instead
// of being refused. Signal notices requests that come by XMPP itself; whoever
// takes them by HTTP calls this.
func (s *Server) Expect(room xmpp.JID) {
	key, ok := s.inner(room.Bare())
	if !ok || key.Local == "" {
		return
	}
	t := s.rooms
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || t.byKey[key] != nil {
		return
	}
	if x := t.expected[key]; x != nil {
		x.timer.Reset(s.opt.ParkTimeout)
	} else if len(t.expected) < s.opt.MaxExpected {
		t.expected[key] = &expectation{
			timer: time.AfterFunc(s.opt.ParkTimeout, func() { t.giveUp(key) }),
		}
	}
}

// park keeps a join until the focus comes. False means that there is no reason
// to, or no room. The caller holds mu.
func (t *rooms) park(key xmpp.JID, ev event) bool {
	x := t.expected[key]
	if x == nil || len(x.joins) >= t.srv.opt.MaxParked {
		return false
	}
	x.joins = append(x.joins, ev)
	t.srv.metrics.parked.Inc()
	return true
}

// unpark drops the joins of somebody who changed its mind. The caller holds mu.
func (t *rooms) unpark(key xmpp.JID, leave event) {
	x := t.expected[key]
	if leave.st.Kind != xmpp.Presence || x == nil {
		return
	}
	n := len(x.joins)
	x.joins = slices.DeleteFunc(x.joins, func(ev event) bool { return ev.from == leave.from })
	t.srv.metrics.parked.Sub(float64(n - len(x.joins)))
}

// giveUp answers those who waited in vain.
func (t *rooms) giveUp(key xmpp.JID) {
	t.mu.Lock()
	joins := t.expected[key].take()
	delete(t.expected, key)
	t.mu.Unlock()
	t.srv.metrics.parked.Sub(float64(len(joins)))
	for _, ev := range joins {
		t.srv.refuse(ev.from, ev.st, muc.RoomCreationRestricted)
	}
}
