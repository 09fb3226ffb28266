package signal

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/mono"
)

// TestSlowClientMayResume floods a client that does not read: its socket ends
// without a stream error, and a new one gets every stanza in order.
func TestSlowClientMayResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.OutboxBytes = 200 << 10 })
		c := loginTest(t, s)
		ses := c.session()
		filler := strings.Repeat("x", 1000)
		sent := 0
		for ses.stateNow() == connected {
			ses.Deliver(shared(fmt.Sprint(sent, filler), ""))
			sent++
			synctest.Wait()
		}
		texts, code := c.ending()
		if code != 0 || strings.Contains(strings.Join(texts, ""), "stream:error") || len(texts) >= sent {
			t.Fatalf("ended with %d after %d of %d", code, len(texts), sent)
		}
		ses.Deliver(shared("last", ""))
		c = resumeTest(t, s, c, "0")
		if got := c.receive(); !strings.Contains(got, "<resumed ") {
			t.Fatal(got)
		}
		next := 0
		for next < sent {
			if f := c.receive(); !strings.HasPrefix(f, "<r ") {
				if bodyOf(f) != fmt.Sprint(next, filler) {
					t.Fatalf("%d is %.40q", next, f)
				}
				next++
			}
		}
		if got := bodyOf(c.receive()); got != "last" {
			t.Errorf("%.60q", got)
		}
	})
}

// TestHibernationIsBounded floods a session that nobody reads.
func TestHibernationIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.OutboxBytes = 10 << 10 })
		c := loginTest(t, s)
		ses := c.session()
		c.nc.Close()
		synctest.Wait()
		for range 15 {
			ses.Deliver(shared(strings.Repeat("x", 1000), ""))
		}
		synctest.Wait()
		if got := ses.stateNow(); got != hibernating {
			t.Fatal(got)
		}
		for range 15 {
			ses.Deliver(shared(strings.Repeat("x", 1000), ""))
		}
		synctest.Wait()
		if got := ses.stateNow(); got != gone || c.session() != nil || s.sessions.bySMID(c.smID) != nil {
			t.Fatal(got)
		}
	})
}

// took reports whether it is so long since start, and not much longer: each time a
// timer is set it may be late by a grain.
func took(start time.Time, d time.Duration) bool {
	late := time.Since(start) - d
	return late >= 0 && late <= 5*mono.PingGrain
}

// TestLife goes through the life of a session whose client falls silent.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := loginTest(t, s)
		ses := c.session()
		start := time.Now()
		pings := 0
		for {
			f, err := c.frame()
			if err != nil {
				break
			}
			if f.Header.OpCode == ws.OpPing {
				pings++
			}
		}
		synctest.Wait()
		if pings != 2 || !took(start, s.opt.ReadTimeout) || ses.stateNow() != hibernating {
			t.Fatal(pings, time.Since(start), ses.stateNow())
		}
		time.Sleep(s.opt.Hibernation - time.Millisecond)
		synctest.Wait()
		if ses.stateNow() != hibernating {
			t.Fatal("gone too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if ses.stateNow() != gone || c.session() != nil {
			t.Fatal("not gone")
		}
	})
}

func TestNegotiationIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := connectTest(t, s, query{})
		start := time.Now()
		c.ending()
		if time.Since(start) != s.opt.Negotiation {
			t.Error(time.Since(start))
		}
		// A session that was bound in time stays.
		c = loginTest(t, s)
		time.Sleep(s.opt.Negotiation + time.Second)
		synctest.Wait()
		if c.session().stateNow() != connected {
			t.Error("not connected")
		}
	})
}

// TestUrgentOvertakes lets stanzas wait and asks for a ping meanwhile.
func TestUrgentOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := loginTest(t, s)
		c.session().Deliver(shared("first", ""))
		synctest.Wait() // the writer now waits for the client to read
		for i := range 100 {
			c.session().Deliver(shared(fmt.Sprint(i), ""))
		}
		c.send(`<iq xmlns="jabber:client" type="get" id="p" to="meet.example"><ping xmlns="urn:xmpp:ping"/></iq>`)
		synctest.Wait()
		if got := c.receive(); bodyOf(got) != "first" {
			t.Fatal(got)
		}
		if got := c.receive(); !strings.Contains(got, `id="p"`) {
			t.Fatal(got)
		}
		if got := c.receive(); bodyOf(got) != "0" {
			t.Fatal(got)
		}
	})
}

// TestReplacement: only the newest of an occupant's waiting presences arrives.
func TestReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := loginTest(t, s)
		ses := c.session()
		ses.Deliver(shared("first", ""))
		synctest.Wait()
		ses.Deliver(shared("a1", "a"))
		ses.Deliver(shared("b1", "b"))
		ses.Deliver(shared("a2", "a"))
		ses.Deliver(shared("left", ""))
		ses.Deliver(shared("a3", "a"))
		var got []string
		for range 4 {
			got = append(got, bodyOf(c.receive()))
		}
		if !slices.Equal(got, []string{"first", "a3", "b1", "left"}) {
			t.Error(got)
		}
		// What was replaced never counted: four stanzas can be acknowledged.
		c.send(`<a xmlns="urn:xmpp:sm:3" h="4"/>`)
		c.send(`<r xmlns="urn:xmpp:sm:3"/>`)
		if got := c.receive(); !strings.HasPrefix(got, "<a ") {
			t.Error(got)
		}
	})
}

