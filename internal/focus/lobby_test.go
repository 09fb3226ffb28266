package focus

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/focus/admission"
)

// crowd brings n people into the usual room at once.
func (w *world) crowd(n int) (all []*person) {
	for i := range n {
		p := &person{w: w, nick: fmt.Sprintf("%08x", i), room: roomName, features: chromium, affiliation: "none", role: "participant"}
		p.jid.Local, p.jid.Domain, p.jid.Resource = p.nick+"-user", domain, "r"
		w.mu.Lock()
		w.rooms[p.room][p.nick] = p
		w.mu.Unlock()
		p.present("")
		all = append(all, p)
	}
	return all
}

// invited is how many of them have an offer.
func (w *world) invited(all []*person) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range all {
		if p.sid != "" {
			n++
		}
	}
	return n
}

// busyBridge takes its time for every endpoint it makes, and notes how many it
// was making at once at most.
func busyBridge(each time.Duration) (work func(*colibri.ConferenceModify) error, most *int) {
	most = new(int)
	return func(req *colibri.ConferenceModify) error {
		made := 0
		for _, e := range req.Endpoints {
			if e.Create {
				made++
			}
		}
		*most = max(*most, made)
		time.Sleep(time.Duration(made) * each)
		return nil
	}, most
}

func (w *world) invitations() admission.State { return w.f.lobby.state() }

// TestCrowdIsInvitedAtTheBridgesSpeed: two hundred at once do not all stand at
// the bridge, although nobody has answered yet.
func TestCrowdIsInvitedAtTheBridgesSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		w.open()
		work, most := busyBridge(10 * time.Millisecond)
		w.bridge.set(work, 0)
		all := w.crowd(200)
		w.pass(100 * time.Millisecond)
		if n := w.invited(all); n == 0 || n > 50 {
			t.Errorf("after 100 ms %d have an offer", n)
		}
		w.pass(20 * time.Second) // nobody answers: at least Least/Patience a second are invited
		if n := w.invited(all); n != 200 {
			t.Errorf("in the end %d have an offer: %+v", n, w.invitations())
		}
		if limit := admission.DefaultLimits().First / 2; *most > limit {
			t.Errorf("the bridge had to make %d endpoints at once, want at most %d", *most, limit)
		}
		if s := w.invitations(); s.Waiting != 0 {
			t.Errorf("left in the lobby: %+v", s)
		}
	})
}

// TestWhoeverGivesUpLeavesTheLobby: people who go while they wait, a bridge
// that fails and a conference that ends leave nothing behind.
func TestWhoeverGivesUpLeavesTheLobby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) {
			o.Invites = admission.Limits{First: 4, Least: 4, Most: 4, Patience: time.Hour, Delay: time.Hour}
		})
		defer w.stop()
		w.open()
		all := w.crowd(20)
		w.pass(time.Second)
		if s := w.invitations(); s.Waiting != 16 || s.Under != 4 {
			t.Fatalf("%+v", s)
		}
		// Those with an offer first; who they are depends on whose
		// capabilities were known first.
		slices.SortStableFunc(all, func(a, b *person) int { return strings.Compare(b.sid, a.sid) })
		for _, p := range []*person{all[2], all[3], all[10], all[11]} {
			p.leave()
		}
		w.pass(time.Second)
		if s := w.invitations(); s.Waiting != 12 || s.Under != 4 || w.invited(all) < 6 {
			t.Errorf("after some have left: %+v, %d had an offer", s, w.invited(all))
		}
		all[0].present("unavailable")
		all[0].present("") // back under the same name before anybody has noticed
		w.pass(time.Second)
		if s := w.invitations(); s.Waiting+s.Under != 16 {
			t.Errorf("after one came back: %+v", s)
		}
		w.bridge.set(func(*colibri.ConferenceModify) error { return &colibri.Error{Reason: colibri.ConferenceNotFound} }, 0)
		all[1].accept(all[1].mic(77))
		w.pass(500 * time.Millisecond)
		if s := w.invitations(); s.Under != 0 {
			t.Errorf("while there is no bridge: %+v", s)
		}
		w.bridge.set(nil, 0)
		w.pass(time.Minute)
		if s := w.invitations(); s.Waiting != 12 || s.Under != 4 {
			t.Errorf("when the bridge is back: %+v", s)
		}
		w.toFocus(fmt.Sprintf(`<presence from="%s/focus" type="unavailable"/>`, roomName))
		w.pass(time.Second)
		if s := w.invitations(); s.Waiting != 0 || s.Under != 0 {
			t.Errorf("after the end: %+v", s)
		}
	})
}
