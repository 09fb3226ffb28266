package muc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// The tests see a room as clients do: a client records, as text, every stanza
// it is sent, and want compares the record with what is written in the test.

var t0 = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

const (
	roomJID = "daily@conference.example"
)

type client struct {
	t    testing.TB
	jid  xmpp.JID
	nick string
	got  []string
	raw  []*xmpp.Shared
}

func (c *client) JID() xmpp.JID { return c.jid }

func (c *client) Deliver(sh *xmpp.Shared) {
	b := sh.AppendTo(nil, string(xmpp.EscapeAttr(nil, c.jid.String())))
	if _, err := xmpp.Scan(b); err != nil {
		c.t.Errorf("%s was sent broken XML (%v): %s", c.jid, err, b)
	}
	c.got = append(c.got, string(b))
	c.raw = append(c.raw, sh)
}

// take returns what came since the last take, shortened for reading: see
// brief.
func (c *client) take() []string {
	got := c.got
	c.got, c.raw = nil, nil
	for i := range got {
		got[i] = brief(got[i], c.jid.String())
	}
	return got
}

// brief makes a stanza readable: single quotes, short names for namespaces that
// are the same everywhere, nothing that is the same in every stanza to a client.
var shortNames = strings.NewReplacer(
	` xmlns='jabber:client'`, "", `'http://jabber.org/protocol/muc`, `'muc`,
	`'urn:ietf:params:xml:ns:xmpp-stanzas'`, `'stanzas'`, `'http://jitsi.org/jitmeet'`, `'jitmeet'`,
	`'http://jabber.org/protocol/disco`, `'disco`, `'daily@conference.example`, `'$R`,
)

func brief(s, to string) string {
	s = strings.Replace(s, ` to="`+string(xmpp.EscapeAttr(nil, to))+`"`, "", 1)
	return shortNames.Replace(strings.ReplaceAll(s, `"`, "'"))
}

func (c *client) want(t *testing.T, want ...string) {
	t.Helper()
	got := c.take()
	for i := 0; i < max(len(got), len(want)); i++ {
		g, w := "(nothing)", "(nothing)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("%s, stanza %d:\n got %s\nwant %s", c.nick, i, g, w)
		}
	}
}

// room is a Room with its clients.
type room struct {
	*Room
	t   testing.TB
	now time.Time
	all []*client
}

func newRoom(t testing.TB, change func(*Config)) *room {
	cfg := Config{
		JID: mustJID(roomJID), MeetingID: "meeting-1", Created: t0, FocusJID: mustJID("focus@auth.example"),
	}
	if change != nil {
		change(&cfg)
	}
	return &room{Room: New(cfg), t: t, now: t0}
}

func mustJID(s string) xmpp.JID {
	j, err := xmpp.ParseJID(s)
	if err != nil {
		panic(s)
	}
	return j
}

func (r *room) client(jid, nick string) *client {
	c := &client{t: r.t, jid: mustJID(jid), nick: nick}
	r.all = append(r.all, c)
	return c
}

func (r *room) focus() *client { return r.client("focus@auth.example/focus", "focus") }

// user makes a client whose address goes with its nick.
func (r *room) user(nick string) *client { return r.client(nick+"-4e5f@example/r", nick) }

// send gives the room one stanza, as XML with ' for ". $R stands for the room.
func (r *room) send(c *client, xml string) {
	r.t.Helper()
	xml = expand(xml)
	st, err := xmpp.Scan([]byte(xml))
	if err != nil {
		r.t.Fatalf("%v: %s", err, xml)
	}
	switch st.Kind {
	case xmpp.Presence:
		r.Presence(r.now, c, st)
	case xmpp.Message:
		r.Message(r.now, c, st)
	case xmpp.IQ:
		r.IQ(r.now, c, st)
	default:
		r.t.Fatalf("no stanza: %s", xml)
	}
}

// expand undoes what brief does, as far as it is unambiguous.
func expand(xml string) string {
	return strings.NewReplacer("$R", roomJID, "xmlns='muc", "xmlns='http://jabber.org/protocol/muc",
		"='disco#", "='http://jabber.org/protocol/disco#", "='jitmeet'", "='http://jitsi.org/jitmeet'").Replace(xml)
}

const mucX = `<x xmlns='http://jabber.org/protocol/muc'/>`

func (r *room) join(c *client, children string) {
	r.t.Helper()
	r.send(c, fmt.Sprintf(`<presence to='$R/%s'>%s%s</presence>`, c.nick, mucX, children))
}

// forget drops what everybody has received so far.
func (r *room) forget() {
	for _, c := range r.all {
		c.take()
	}
}

// meeting is a room with the focus and users, who have forgotten how they got
// there. The first user is owner.
func meeting(t testing.TB, change func(*Config), nicks ...string) (*room, []*client) {
	t.Helper()
	r := newRoom(t, change)
	r.join(r.focus(), "")
	for i, n := range nicks {
		c := r.user(n)
		r.join(c, "")
		if i == 0 {
			if err := r.SetAffiliation(c.jid, Owner, nil, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.forget()
	return r, r.all
}
