package muc

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// sink is a session that only counts.
type sink struct {
	jid       xmpp.JID
	delivered *int
}

func (s *sink) JID() xmpp.JID        { return s.jid }
func (s *sink) Deliver(*xmpp.Shared) { *s.delivered++ }

// typical is what a Jitsi client shows of itself: about 1.3 KB.
var typical = `<stats-id>Zoe-kX3</stats-id><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://jitsi.org/jitsi-meet" ver="WPcXa0Wj8+OmJvYPRwC5IVG5RZs="/>` +
	`<features><feature var="https://jitsi.org/meet/e2ee"/></features><SourceInfo>{"0a1b2c3d-a0":{"muted":false},"0a1b2c3d-v0":{"muted":true}}</SourceInfo>` +
	`<jitsi_participant_region>eu-1</jitsi_participant_region><jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList>` +
	`<nick xmlns="http://jabber.org/protocol/nick">Alice</nick>` +
	`<jitsi_participant_e2ee.idKey.ed25519>` + strings.Repeat("k", 600) + `</jitsi_participant_e2ee.idKey.ed25519>`

type benchRoom struct {
	r         *Room
	sinks     []*sink
	joins     []xmpp.Stanza
	updates   []xmpp.Stanza
	delivered int
}

func scan(s string) xmpp.Stanza {
	st, err := xmpp.Scan([]byte(s))
	if err != nil {
		panic(err)
	}
	return st
}

func newBenchRoom(n int) *benchRoom {
	b := &benchRoom{}
	b.user("focus@auth.example/focus", FocusNick)
	for i := range n - 1 {
		nick := fmt.Sprintf("%08x", i)
		b.user(nick+"-4e5f-4a6b-8c7d-9e0f1a2b3c4d@meet.example/Xk2", nick)
	}
	b.empty()
	return b
}

func (b *benchRoom) user(jid, nick string) {
	b.sinks = append(b.sinks, &sink{mustJID(jid), &b.delivered})
	at := fmt.Sprintf(`<presence xmlns="jabber:client" to="%s/%s">`, roomJID, nick)
	b.joins = append(b.joins, scan(at+`<x xmlns="http://jabber.org/protocol/muc"/>`+typical+`</presence>`))
	b.updates = append(b.updates, scan(at+typical+`</presence>`))
}

func (b *benchRoom) empty() {
	b.r = New(Config{JID: mustJID(roomJID), FocusJID: mustJID("focus@auth.example")})
}

func (b *benchRoom) join() {
	for i, s := range b.sinks {
		b.r.Presence(t0, s, b.joins[i])
	}
}

func (b *benchRoom) report(tb *testing.B) {
	tb.ReportMetric(float64(b.delivered)/float64(tb.N), "deliveries/op")
	tb.ReportMetric(float64(tb.Elapsed().Nanoseconds())/float64(b.delivered), "ns/delivery")
}

func BenchmarkJoinStorm(b *testing.B) {
	for _, n := range []int{40, 321} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			room := newBenchRoom(n)
			b.ReportAllocs()
			for b.Loop() {
				room.empty()
				room.join()
			}
			room.report(b)
		})
	}
}

func BenchmarkPresenceChange(b *testing.B) {
	for _, n := range []int{40, 321} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			room := newBenchRoom(n)
			room.join()
			room.delivered = 0
			b.ReportAllocs()
			for b.Loop() {
				room.r.Presence(t0, room.sinks[n/2], room.updates[n/2])
			}
			room.report(b)
		})
	}
}

func BenchmarkGroupchat(b *testing.B) {
	room := newBenchRoom(40)
	room.join()
	st := scan(`<message id="5f3a" type="groupchat" to="` + roomJID + `"><body>Hello everybody</body></message>`)
	b.ReportAllocs()
	for b.Loop() {
		room.r.Message(t0, room.sinks[7], st)
	}
}

func BenchmarkRelayIQ(b *testing.B) {
	room := newBenchRoom(40)
	room.join()
	st := scan(`<iq id="5f3a" type="set" to="` + roomJID + `/00000008"><jingle xmlns="urn:xmpp:jingle:1" action="session-info" sid="a"/></iq>`)
	b.ReportAllocs()
	for b.Loop() {
		room.r.IQ(t0, room.sinks[7], st)
	}
}

// What a room tells costs memory for the one who changed something, never for
// those who are told.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	change := func(n int) float64 {
		b := newBenchRoom(n)
		b.join()
		return testing.AllocsPerRun(50, func() { b.r.Presence(t0, b.sinks[1], b.updates[1]) })
	}
	few, many := change(3), change(300)
	if few != many || many > 10 {
		t.Errorf("a change of presence allocates %v times among 3, %v among 300", few, many)
	}
	join := func(n int) float64 {
		b := newBenchRoom(n + 1)
		b.join()
		last := b.sinks[n]
		b.r.Gone(t0, last, "")
		return testing.AllocsPerRun(50, func() {
			b.r.Presence(t0, last, b.joins[n])
			b.r.Gone(t0, last, "")
		})
	}
	few, many = join(3), join(300)
	if many-few > 2 || many > 50 { // the books of a larger room may grow
		t.Errorf("joining and going allocates %v times among 3, %v among 300", few, many)
	}
	b := newBenchRoom(300)
	b.join()
	sh := JSONMessage(mustJID("x.example"), "", []byte("{}"))
	if n := testing.AllocsPerRun(50, func() { b.r.Broadcast(sh) }); n != 0 {
		t.Errorf("a broadcast allocates %v times", n)
	}
}

// BenchmarkFullList is an owner who makes members of 4,000 strangers in a room
// whose list is full. One operation is one of them.
func BenchmarkFullList(b *testing.B) {
	r, _ := meeting(b, nil, "aaaaaaaa")
	b.ReportAllocs()
	for i := range b.N + r.limits.Affiliations {
		if i == r.limits.Affiliations {
			b.ResetTimer()
		}
		if err := r.SetAffiliation(xmpp.JID{Local: strconv.Itoa(i), Domain: "e"}, Member, nil, ""); err != nil {
			b.Fatal(err)
		}
	}
}
