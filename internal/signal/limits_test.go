package signal

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// TestBacklogSurvivesResume: who comes back to more than an outbox may hold is
// not cut off for it by the next stanza, but by as much again.
func TestBacklogSurvivesResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.OutboxBytes = 10 << 10 })
		c := loginTest(t, s)
		ses := c.session()
		c.nc.Close()
		synctest.Wait()
		filler := strings.Repeat("x", 1000)
		for i := range 15 {
			ses.Deliver(shared(fmt.Sprint(i, filler), ""))
		}
		c = resumeTest(t, s, c, "0")
		c.receive() // resumed
		ses.Deliver(shared(fmt.Sprint(15, filler), ""))
		for next := 0; next < 16; {
			if f := c.receive(); !strings.HasPrefix(f, "<r ") {
				if bodyOf(f) != fmt.Sprint(next, filler) {
					t.Fatalf("%d is %.40q", next, f)
				}
				next++
			}
		}
		ses.Deliver(shared(filler, ""))
		synctest.Wait() // the writer waits for the client to read that
		for range 12 {
			ses.Deliver(shared(filler, ""))
		}
		if got := ses.stateNow(); got != hibernating {
			t.Error("the backlog still counts after it was written:", got)
		}
	})
}

// TestShutdownIsQuick: neither a client that does not read nor one that does
// not stop talking holds it up. (Real time: who waits for a lock stops the
// clock of a bubble.)
func TestShutdownIsQuick(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(o *Options) { o.StanzaRate = 100 })
	deaf, talker := loginTest(t, s), loginTest(t, s)
	deaf.session().Deliver(shared("x", ""))
	go func() {
		frame := ws.MaskFrame(ws.NewTextFrame([]byte(`<presence xmlns="jabber:client"/>`)))
		for ws.WriteFrame(talker.nc, frame) == nil {
		}
	}()
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*lingerFor {
		t.Error("took", took)
	}
}

// TestFastClientIsSlowed: stanzas, pings and the pieces of a message count all
// alike.
func TestFastClientIsSlowed(t *testing.T) {
	for name, frame := range map[string]ws.Frame{
		"stanzas": ws.NewTextFrame([]byte(`<presence xmlns="jabber:client"/>`)),
		"pongs":   ws.NewPongFrame(nil),
		"pieces":  ws.NewFrame(ws.OpContinuation, false, nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t, func(o *Options) { o.StanzaRate = 10 })
				c := loginTest(t, s)
				if name == "pieces" {
					_ = ws.WriteFrame(c.nc, ws.MaskFrame(ws.NewFrame(ws.OpText, false, nil)))
				}
				start := time.Now()
				for range 140 {
					if err := ws.WriteFrame(c.nc, ws.MaskFrame(frame)); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(start); took < 9*time.Second || took > 11*time.Second {
					t.Error("took", took)
				}
			})
		})
	}
}

// TestLateEndSparesSuccessor: the end of a socket that has just been replaced
// is not the end of the session.
func TestLateEndSparesSuccessor(t *testing.T) {
	s := newTestServer(t, nil)
	_, there := net.Pipe()
	old, now := &conn{srv: s}, &conn{srv: s, sock: &socket{nc: there}}
	ses := newSession(s, old, xmpp.JID{Local: "a", Domain: testDomain, Resource: "r"})
	old.session = ses
	ses.inMu.Lock() // as while a resumption is under way
	done := make(chan struct{})
	go func() {
		ses.endBy(old, "closed")
		close(done)
	}()
	time.Sleep(10 * time.Millisecond) // gives the goroutine a chance to go wrong
	ses.mu.Lock()
	ses.conn = now
	ses.mu.Unlock()
	ses.inMu.Unlock()
	<-done
	if got := ses.stateNow(); got != connected {
		t.Error(got)
	}
}

