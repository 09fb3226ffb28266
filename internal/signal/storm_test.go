package signal

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// presenceChildren is what a browser's join presence holds besides the muc
// element.
const presenceChildren = `<stats-id>Zoe-kX3</stats-id>` +
	`<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://jitsi.org/jitsi-meet" ver="bYGTAaKzZNPWV6PvkS9sUQqC3cc="/>` +
	`<features><feature var="https://jitsi.org/meet/e2ee"/></features>` +
	`<SourceInfo>{&quot;a0&quot;:{&quot;muted&quot;:true},&quot;v0&quot;:{&quot;muted&quot;:true}}</SourceInfo>` +
	`<jitsi_participant_region>eu-central-1</jitsi_participant_region>` +
	`<jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList>` +
	`<jitsi_participant_e2ee.idKey.curve25519>YkQ7k3sYyqzq1bJq2t9Z0J1YlqA8zqvVh2b9wWc2Q1E</jitsi_participant_e2ee.idKey.curve25519>` +
	`<nick xmlns="http://jabber.org/protocol/nick">Somebody With A Name</nick>`

// stormClient reads a socket and counts stanzas, as cheaply as can be.
type stormClient struct {
	jid  xmpp.JID
	nc   net.Conn
	br   *bufio.Reader
	want int // stanzas until done
	done *sync.WaitGroup
}

func stormLogin(b *testing.B, s *Server) *stormClient {
	here, there := net.Pipe()
	go s.accept(there, nil, query{}, "pipe")
	t := &testClient{t: b, srv: s, nc: here, br: bufio.NewReaderSize(here, 64<<10)}
	t.negotiate()
	t.send(`<iq type="set" id="b" xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`)
	t.receive()
	text := t.receive()
	from := bytes.Index([]byte(text), []byte("<jid>")) + 5
	jid, err := xmpp.ParseJID(text[from : from+bytes.IndexByte([]byte(text[from:]), '<')])
	if err != nil {
		b.Fatal(err)
	}
	return &stormClient{jid: jid, nc: here, br: t.br}
}

func (c *stormClient) read() {
	for {
		h, err := ws.ReadHeader(c.br)
		if err != nil {
			return
		}
		if _, err := c.br.Discard(int(h.Length)); err != nil {
			return
		}
		if c.want--; c.want == 0 {
			c.done.Done()
		}
	}
}

// BenchmarkJoinStorm lets everybody join their rooms at the same time. One
// operation is one stanza delivered to one client.
func BenchmarkJoinStorm(b *testing.B) {
	for _, size := range []struct{ rooms, people int }{{81, 40}, {1, 321}} {
		b.Run(fmt.Sprintf("%dx%d", size.rooms, size.people), func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for ; n < b.N; n += size.rooms * size.people * (size.people + 2) {
				b.StopTimer()
				joinStorm(b, size.rooms, size.people)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/delivery")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// joinStorm runs one storm; the timer runs only from the first join to the
// last delivery.
func joinStorm(b *testing.B, rooms, people int) {
	s := newTestServer(b, nil)
	f, err := s.Attach(xmpp.JID{Local: "focus", Domain: "auth." + testDomain, Resource: "focus"}, func([]byte) {})
	if err != nil {
		b.Fatal(err)
	}
	var done sync.WaitGroup
	var clients []*stormClient
	var joins [][]byte
	for i := range rooms {
		room := fmt.Sprintf("room%d@conference.%s/", i, testDomain)
		_ = f.Send([]byte(`<presence to="` + room + `focus"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
		for range people {
			c := stormLogin(b, s)
			c.want, c.done = people+2, &done // everybody, the focus, the subject
			done.Add(1)
			clients = append(clients, c)
			text := `<presence xmlns="jabber:client" to="` + room + c.jid.Local[:8] + `"><x xmlns="http://jabber.org/protocol/muc"/>` + presenceChildren + `</presence>`
			joins = append(joins, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text)))))
			go c.read()
		}
	}
	b.StartTimer()
	for i, c := range clients {
		go func() { _, _ = c.nc.Write(joins[i]) }()
	}
	done.Wait()
	b.StopTimer()
	for _, c := range clients {
		_ = c.nc.Close()
	}
}

// receiver is a session whose batches the test takes instead of the flusher, and
// its connection.
func receiver(t testing.TB) (*session, *conn) {
	s := newTestServer(t, nil)
	c := &conn{srv: s, writing: true, timer: time.AfterFunc(time.Hour, func() {})}
	return newSession(s, c, xmpp.JID{Local: newUUID(), Domain: testDomain, Resource: newResource()}), c
}

// TestDeliverAllocatesNothing: the last step of a room's fan-out, and what puts it
// on the wire, with and without XEP-0198, however many stanzas wait each time.
func TestDeliverAllocatesNothing(t *testing.T) {
	for _, tc := range []struct {
		waiting int
		managed bool
	}{{1, false}, {40, false}, {1, true}, {40, true}, {321, true}} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			ses, c := receiver(t)
			if tc.managed {
				ses.manage(nil)
			}
			presences := occupants(tc.waiting)
			buf, sent := make([]byte, 0, 2*maxBatch), uint32(0)
			allocs.None(t, allocs.Many/10, func() {
				for _, sh := range presences {
					ses.Deliver(sh)
				}
				for c.writing {
					buf = ses.batch(c, buf[:0], maxBatch)
				}
				c.writing = true // the flusher has it again
				if sent += uint32(len(presences)); !tc.managed {
					return
				}
				if err := ses.acked(sent); err != nil {
					t.Fatal(err)
				}
			})
			if n := ses.out.waiting(); n != 0 {
				t.Errorf("%d still wait", n)
			}
		})
	}
}

// BenchmarkDeliver is what a room pays for one recipient, and what its writer
// pays to put it on the wire, when so many stanzas go at once.
func BenchmarkDeliver(b *testing.B) {
	for _, waiting := range []int{1, 12, 40, 321} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) { deliver(b, waiting) })
	}
}

func deliver(b *testing.B, waiting int) {
	ses, c := receiver(b)
	st, err := xmpp.Scan([]byte(`<presence to="x"><x xmlns="http://jabber.org/protocol/muc"/>` + presenceChildren + `</presence>`))
	if err != nil {
		b.Fatal(err)
	}
	presences := occupants(waiting)
	for _, sh := range presences {
		shared := st.Share(sh.Replaces)
		shared.Replaces = sh.Replaces
		*sh = *shared
	}
	buf := make([]byte, 0, 2*maxBatch)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		ses.Deliver(presences[n%waiting])
		if n%waiting == waiting-1 {
			for !ses.out.empty() {
				buf = ses.batch(c, buf[:0], maxBatch)
			}
		}
	}
	_, _ = io.Discard.Write(buf)
}
