package service_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/muc"
	"github.com/plenum-conf/plenum/internal/signal/service"
	"github.com/plenum-conf/plenum/internal/signal/service/metadata"
	"github.com/plenum-conf/plenum/internal/signal/service/speakerstats"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// recipient is somebody in a room; it keeps the JSON it receives.
type recipient struct {
	jid   xmpp.JID
	json  []string
	names []string // Shared.Replaces of each
}

func (r *recipient) JID() xmpp.JID { return r.jid }

func (r *recipient) Deliver(sh *xmpp.Shared) {
	st, err := xmpp.Scan(sh.AppendTo(nil, "x"))
	if err != nil {
		panic(err)
	}
	if el, ok := st.Child("json-message", xmpp.NSJitmeet); ok {
		r.json = append(r.json, el.Text())
		r.names = append(r.names, sh.Replaces)
	}
}

// world is a room with one service, a focus, a moderator and a guest.
type world struct {
	t          *testing.T
	now        time.Time
	part       service.Part
	room       *muc.Room
	focus      *recipient
	mod, guest *recipient
}

func newWorld(t *testing.T, f service.Feature) *world {
	w := &world{t: t, now: time.Unix(1000, 0)}
	room := xmpp.JID{Local: "daily", Domain: "conference.meet.example"}
	w.part = f.Open(service.Env{
		Address: xmpp.JID{Domain: f.Host + ".meet.example"}, Room: room,
		Now:      func() time.Time { return w.now },
		External: func() []service.External { return nil },
	})
	w.room = muc.New(muc.Config{JID: room, FocusJID: xmpp.JID{Local: "focus", Domain: "auth.meet.example"}, Hooks: w.part.Hooks})
	w.focus = w.join("focus@auth.meet.example/focus", "focus")
	w.mod = w.join("m@meet.example/r", "mod")
	st, _ := xmpp.Scan([]byte(`<iq type="set" id="1"><query xmlns="http://jabber.org/protocol/muc#admin"><item nick="mod" affiliation="owner"/></query></iq>`))
	st.To = room.String()
	w.room.IQ(w.now, w.focus, st)
	w.guest = w.join("g@meet.example/r", "guest")
	return w
}

func (w *world) join(jid, nick string) *recipient {
	j, _ := xmpp.ParseJID(jid)
	r := &recipient{jid: j}
	st, _ := xmpp.Scan([]byte(`<presence><x xmlns="http://jabber.org/protocol/muc"/><nick xmlns="http://jabber.org/protocol/nick">Name of ` + nick + `</nick></presence>`))
	st.From, st.To = jid, "daily@conference.meet.example/"+nick
	w.room.Presence(w.now, r, st)
	if w.room.OccupantByNick(nick) == nil {
		w.t.Fatal(nick, "was not let in")
	}
	return r
}

func (w *world) say(from *recipient, payload string) {
	st, err := xmpp.Scan([]byte(`<message>` + payload + `</message>`))
	if err != nil {
		w.t.Fatal(err)
	}
	if e := w.part.Message(w.room, w.room.OccupantByReal(from.jid), st); e != nil {
		w.t.Error(e)
	}
}

func (r *recipient) last() string {
	if len(r.json) == 0 {
		return ""
	}
	return r.json[len(r.json)-1]
}

