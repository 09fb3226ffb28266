package muc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
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
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchTold(b, "change of presence", n) })
	}
}

func BenchmarkGroupchat(b *testing.B) { benchTold(b, "message", 40) }

func BenchmarkRelayIQ(b *testing.B) { benchTold(b, "IQ for one", 40) }

// told are the ways in which a room tells its people something.
var told = map[string]func(b *benchRoom) (step func()){
	"change of presence": func(b *benchRoom) func() {
		return func() { b.r.Presence(t0, b.sinks[1], b.updates[1]) }
	},
	"message": func(b *benchRoom) func() {
		st := scan(`<message id="5f3a" type="groupchat" to="` + roomJID + `"><body>Hello everybody</body></message>`)
		return func() { b.r.Message(t0, b.sinks[1], st) }
	},
	"IQ for one": func(b *benchRoom) func() {
		st := scan(`<iq id="5f3a" type="set" to="` + roomJID + `/00000001"><jingle xmlns="urn:xmpp:jingle:1" action="session-info" sid="a"/></iq>`)
		return func() { b.r.IQ(t0, b.sinks[1], st) }
	},
	"service": func(b *benchRoom) func() {
		sh := JSONMessage(mustJID("x.example"), "", []byte("{}"))
		return func() { b.r.Broadcast(sh) }
	},
}

// benchTold measures one of them, and how often it allocates for each of those
// who are there beyond the third.
func benchTold(b *testing.B, name string, people int) {
	few, many := allocations(3, told[name]), allocations(people, told[name])
	room := newBenchRoom(people)
	room.join()
	step := told[name](room)
	room.delivered = 0
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	room.report(b)
	b.ReportMetric(float64(many-few)/toldTimes/float64(people-3), "allocs/delivery")
}

const toldTimes = 1000

// allocations is how often it allocates to tell so many people toldTimes
// something, at the least of three measurements: the least is what the room does.
func allocations(people int, what func(*benchRoom) func()) int {
	b := newBenchRoom(people)
	b.join()
	step := what(b)
	least := math.MaxInt
	for range 3 {
		n, _ := allocs.Of(toldTimes, step)
		least = min(least, int(n))
	}
	return least
}

// What a room tells costs memory for the one who changed something, never for
// those who are told.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	const spare = 20 // of 37,000 and more deliveries: it is others who allocate these
	most := map[string]int{"change of presence": 5, "message": 8, "IQ for one": 4, "service": 0}
	for name, what := range told {
		few, many := allocations(3, what), allocations(40, what)
		if many > few+spare || many > most[name]*toldTimes*11/10+spare {
			t.Errorf("%s, %d times: %d allocations among 3, %d among 40", name, toldTimes, few, many)
		}
	}
	join := func(b *benchRoom) func() {
		last := len(b.sinks) - 1
		return func() {
			b.r.Gone(t0, b.sinks[last], "")
			b.r.Presence(t0, b.sinks[last], b.joins[last])
		}
	}
	few, many := allocations(3, join), allocations(300, join)
	if many-few > 2*toldTimes || many > 50*toldTimes { // the books of a larger room may grow
		t.Errorf("joining and going %d times: %d allocations among 3, %d among 300", toldTimes, few, many)
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
