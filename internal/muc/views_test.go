package muc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// The slow twin of a room: every client draws its own picture of the room from
// the stanzas it is sent, and after each step all pictures must be the room.

type seen struct{ role, aff, ext string }

// viewer is a client that watches the room.
type viewer struct {
	jid    xmpp.JID
	nick   string
	r      *Room
	fault  func(string, ...any)
	inside bool
	others map[string]seen // by nick, itself included
}

func (v *viewer) JID() xmpp.JID { return v.jid }

func (v *viewer) Deliver(sh *xmpp.Shared) {
	b := sh.AppendTo(nil, string(xmpp.EscapeAttr(nil, v.jid.String())))
	st, err := xmpp.Scan(b)
	if err != nil {
		v.fault("%s was sent broken XML: %s", v.nick, b)
		return
	}
	from, err := xmpp.ParseJID(st.From)
	if err != nil || from.Bare() != v.r.JID() {
		v.fault("%s was sent a stanza from %q", v.nick, st.From)
	}
	if st.To != v.jid.String() {
		v.fault("%s was sent a stanza to %q", v.nick, st.To)
	}
	if st.Kind == xmpp.Presence {
		v.presence(&st, from.Resource)
	} else if _, body := st.Child("body", xmpp.NSClient); body && !v.inside && st.Type == "groupchat" {
		v.fault("%s hears what is said in a room it is not in", v.nick)
	}
}

func (v *viewer) presence(st *xmpp.Stanza, nick string) {
	x, _ := st.First()
	if st.Type == "error" {
		if x.NS != xmpp.NSMUC {
			v.fault("error presence begins with %s", x.Raw)
		}
		return
	}
	item, ok := x.Child("item", xmpp.NSMUCUser)
	if x.NS != xmpp.NSMUCUser || !ok {
		v.fault("presence does not begin with muc#user: %s", st.Raw)
		return
	}
	self := false
	for c := range x.Children() {
		self = self || c.Name == "status" && c.AttrOr("code", "") == "110"
	}
	if o := v.r.OccupantByReal(v.jid); self && !v.inside && o != nil {
		v.nick = o.Nick() // a raw stanza may have asked for another
	}
	if self != (nick == v.nick) {
		v.fault("%s got presence of %s with 110=%t", v.nick, nick, self)
	}
	if st.Type == "unavailable" {
		v.gone(nick, self)
		return
	}
	v.others[nick] = seen{item.AttrOr("role", ""), item.AttrOr("affiliation", ""), string(st.Inner[len(x.Raw):])}
	if self && !v.inside {
		v.inside = true
		v.compare("on joining")
	}
}

func (v *viewer) gone(nick string, self bool) {
	if self {
		v.inside = false
		clear(v.others)
		return
	}
	if _, known := v.others[nick]; !known {
		v.fault("%s is told that %s left, whom it never saw", v.nick, nick)
	}
	delete(v.others, nick)
}

// compare checks the picture against the room.
func (v *viewer) compare(when string) {
	o := v.r.OccupantByReal(v.jid)
	if (o != nil) != v.inside {
		v.fault("%s: %s thinks inside=%t", when, v.nick, v.inside)
	}
	if o == nil {
		return
	}
	if len(v.others) != v.r.Len() {
		v.fault("%s: %s sees %d of %d occupants", when, v.nick, len(v.others), v.r.Len())
	}
	for _, other := range v.r.Occupants() {
		got := v.others[other.Nick()]
		want := seen{other.Role().String(), other.Affiliation().String(), string(other.ext)}
		if quiet := []string{"none", "member"}; slices.Contains(quiet, got.aff) && slices.Contains(quiet, want.aff) {
			got.aff = want.aff // see bulkItems
		}
		if got != want {
			v.fault("%s: %s sees %s as %+v, but it is %+v", when, v.nick, other.Nick(), got, want)
		}
	}
}

// crowd is a room with viewers, driven by numbers.
type crowd struct {
	r     *Room
	all   []*viewer
	fault func(string, ...any)
	next  func(n int) int // a choice below n
	raw   func() []byte   // XML out of nowhere, may be nil
}

func newCrowd(fault func(string, ...any), next func(int) int) *crowd {
	c := &crowd{fault: fault, next: next}
	c.r = New(Config{
		JID: mustJID(roomJID), FocusJID: mustJID("focus@auth.example"),
		Limits: Limits{
			Occupants: 6, QueuedJoins: 4, QueuedBytes: 300, PresenceBytes: 300, MessageBytes: 300,
			HistoryMessages: 4, HistoryBytes: 900, SubjectBytes: 20, PasswordBytes: 8, Affiliations: 5,
		},
	})
	c.add("focus@auth.example/focus", "focus")
	for i := range 8 {
		n := strings.Repeat(string(rune('a'+i)), 8)
		c.add(n+"-4e5f@example/r", n)
	}
	c.add("aaaaaaaa-4e5f@example/second", "aaaaaaaa")
	return c
}