func TestMetadataWriting(t *testing.T) {
	w := newWorld(t, metadata.Feature())
	set := func(from *recipient, body string) {
		w.say(from, `<room_metadata xmlns="http://jitsi.org/jitmeet" room="daily@conference.meet.example">`+body+`</room_metadata>`)
	}
	before := len(w.guest.json)
	for _, body := range []string{
		``, `{`, `[]`, `{"data":1}`, `{"key":"services","data":1}`, `{"key":"moderators","data":[]}`,
		`{"key":"` + strings.Repeat("k", metadata.MaxKey+1) + `","data":1}`,
		`{"key":"big","data":"` + strings.Repeat("x", metadata.MaxBytes) + `"}`,
		`{"key":"absent"}`,
	} {
		set(w.mod, body)
	}
	set(w.guest, `{"key":"a","data":1}`)
	if len(w.guest.json) != before {
		t.Fatal("told of", w.guest.last())
	}
	set(w.mod, `{"key":"a","data":{"b":[1,2]}}`)
	if got := w.guest.last(); got != `{"type":"room_metadata","metadata":{"a":{"b":[1,2]}}}` || w.focus.last() != got {
		t.Error(got)
	}
	told := len(w.guest.json)
	set(w.mod, `{"key":"a","data":{"b":[1,2]}}`)
	if len(w.guest.json) != told {
		t.Error("told of no change")
	}
	set(w.mod, `{"key":"a"}`)
	if got := w.guest.last(); got != `{"type":"room_metadata","metadata":{}}` {
		t.Error(got)
	}
	for i := range metadata.MaxKeys + 5 {
		set(w.mod, fmt.Sprintf(`{"key":"k%d","data":1}`, i))
	}
	var v struct{ Metadata map[string]int }
	if err := json.Unmarshal([]byte(w.guest.last()), &v); err != nil || len(v.Metadata) != metadata.MaxKeys {
		t.Error(len(v.Metadata), err)
	}
}

func TestSpeakerStats(t *testing.T) {
	w := newWorld(t, speakerstats.Feature())
	speaks := func(who *recipient, silent string) {
		w.say(who, `<speakerstats xmlns="http://jitsi.org/jitmeet" room="x" silence="`+silent+`"/>`)
	}
	if w.guest.last() != "" {
		t.Error("an empty table was sent")
	}
	speaks(w.mod, "false")
	w.now = w.now.Add(3 * time.Second)
	speaks(w.guest, "false")
	w.now = w.now.Add(2 * time.Second)
	speaks(w.guest, "true")
	w.now = w.now.Add(time.Minute)
	for i := range speakerstats.MaxFaces + 3 {
		w.say(w.guest, fmt.Sprintf(`<faceLandmarks xmlns="http://jitsi.org/jitmeet" faceExpression="happy" timestamp="%d" duration="1"/>`, i))
	}
	// Whoever leaves while speaking stops, and keeps what there is.
	speaks(w.mod, "false")
	w.now = w.now.Add(time.Second)
	w.room.Gone(w.now, w.mod, "")
	w.now = w.now.Add(time.Hour)
	late := w.join("l@meet.example/r", "late")
	var v struct {
		Type  string
		Users map[string]struct {
			DisplayName              string
			TotalDominantSpeakerTime int
			FaceLandmarks            []struct{ Timestamp int }
		}
	}
	if err := json.Unmarshal([]byte(late.last()), &v); err != nil {
		t.Fatal(err)
	}
	mod, guest := v.Users["mod"], v.Users["guest"]
	if v.Type != "speakerstats" || mod.TotalDominantSpeakerTime != 4000 || guest.TotalDominantSpeakerTime != 2000 ||
		mod.DisplayName != "Name of mod" || len(guest.FaceLandmarks) != speakerstats.MaxFaces || guest.FaceLandmarks[0].Timestamp != 3 {
		t.Errorf("%+v", v)
	}
}

func TestJSON(t *testing.T) {
	if got := string(service.JSON(map[string]string{"a": "100%41 <>&"})); got != `{"a":"100\u002541 \u003c\u003e\u0026"}` {
		t.Error(got)
	}
}

// TestMetadataPileUp: changes that a slow client has not been sent make room
// for newer ones, but not its first copy, which alone lists the TURN servers.
func TestMetadataPileUp(t *testing.T) {
	w := newWorld(t, metadata.Feature())
	for i := range 2 {
		w.say(w.mod, fmt.Sprintf(`<room_metadata xmlns="http://jitsi.org/jitmeet">{"key":"a","data":%d}</room_metadata>`, i))
	}
	if n := w.guest.names; len(n) != 3 || n[0] != "" || n[1] == "" || n[1] != n[2] {
		t.Errorf("%q", n)
	}
}