// TestOutboxForgets: an outbox that is never quite empty does not grow.
func TestOutboxForgets(t *testing.T) {
	o := outbox{}
	o.push(shared("", "first"))
	for i := range 100000 {
		o.push(shared("", fmt.Sprint(i)))
		o.pop()
	}
	if cap(o.queue) > 10000 || len(o.loan.index) > 10000 {
		t.Error(cap(o.queue), len(o.loan.index))
	}
	if o.waiting() != 1 || o.pop().Replaces != "99999" {
		t.Error("not what was pushed last")
	}
}

// TestOnlyTheFocusOpensRooms: another service that comes first is told so, and
// does not wait in a room that nobody will ever open.
func TestOnlyTheFocusOpensRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		p, got := attachTest(t, s, "recorder@auth.meet.example/r")
		_ = p.Send([]byte(`<presence to="a@conference.meet.example/rec"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
		synctest.Wait()
		if len(got) != 1 || !strings.Contains(<-got, "Room creation is restricted") {
			t.Error("not refused")
		}
		if n := len(s.State().(State).Rooms); n != 0 {
			t.Error(n, "rooms")
		}
	})
}

// TestJoinToNowhere: who wants into a room of a host that is not here is told.
func TestJoinToNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := loginTest(t, s)
		for to, condition := range map[string]string{
			"a@breakout.meet.example/n":     "remote-server-not-found",
			"a b@conference.meet.example/n": "jid-malformed",
		} {
			c.send(`<presence xmlns="jabber:client" to="` + to + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
			if got := c.receive(); !strings.Contains(got, condition) || !strings.Contains(got, `type="error"`) {
				t.Error(to, got)
			}
			c.send(`<presence xmlns="jabber:client" type="unavailable" to="` + to + `"/>`)
		}
		c.send(`<iq xmlns="jabber:client" type="get" id="p"><ping xmlns="urn:xmpp:ping"/></iq>`)
		if got := c.receive(); !strings.Contains(got, `id="p"`) {
			t.Error("a leave was answered:", got)
		}
	})
}

// TestLeaveKeepsItsPlace: who was away hears what somebody said before it hears
// that they left.
func TestLeaveKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		f, _ := attachTest(t, s, "focus@auth.meet.example/focus")
		_ = f.Send([]byte(`<presence to="a@conference.meet.example/focus"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
		a, b := loginTest(t, s), loginTest(t, s)
		join := func(c *testClient, read int) {
			c.send(`<presence xmlns="jabber:client" to="a@conference.meet.example/` + c.jid.Local[:8] + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
			for range read {
				c.receive()
			}
		}
		join(a, 3) // the focus, itself, the subject
		a.nc.Close()
		synctest.Wait()
		join(b, 0)
		go func() { _, _ = io.Copy(io.Discard, b.br) }()
		b.send(`<message xmlns="jabber:client" type="groupchat" to="a@conference.meet.example"><body>bye</body></message>`)
		b.send(`<presence xmlns="jabber:client" type="unavailable" to="a@conference.meet.example/` + b.jid.Local[:8] + `"/>`)
		synctest.Wait()
		a = resumeTest(t, s, a, "3")
		a.receive() // resumed
		for _, want := range []string{"<presence ", "<body>bye", `type="unavailable"`} {
			if got := a.receive(); !strings.Contains(got, want) {
				t.Errorf("%.200s does not contain %s", got, want)
			}
		}
	})
}

// TestParkedChangesItsMind: who waits for a room and leaves is not in it when
// it opens.
func TestParkedChangesItsMind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		s.Expect(xmpp.JID{Local: "a", Domain: "conference.meet.example"})
		c := loginTest(t, s)
		to := "a@conference.meet.example/" + c.jid.Local[:8]
		c.send(`<presence xmlns="jabber:client" to="` + to + `"><x xmlns="http://jabber.org/protocol/muc"/></presence>`)
		c.send(`<presence xmlns="jabber:client" to="` + to + `" type="unavailable"/>`)
		synctest.Wait()
		f, _ := attachTest(t, s, "focus@auth.meet.example/focus")
		_ = f.Send([]byte(`<presence to="a@conference.meet.example/focus"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
		synctest.Wait()
		if o := s.State().(State).Rooms[0].Room.Occupants; len(o) != 1 {
			t.Errorf("%+v", o)
		}
	})
}