func (c *crowd) add(jid, nick string) {
	c.all = append(c.all, &viewer{jid: mustJID(jid), nick: nick, r: c.r, fault: c.fault, others: map[string]seen{}})
}

// steps are what may happen; %n is a nick, %b a bare JID, %x an extension, %a
// an affiliation.
var steps = []string{
	`<presence to='$R/$ME'><x xmlns='http://jabber.org/protocol/muc'/>%x%x</presence>`,
	`<presence to='$R/$ME'><x xmlns='http://jabber.org/protocol/muc'><password>pw</password><history maxstanzas='1'/></x></presence>`,
	`<presence to='$R/$ME'>%x%x%x</presence>`,
	`<presence to='$R/$ME' xmlns:p='urn:p'><p:a/>%x</presence>`,
	`<presence to='$R/%n'/>`,
	`<presence type='unavailable' to='$R/$ME'>%x</presence>`,
	`<message type='groupchat' id='m' to='$R'><body>hello</body>%x</message>`,
	`<message type='groupchat' to='$R'>%x%x</message>`,
	`<message type='groupchat' to='$R'><subject>about %n</subject></message>`,
	`<message type='chat' to='$R/%n'>%x<body>psst</body></message>`,
	`<iq type='set' id='i' to='$R/%n'><query xmlns='urn:x'>%x</query></iq>`,
	`<iq type='result' id='i' to='$R/%n'/>`,
	`<iq type='set' id='a' to='$R'><query xmlns='http://jabber.org/protocol/muc#admin'><item jid='%b' affiliation='%a'/></query></iq>`,
	`<iq type='set' id='b' to='$R'><query xmlns='http://jabber.org/protocol/muc#admin'><item nick='%n' affiliation='%a'/><item nick='%n' role='participant'/></query></iq>`,
	`<iq type='set' id='k' to='$R'><query xmlns='http://jabber.org/protocol/muc#admin'><item nick='%n' role='none'><reason>%n</reason></item></query></iq>`,
	`<iq type='set' id='r' to='$R'><query xmlns='http://jabber.org/protocol/muc#admin'><item nick='%n' role='moderator'/></query></iq>`,
	`<iq type='set' id='c' to='$R'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_roomsecret'><value>pw</value></field></x></query></iq>`,
	`<iq type='set' id='c' to='$R'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_passwordprotectedroom'><value>0</value></field><field var='muc#roomconfig_membersonly'><value>%1</value></field></x></query></iq>`,
	`<iq type='get' id='d' to='$R'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
	`<iq type='get' id='d' to='$R'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>`,
	`<iq type='get' id='d' to='$R'><query xmlns='http://jabber.org/protocol/muc#owner'/></iq>`,
	`<iq type='get' id='d' to='$R'><query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='%a'/></query></iq>`,
	"bulk", "gone", "gone", "raw", "raw",
}

var extensions = []string{
	"", "<a/>", "<status>x</status>", "<nick xmlns='http://jabber.org/protocol/nick'>N</nick>", "<reply to='1'/>",
	"<x xmlns='http://jabber.org/protocol/muc#user'><item role='none'/></x>", "<delay/>", "<json-message/>",
	"<x:x xmlns:x='http://jabber.org/protocol/muc#user'/>", "<identity/>", "<big>" + strings.Repeat("b", 120) + "</big>",
	"text", "<![CDATA[<x>]]>", "<q xmlns:r='u' r:s='t'>&amp;</q>",
}

func (c *crowd) step() {
	v := c.all[c.next(len(c.all))]
	switch s := steps[c.next(len(steps))]; s {
	case "gone":
		c.r.Gone(t0, v, "gone")
		v.inside = false
		clear(v.others)
	case "raw":
		if c.raw != nil {
			c.feed(v, c.raw())
		}
	case "bulk":
		items := ""
		for _, o := range c.all {
			items += "<item affiliation='member' jid='" + o.jid.Bare().String() + "'/>"
		}
		items = strings.Replace(items, "<item affiliation='member' jid='focus@auth.example'/>", "", 1)
		c.feed(v, []byte(`<iq type='set' id='m' to='`+roomJID+`'><query xmlns='http://jabber.org/protocol/muc#admin'>`+items+`</query></iq>`))
	default:
		c.feed(v, []byte(c.fill(s, v)))
	}
}

func (c *crowd) fill(s string, v *viewer) string {
	s = strings.NewReplacer("$R", roomJID, "$ME", v.nick).Replace(s)
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			return s
		}
		other := c.all[c.next(len(c.all))]
		var with string
		switch s[i+1] {
		case 'n':
			with = other.nick
		case 'b':
			with = other.jid.Bare().String()
		case 'x':
			with = extensions[c.next(len(extensions))]
		case 'a':
			with = Affiliation(c.next(5) - 1).String()
		case '1':
			with = string(rune('0' + c.next(2)))
		}
		s = s[:i] + with + s[i+2:]
	}
}

func (c *crowd) feed(v *viewer, frame []byte) {
	st, err := xmpp.Scan(slices.Clone(frame))
	if err != nil {
		return
	}
	switch st.Kind {
	case xmpp.Presence:
		c.r.Presence(t0, v, st)
	case xmpp.Message:
		c.r.Message(t0, v, st)
	case xmpp.IQ:
		c.r.IQ(t0, v, st)
	}
}

// check compares all pictures and the room's own books.
func (c *crowd) check(when string) {
	for _, v := range c.all {
		v.compare(when)
	}
	r, l := c.r, c.r.limits
	exempt, waiting, kept := 0, 0, 0
	for _, o := range r.order {
		if r.byNick[o.nick] != o || r.byReal[o.real] != o || o.gone {
			c.fault("%s: the books about %s disagree", when, o.nick)
		}
		if o.trusted {
			exempt++
		}
	}
	for _, j := range r.queue {
		waiting += j.size()
	}
	for _, e := range r.history.entries {
		kept += e.size()
	}
	if len(r.byNick) != len(r.order) || len(r.byReal) != len(r.order) || exempt != r.exempt || waiting != r.queued || kept != r.history.bytes {
		c.fault("%s: books: %d nicks, %d sessions, %d occupants, %d/%d exempt, %d/%d queued, %d/%d kept",
			when, len(r.byNick), len(r.byReal), len(r.order), r.exempt, exempt, r.queued, waiting, r.history.bytes, kept)
	}
	if len(r.order)-exempt > l.Occupants || len(r.queue) > l.QueuedJoins || waiting > l.QueuedBytes ||
		len(r.history.entries) > l.HistoryMessages || kept > l.HistoryBytes || len(r.affiliations) > l.Affiliations ||
		len(r.subject.text) > l.SubjectBytes || len(r.password) > l.PasswordBytes {
		c.fault("%s: a limit is broken: %+v", when, r.State())
	}
}

func TestEverybodySeesTheRoom(t *testing.T) {
	occupants := 0
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		c := newCrowd(func(format string, args ...any) { t.Fatalf("seed %d: "+format, append([]any{seed}, args...)...) }, rnd.IntN)
		c.feed(c.all[0], []byte(c.fill(steps[0], c.all[0])))
		for i := range 300 {
			c.step()
			c.check(fmt.Sprintf("step %d", i))
			if c.r.Len() > 0 && i == 20 { // somebody should be able to do things
				c.r.SetAffiliation(c.r.Occupants()[c.r.Len()-1].Real().Bare(), Owner, nil, "")
			}
			if c.r.closed && c.r.Empty() {
				break
			}
			occupants = max(occupants, c.r.Len())
		}
	}
	if occupants < 6 {
		t.Errorf("at most %d occupants were ever in a room: the test is blind", occupants)
	}
}

// FuzzRoom drives a room with arbitrary choices and, among them, arbitrary
// stanzas.
func FuzzRoom(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x00\x01\x00\x02\x00"), []byte(`<presence to="daily@conference.example/aaaaaaaa"><x xmlns="http://jabber.org/protocol/muc"/></presence>`))
	f.Add([]byte("\x00\x00\x01\x00\x01\x19"), []byte(`<message xmlns:p="u" to="daily@conference.example" type="groupchat"><p:body/><body/></message>`))
	f.Add([]byte("\x00\x00\x00\x19"), []byte(`<iq id="1" to="daily@conference.example" type="set"><query xmlns="http://jabber.org/protocol/muc#owner"><destroy jid="x@y"/></query></iq>`))
	f.Add([]byte("\x00\x00\x01\x00\x01\x19\x02\x00"), []byte(`<presence to="daily@conference.example/aaaaaaaa" type="unavailable"><a b='>'/></presence>`))
	f.Fuzz(func(t *testing.T, choices, raw []byte) {
		at := 0
		c := newCrowd(t.Fatalf, func(n int) int {
			if at++; at > len(choices) {
				return 0
			}
			return int(choices[at-1]) % n
		})
		c.raw = func() []byte { return raw }
		for i := 0; at < len(choices) && i < 60; i++ {
			c.step()
			c.check(fmt.Sprintf("step %d", i))
		}
	})
}
