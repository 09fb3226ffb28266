package muc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

func TestHooksRunAtTheirStages(t *testing.T) {
	var log []string
	say := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	r := newRoom(t, func(c *Config) {
		c.Hooks = Chain(Hooks{
			PreJoin: func(r *Room, j *Join) *xmpp.StanzaError {
				say("prejoin %s %s pw=%q focus=%t", j.Nick, j.Affiliation, j.Password, j.IsFocus())
				if el, ok := j.Extension("refuse", ""); ok {
					return &xmpp.StanzaError{Type: "cancel", Condition: "not-allowed", Extra: el.Raw}
				}
				return nil
			},
			BeforeSelfPresence: func(r *Room, o *Occupant) { say("before-self %s of %d", o.Nick(), r.Len()) },
			Joined:             func(r *Room, o *Occupant) { say("joined %s", o.Nick()) },
			Updated:            func(r *Room, o *Occupant) { say("updated %s %q", o.Nick(), o.DisplayName()) },
			Left: func(r *Room, o *Occupant, why LeaveReason) {
				say("left %s %s present=%t of %d", o.Nick(), why, o.Present(), r.Len())
			},
			RoleChanged: func(r *Room, o *Occupant, was Standing) {
				say("role %s %s/%s was %s/%s", o.Nick(), o.Role(), o.Affiliation(), was.Role, was.Affiliation)
			},
			ConfigChanged: func(r *Room, by *Occupant, c Change) { say("config %+v by %s", c, nickOr(by)) },
			Closed:        func(r *Room) { say("closed empty=%t", r.Empty()) },
		}, Hooks{Joined: func(r *Room, o *Occupant) { say("joined again %s", o.Nick()) }})
	})
	f, a, b := r.focus(), r.user("aaaaaaaa"), r.user("bbbbbbbb")
	r.join(f, "")
	r.join(a, "")
	r.join(b, "<refuse xmlns='urn:x'/>")
	r.send(a, "<presence to='$R/aaaaaaaa'><nick xmlns='http://jabber.org/protocol/nick'>A &lt;</nick></presence>")
	r.SetAffiliation(a.jid, Owner, nil, "")
	pw := "secret"
	if _, err := r.Configure(r.OccupantByReal(a.jid), Settings{Password: &pw}); err != nil {
		t.Fatal(err)
	}
	r.Kick(r.OccupantByNick("aaaaaaaa"), nil, "")
	r.Gone(r.now, f, "")
	want := []string{
		`prejoin focus owner pw="" focus=true`, "before-self focus of 1", "joined focus", "joined again focus",
		`prejoin aaaaaaaa none pw="" focus=false`, "before-self aaaaaaaa of 2", "joined aaaaaaaa", "joined again aaaaaaaa",
		`prejoin bbbbbbbb none pw="" focus=false`,
		`updated aaaaaaaa "A <"`, "role aaaaaaaa moderator/owner was participant/none",
		"config {Password:true MembersOnly:false} by aaaaaaaa",
		"left aaaaaaaa kicked present=false of 1", "left focus gone present=false of 0", "closed empty=true",
	}
	if !slices.Equal(log, want) {
		t.Errorf("hooks said\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
	}
	got := b.take()
	if len(got) != 1 || !strings.Contains(got[0], "<not-allowed xmlns='stanzas'/><refuse xmlns='urn:x'/></error>") {
		t.Errorf("refused joiner got %q", got)
	}
}

func TestPreJoinMayRaiseAndAdmit(t *testing.T) {
	r, _ := meeting(t, func(c *Config) {
		c.Hooks.PreJoin = func(r *Room, j *Join) *xmpp.StanzaError {
			switch j.Nick {
			case "cccccccc":
				j.Affiliation = Owner
			case "dddddddd":
				j.Admitted = true
			}
			return nil
		}
	}, "aaaaaaaa")
	on, pw := true, "pw"
	r.Configure(nil, Settings{MembersOnly: &on, Password: &pw})
	for nick, in := range map[string]bool{"bbbbbbbb": false, "cccccccc": false, "dddddddd": true} {
		r.join(r.user(nick), "")
		if (r.OccupantByNick(nick) != nil) != in {
			t.Errorf("%s in the room: %t, want %t", nick, !in, in)
		}
	}
	if r.AffiliationOf(mustJID("cccccccc-4e5f@example")) != None {
		t.Error("somebody who was refused has an affiliation all the same")
	}
	pw = ""
	r.Configure(nil, Settings{Password: &pw})
	r.join(r.user("cccccccc"), "")
	if o := r.OccupantByNick("cccccccc"); o == nil || o.Role() != Moderator {
		t.Error("an owner by hook did not become moderator")
	}
}

func TestServerChildrenAndRefresh(t *testing.T) {
	name := "one"
	r, all := meeting(t, func(c *Config) {
		c.Hooks.PresenceChildren = func(r *Room, o *Occupant, w *xmpp.Writer) { w.Elem("identity", name) }
		c.Hooks.SelfChildren = func(r *Room, o *Occupant, w *xmpp.Writer) {
			w.Empty("permissions", "xmlns", xmpp.NSJitmeet)
		}
	}, "aaaaaaaa")
	f, a := all[0], all[1]
	r.send(a, "<presence to='$R/aaaaaaaa'><identity>forged</identity><silent/></presence>")
	item := `<x xmlns='muc#user'><item affiliation='owner' role='moderator' jid='aaaaaaaa-4e5f@example/r'/>`
	f.want(t, `<presence from='$R/aaaaaaaa'>`+item+`</x><silent/><identity>one</identity></presence>`)
	a.want(t, `<presence from='$R/aaaaaaaa'>`+item+`<status code='110'/></x><silent/><identity>one</identity><permissions xmlns='jitmeet'/></presence>`)
	name = "two"
	r.Refresh(r.OccupantByNick("aaaaaaaa"))
	f.want(t, `<presence from='$R/aaaaaaaa'>`+item+`</x><silent/><identity>two</identity></presence>`)
}

func TestInboundHooks(t *testing.T) {
	r, all := meeting(t, func(c *Config) {
		c.Hooks.Message = func(r *Room, in *Inbound) (bool, *xmpp.StanzaError) {
			_, eat := in.Stanza.Child("eat", "")
			if _, no := in.Stanza.Child("no", ""); no {
				return false, errForbidden
			}
			return eat, nil
		}
		c.Hooks.IQ = func(r *Room, in *Inbound) (bool, *xmpp.StanzaError) {
			if _, mine := in.Stanza.Child("mine", ""); mine {
				in.Reply([]byte("<ok/>"))
				return true, nil
			}
			return false, nil
		}
	}, "aaaaaaaa", "bbbbbbbb")
	a, b := all[1], all[2]
	r.send(a, "<message to='$R' type='groupchat'><eat/></message>")
	r.send(a, "<message to='$R/bbbbbbbb' type='chat'><eat/></message>")
	r.send(a, "<message to='$R'><eat/></message>")
	r.send(a, "<iq id='1' type='get' to='$R/bbbbbbbb'><mine/></iq>")
	r.send(a, "<iq id='2' type='get' to='$R'><mine/></iq>")
	b.want(t)
	a.want(t, `<iq from='$R/bbbbbbbb' type='result' id='1'><ok/></iq>`, `<iq from='$R' type='result' id='2'><ok/></iq>`)
	r.send(a, "<message id='3' to='$R' type='groupchat'><no/></message>")
	b.want(t)
	a.want(t, `<message from='$R' type='error' id='3'><error type='auth'><forbidden xmlns='stanzas'/></error></message>`)
}

// A service may throw somebody out while that somebody is still joining, or
// end the room while the queue is replayed.
func TestHooksMayEndThings(t *testing.T) {
	r := newRoom(t, func(c *Config) {
		c.Hooks.Joined = func(r *Room, o *Occupant) {
			switch o.Nick() {
			case "aaaaaaaa":
				r.Kick(o, nil, "no")
			case "bbbbbbbb":
				r.Destroy(xmpp.JID{}, "enough")
			}
		}
	})
	for _, n := range []string{"aaaaaaaa", "bbbbbbbb", "cccccccc"} {
		r.join(r.user(n), "")
	}
	r.join(r.focus(), "")
	if !r.Destroyed() || !r.Empty() || r.Len() != 0 {
		t.Errorf("destroyed=%t empty=%t", r.Destroyed(), r.Empty())
	}
	c := r.all[2].take()
	if len(c) != 1 || !strings.Contains(c[0], RoomCreationRestricted.Text) {
		t.Errorf("who waited behind got %q", c)
	}
}

func TestLimits(t *testing.T) {
	small := func(c *Config) {
		c.Limits = Limits{PresenceBytes: 100, MessageBytes: 100, SubjectBytes: 10, PasswordBytes: 10, ReasonBytes: 9, Affiliations: 3, AdminItems: 2}
	}
	r, all := meeting(t, small, "aaaaaaaa", "bbbbbbbb")
	a, b := all[1], all[2]
	long := strings.Repeat("x", 101)
	type answer struct{ send, err string }
	for _, c := range []answer{
		{"<presence id='1' to='$R/aaaaaaaa'><a>" + long + "</a></presence>", "modify'><policy-violation"},
		{"<message id='2' type='groupchat' to='$R'><body>" + long + "</body></message>", "modify'><policy-violation"},
		{"<message id='3' type='groupchat' to='$R'><subject>01234567890</subject></message>", "modify'><not-acceptable"},
		{"<iq id='4' type='set' to='$R'><query xmlns='muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" + formConfig + "</value></field><field var='" + fieldSecret + "'><value>01234567890</value></field></x></query></iq>", "modify'><not-acceptable"},
		{"<iq id='5' type='set' to='$R'><query xmlns='muc#admin'><item jid='1@e' affiliation='none'/><item jid='2@e' affiliation='none'/><item jid='3@e' affiliation='none'/></query></iq>", "modify'><policy-violation"},
	} {
		r.send(a, c.send)
		got := a.take()
		if len(got) != 1 || !strings.Contains(got[0], "<error type='"+c.err) {
			t.Errorf("%.60s: got %q, want one %s", c.send, got, c.err)
		}
		b.want(t)
	}
	if r.Locked() || r.Subject() != "" {
		t.Error("a refused change was made")
	}
	r.send(a, "<presence type='unavailable' to='$R/aaaaaaaa'><a>"+long+"</a></presence>")
	if got := b.take(); len(got) != 1 || strings.Contains(got[0], long) {
		t.Errorf("a leave too large for the room looks like %q", got)
	}
	r.Kick(r.OccupantByNick("bbbbbbbb"), nil, "12345678é")
	if got := b.take(); !strings.Contains(got[0], "<reason>12345678</reason>") {
		t.Errorf("reason not cut between characters: %q", got)
	}
}

// People who left make room in the list for others, those who are here and
// those who are banned do not.
func TestAffiliationListIsBounded(t *testing.T) {
	r, _ := meeting(t, func(c *Config) { c.Limits.Affiliations = 3 }, "aaaaaaaa")
	jid := func(s string) xmpp.JID { return mustJID(s + "@e") }
	for _, s := range []string{"one", "two", "three", "four"} {
		if err := r.SetAffiliation(jid(s), Member, nil, ""); err != nil {
			t.Fatal(s, err)
		}
	}
	if r.AffiliationOf(jid("two")) != None || r.AffiliationOf(jid("four")) != Member || r.State().Affiliations != 3 {
		t.Error("the oldest absent entry did not go")
	}
	for _, s := range []string{"three", "four"} {
		if err := r.SetAffiliation(jid(s), Outcast, nil, ""); err != nil {
			t.Fatal(s, err)
		}
	}
	if err := r.SetAffiliation(jid("five"), Member, nil, ""); err != errListFull {
		t.Error("list of people who must stay in it took one more:", err)
	}
	if r.OccupantByNick("aaaaaaaa").Affiliation() != Owner || r.AffiliationOf(jid("three")) != Outcast {
		t.Error("somebody lost what could not be lost")
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	r := newRoom(t, func(c *Config) { c.Limits.QueuedBytes = 250 })
	pad := "<a>" + strings.Repeat("x", 93) + "</a>" // 100 bytes
	a, b, c := r.user("aaaaaaaa"), r.user("bbbbbbbb"), r.user("cccccccc")
	r.join(a, pad)
	r.join(b, pad)
	r.join(c, pad)
	if len(c.take()) != 1 || r.State().WaitingBytes != 200 {
		t.Error("a third join of 100 bytes fits into 250")
	}
	r.join(a, "") // smaller now
	r.join(c, pad)
	if len(c.take()) != 0 || r.State().WaitingBytes != 200 {
		t.Errorf("bytes waiting: %d, want 200", r.State().WaitingBytes)
	}
	r.Gone(r.now, b, "")
	r.send(c, "<presence to='$R/cccccccc'/>")
	if r.State().WaitingBytes != 0 || r.Waiting() != 2 {
		t.Errorf("bytes waiting: %d, want 0", r.State().WaitingBytes)
	}
}

func TestHistory(t *testing.T) {
	r, all := meeting(t, func(c *Config) { c.Limits.HistoryMessages = 5; c.Limits.HistoryBytes = 1500 }, "aaaaaaaa")
	a := all[1]
	say := func(s string) {
		r.send(a, "<message type='groupchat' to='$R'><body>"+s+"</body></message>")
		r.now = r.now.Add(10 * time.Second)
	}
	for i := range 7 {
		say(fmt.Sprintf("m%d", i))
	}
	nick := 'b'
	ask := func(history string) string {
		nick++
		c := r.user(strings.Repeat(string(nick), 8))
		r.send(c, "<presence to='$R/"+c.nick+"'><x xmlns='muc'>"+history+"</x></presence>")
		var bodies []string
		for _, s := range c.take() {
			if _, rest, ok := strings.Cut(s, "<body>"); ok {
				body, _, _ := strings.Cut(rest, "</body>")
				bodies = append(bodies, body)
			}
		}
		r.Gone(r.now, c, "")
		return strings.Join(bodies, " ")
	}
	for history, want := range map[string]string{
		"":                                         "m2 m3 m4 m5 m6",
		"<history maxstanzas='2'/>":                "m5 m6",
		"<history maxstanzas='0'/>":                "",
		"<history maxchars='0'/>":                  "",
		"<history maxchars='500'/>":                "m5 m6",
		"<history seconds='25'/>":                  "m5 m6",
		"<history since='2026-03-01T10:00:50Z'/>":  "m5 m6",
		"<history since='nonsense' seconds='-1'/>": "m2 m3 m4 m5 m6",
	} {
		if got := ask(history); got != want {
			t.Errorf("%s brings %q, want %q", history, got, want)
		}
	}
	say(strings.Repeat("y", 700))
	if got := ask(""); !strings.HasPrefix(got, "m4 m5 m6 yyy") && !strings.HasPrefix(got, "m5 m6 yyy") {
		t.Errorf("history of 1500 bytes: %q", got)
	}
	if s := r.State(); s.HistoryBytes > 1500 {
		t.Errorf("history has %d bytes", s.HistoryBytes)
	}
	say(strings.Repeat("z", 1500))
	if strings.Contains(ask(""), "z") {
		t.Error("a message larger than the history is in it")
	}
}

// Presences of an occupant replace each other. Its leave replaces none: it must
// not overtake what the occupant said before. Nor do those of its successor
// under the same nick.
func TestReplaces(t *testing.T) {
	r, all := meeting(t, nil, "aaaaaaaa")
	f, a := all[0], all[1]
	r.send(a, "<presence to='$R/aaaaaaaa'/>")
	r.SetAffiliation(a.jid, Member, nil, "")
	r.send(a, "<presence type='unavailable' to='$R/aaaaaaaa'/>")
	r.join(a, "")
	var names []string
	for _, sh := range f.raw {
		names = append(names, sh.Replaces)
	}
	if len(names) != 4 || names[0] == "" || names[0] != names[1] || names[2] != "" || names[0] == names[3] {
		t.Errorf("names are %q", names)
	}
	if !strings.HasPrefix(names[0], roomJID+"/aaaaaaaa") {
		t.Errorf("a name is %q", names[0])
	}
	f.take()
	r.send(a, "<message type='groupchat' to='$R'><body>x</body></message>")
	if f.raw[0].Replaces != "" {
		t.Error("a message replaces something")
	}
}

// Everybody gets the very same bytes, and what an occupant shows is the same
// to its last update and to newcomers.
func TestFanOutSharesBytes(t *testing.T) {
	r, all := meeting(t, nil, "aaaaaaaa", "bbbbbbbb", "cccccccc")
	r.send(all[1], "<presence to='$R/aaaaaaaa'><a/></presence>")
	if all[0].raw[0] != all[2].raw[0] || all[2].raw[0] != all[3].raw[0] || all[1].raw[0] == all[0].raw[0] {
		t.Error("a presence was encoded more than twice")
	}
	shown := all[0].raw[0]
	d := r.user("dddddddd")
	r.join(d, "")
	if !slices.Contains(d.raw, shown) {
		t.Error("a newcomer's copy was encoded again")
	}
}

func TestUrgentAnswers(t *testing.T) {
	r, all := meeting(t, nil, "aaaaaaaa")
	a := all[1]
	r.send(a, "<iq id='1' type='get' to='$R/aaaaaaaa'><ping xmlns='urn:xmpp:ping'/></iq>")
	if !a.raw[0].Urgent {
		t.Error("a pong waits behind room traffic")
	}
}

// Enabling the lobby makes members of everybody with one request; only the
// user and moderators are told.
func TestBulkMembership(t *testing.T) {
	nicks := []string{"aaaaaaaa"}
	items := ""
	for i := range 12 {
		n := fmt.Sprintf("%08x", i)
		nicks = append(nicks, n)
		items += "<item affiliation='member' jid='" + n + "-4e5f@example'/>"
	}
	r, all := meeting(t, nil, nicks...)
	r.send(all[1], "<iq id='1' type='set' to='$R'><query xmlns='muc#admin'>"+items+"</query></iq>")
	for i, c := range all {
		want := 1 // of itself
		switch i {
		case 0:
			want = 12
		case 1:
			want = 13 // and the result
		}
		if got := len(c.take()); got != want {
			t.Errorf("%s got %d stanzas, want %d", c.nick, got, want)
		}
	}
	for _, o := range r.Occupants()[2:] {
		if o.Affiliation() != Member {
			t.Errorf("%s is %s", o.Nick(), o.Affiliation())
		}
	}
}

func TestStartedAt(t *testing.T) {
	r := newRoom(t, nil)
	r.join(r.focus(), "")
	if !r.StartedAt().IsZero() {
		t.Error("started with the focus alone")
	}
	r.now = r.now.Add(time.Minute)
	a := r.user("aaaaaaaa")
	r.join(a, "")
	start := r.StartedAt()
	if !start.Equal(r.now) {
		t.Errorf("started at %v", start)
	}
	r.Gone(r.now, a, "")
	r.now = r.now.Add(time.Minute)
	r.join(a, "")
	if !r.StartedAt().Equal(start) {
		t.Error("the conference began anew")
	}
}

// A session that was resumed is another Recipient of the same address.
func TestRecipientMayChange(t *testing.T) {
	r, all := meeting(t, nil, "aaaaaaaa")
	again := r.client(all[1].jid.String(), "aaaaaaaa")
	r.send(again, "<presence to='$R/aaaaaaaa'/>")
	if len(all[1].take()) != 0 || len(again.take()) != 1 || r.Len() != 2 {
		t.Error("the room talks to the old connection")
	}
}

func TestStateTellsNoSecrets(t *testing.T) {
	r, all := meeting(t, nil, "aaaaaaaa")
	pw := "hunter2secret"
	r.Configure(nil, Settings{Password: &pw})
	r.send(all[1], "<message type='groupchat' to='$R'><body>hunter2body</body></message>")
	r.send(all[1], "<presence to='$R/aaaaaaaa'><a>hunter2presence</a></presence>")
	s := r.State()
	if text := fmt.Sprintf("%+v", s); strings.Contains(text, "hunter2") {
		t.Error("the state says", text)
	}
	if !s.Locked || s.History != 1 || len(s.Occupants) != 2 || s.Occupants[1].PresenceBytes == 0 {
		t.Errorf("the state is %+v", s)
	}
}

func TestSetSubjectByServer(t *testing.T) {
	r, all := meeting(t, nil, "aaaaaaaa")
	r.SetSubject("Room <1>", nil)
	all[1].want(t, `<message from='$R' type='groupchat'><subject>Room &lt;1&gt;</subject></message>`)
}

func TestWireIsExplicit(t *testing.T) {
	r, all := meeting(t, nil, "aaaaaaaa")
	r.send(all[1], "<presence to='$R/aaaaaaaa'/>")
	b := all[0].raw[0].AppendTo(nil, "x@y/z")
	want := `<presence xmlns="jabber:client" from="daily@conference.example/aaaaaaaa" to="x@y/z"><x xmlns="http://jabber.org/protocol/muc#user"><item affiliation="owner" role="moderator" jid="aaaaaaaa-4e5f@example/r"/></x></presence>`
	if !bytes.Equal(b, []byte(want)) {
		t.Errorf("on the wire:\n%s\nwant\n%s", b, want)
	}
}

// An occupant's own copy of its presence shares the larger part with that of
// the others, and none takes more memory than it needs.
func TestPresencesShareMemory(t *testing.T) {
	r, all := meeting(t, nil, "aaaaaaaa", "bbbbbbbb")
	a, b := all[1], all[2]
	ext := "<nick xmlns='http://jabber.org/protocol/nick'>" + strings.Repeat("N", 700) + "</nick>"
	a.take()
	b.take()
	r.send(a, "<presence id='x' to='$R/aaaaaaaa'>"+ext+"</presence>")
	own, shown := a.raw[len(a.raw)-1], b.raw[len(b.raw)-1]
	if len(own.Rest) < 700 || &own.Rest[len(own.Rest)-1] != &shown.Tail[len(shown.Tail)-1] {
		t.Error("nothing is shared")
	}
	if got := string(own.AppendTo(nil, "x")); !strings.HasSuffix(got, `<status code="110"/></x>`+ext+"</presence>") || strings.Count(got, ext) != 1 {
		t.Error(got)
	}
	for name, tail := range map[string][]byte{"own": own.Tail, "shown": shown.Tail} {
		// One allocation, which the runtime rounds up by an eighth.
		if spare := cap(tail) - len(tail); spare > 100+len(tail)/8 {
			t.Errorf("%s: %d of %d bytes are not used", name, spare, cap(tail))
		}
	}
}