// TestUnackedIsBounded: writing pauses until the client acknowledges.
func TestUnackedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(o *Options) { o.UnackedStanzas = 10 })
		c := loginTest(t, s)
		for i := range 25 {
			c.session().Deliver(shared(fmt.Sprint(i), ""))
		}
		read := func(n int) (last string) {
			for range n {
				if last = c.receive(); strings.HasPrefix(last, "<r ") {
					last = c.receive()
				}
			}
			return bodyOf(last)
		}
		if got := read(10); got != "9" {
			t.Fatal(got)
		}
		quiet := make(chan string, 1)
		go func() { quiet <- read(1) }()
		synctest.Wait()
		select {
		case got := <-quiet:
			t.Fatal("wrote", got)
		default:
		}
		c.send(`<a xmlns="urn:xmpp:sm:3" h="10"/>`)
		if got := <-quiet; got != "10" {
			t.Fatal(got)
		}
		if got := read(9); got != "19" {
			t.Fatal(got)
		}
	})
}

// TestShutdown: clients are told nothing that would keep them from coming back.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := loginTest(t, s)
		done := make(chan error)
		go func() { done <- s.Shutdown(t.Context()) }()
		texts, code := c.ending()
		if len(texts) != 0 || code != ws.StatusGoingAway {
			t.Error(texts, code)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		c = connectTest(t, s, query{})
		if _, code := c.ending(); code != statusTryAgain {
			t.Error("connected to a server that is down", code)
		}
	})
}

// TestGoodbyeEndsSession: who closes the stream does not come back.
func TestGoodbyeEndsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := loginTest(t, s)
		c.send(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`)
		if texts, code := c.ending(); len(texts) != 1 || code != ws.StatusNormalClosure {
			t.Error(texts, code)
		}
		synctest.Wait()
		if c.session() != nil {
			t.Error("the session lives on")
		}
	})
}

// TestRebindingReplaces: a client that gives up resuming and binds anew gets
// its old name, and its former self makes room.
func TestRebindingReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		old := loginTest(t, s)
		old.nc.Close()
		synctest.Wait()
		c := connectTest(t, s, query{previd: old.smID})
		c.negotiate()
		c.send(`<iq type="set" id="b" xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`)
		c.receive()
		if got := c.receive(); !strings.Contains(got, old.jid.Local) {
			t.Error(got)
		}
		if old.session() != nil {
			t.Error("the former session lives on")
		}
	})
}

// TestResumeCountsBothWays: h tells exactly what was handled.
func TestResumeCountsBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := loginTest(t, s)
		for range 3 {
			c.send(`<presence xmlns="jabber:client"/>`)
		}
		c.session().Deliver(shared("0", ""))
		c.receive()
		c.nc.Close()
		synctest.Wait()
		c.session().Deliver(shared("1", ""))
		c = resumeTest(t, s, c, "1")
		if got := c.receive(); !strings.Contains(got, `h="3"`) {
			t.Error(got)
		}
		if got := bodyOf(c.receive()); got != "1" {
			t.Error(got)
		}
		// A count of more than was sent cannot be resumed with.
		c = resumeTest(t, s, c, "9")
		if got := c.receive(); !strings.Contains(got, "item-not-found") {
			t.Error(got)
		}
	})
}

// TestEveryFrameIsPaced: what is no stanza counts as well, or it would be the
// way to keep the server busy.
func TestEveryFrameIsPaced(t *testing.T) {
	for name, flood := range map[string]ws.Frame{
		"pings":        ws.NewPingFrame([]byte("x")),
		"empty pieces": ws.NewFrame(ws.OpContinuation, false, nil),
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newTestServer(t, func(o *Options) { o.StanzaRate = 10 })
			c := loginTest(t, s)
			go func() { _, _ = io.Copy(io.Discard, c.br) }()
			if flood.Header.OpCode == ws.OpContinuation {
				c.frameOut(ws.NewFrame(ws.OpText, false, nil))
			}
			began := time.Now()
			for range 60 { // 40 may come at once, some of which were used to log in
				c.frameOut(flood)
			}
			if took := time.Since(began); took < 2*time.Second || took > 4*time.Second {
				t.Errorf("60 %s took %v", name, took)
			}
			c.nc.Close()
		})
	}
}

func (c *testClient) frameOut(f ws.Frame) {
	c.t.Helper()
	if err := ws.WriteFrame(c.nc, ws.MaskFrame(f)); err != nil {
		c.t.Fatal(err)
	}
}

// TestAcksAreAskedForInTheEnd: what is kept for a client that has gone silent
// is not kept for long.
func TestAcksAreAskedForInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		c := loginTest(t, s)
		c.session().Deliver(shared("0", ""))
		c.receive()
		start := time.Now()
		if got := c.receive(); !strings.HasPrefix(got, "<r ") || !took(start, askAfter) {
			t.Fatal(got, time.Since(start))
		}
		c.send(`<a xmlns="urn:xmpp:sm:3" h="1"/>`)
		synctest.Wait()
		if st := c.session().describe(); st.Unacked != 0 {
			t.Error(st.Unacked)
		}
		// The next thing it hears is a ping.
		f, err := c.frame()
		if err != nil || f.Header.OpCode != ws.OpPing || !took(start, askAfter+s.opt.PingEvery) {
			t.Error(f.Header.OpCode, err, time.Since(start))
		}
	})
}
