package speakerstats

import (
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/muc"
	"github.com/plenum-conf/plenum/internal/signal/service"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Limits of one room's table.
const (
	MaxPeople = 4000
	MaxFaces  = 20 // facial expressions kept of each
	maxFace   = 32 // bytes of the name of one
)

// Feature returns the service.
func Feature() service.Feature {
	return service.Feature{Identity: "speakerstats", Host: "speakerstats", Open: open}
}

// table is the statistics of one room.
type table struct {
	env     service.Env
	people  map[string]*person // by nick
	speaker *person            // who speaks now, nil for nobody
	since   time.Time          // and since when
}

type person struct {
	name  string
	total time.Duration
	faces []face
}

type face struct {
	Expression string `json:"faceExpression"`
	Timestamp  int64  `json:"timestamp"`
	Duration   int64  `json:"duration"`
}

func open(env service.Env) service.Part {
	t := &table{env: env, people: make(map[string]*person)}
	return service.Part{
		Hooks:   muc.Hooks{Joined: t.joined, Updated: t.updated, Left: t.left},
		Message: t.message,
	}
}

// entry is a person as clients read it.
type entry struct {
	Name  string `json:"displayName"`
	Total int64  `json:"totalDominantSpeakerTime"` // ms
	Faces []face `json:"faceLandmarks"`
}

// joined tells a newcomer the table.
func (t *table) joined(r *muc.Room, o *muc.Occupant) {
	if o.Nick() == muc.FocusNick {
		return
	}
	users := make(map[string]entry)
	for nick, p := range t.people {
		users[nick] = t.entry(p)
	}
	if len(users) > 0 {
		r.SendTo(o, muc.JSONMessage(t.env.Address, "", service.JSON(struct {
			Type  string           `json:"type"`
			Users map[string]entry `json:"users"`
		}{"speakerstats", users})))
	}
}

func (t *table) entry(p *person) entry {
	total := p.total
	if p == t.speaker {
		total += t.env.Now().Sub(t.since)
	}
	faces := p.faces
	if faces == nil {
		faces = []face{}
	}
	return entry{p.name, total.Milliseconds(), faces}
}

// updated keeps names fresh of those who have an entry.
func (t *table) updated(_ *muc.Room, o *muc.Occupant) {
	if p := t.people[o.Nick()]; p != nil {
		p.name = o.DisplayName()
	}
}

func (t *table) left(_ *muc.Room, o *muc.Occupant, _ muc.LeaveReason) {
	if p := t.people[o.Nick()]; p != nil && p == t.speaker {
		t.silence()
	}
}

func (t *table) message(_ *muc.Room, from *muc.Occupant, st xmpp.Stanza) *xmpp.StanzaError {
	if el, ok := st.Child("speakerstats", xmpp.NSJitmeet); ok {
		t.speaks(from, el.AttrOr("silence", "") == "true")
	}
	if el, ok := st.Child("faceLandmarks", xmpp.NSJitmeet); ok {
		t.face(from, el)
	}
	return nil
}

// speaks ends the interval of whoever spoke before, and begins one for the
// sender unless it has merely fallen silent.
func (t *table) speaks(from *muc.Occupant, silent bool) {
	t.silence()
	if p := t.person(from); p != nil && !silent {
		t.speaker, t.since = p, t.env.Now()
	}
}

func (t *table) silence() {
	if t.speaker != nil {
		t.speaker.total += t.env.Now().Sub(t.since)
		t.speaker = nil
	}
}

func (t *table) face(from *muc.Occupant, el xmpp.Element) {
	f := face{Expression: el.AttrOr("faceExpression", ""), Timestamp: number(el, "timestamp"), Duration: number(el, "duration")}
	p := t.person(from)
	if p == nil || f.Expression == "" || len(f.Expression) > maxFace {
		return
	}
	if len(p.faces) == MaxFaces {
		p.faces = p.faces[:copy(p.faces, p.faces[1:])]
	}
	p.faces = append(p.faces, f)
}

func number(el xmpp.Element, name string) int64 {
	n, err := strconv.ParseInt(el.AttrOr(name, ""), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// person returns the entry of an occupant, nil if the table is full.
func (t *table) person(o *muc.Occupant) *person {
	p := t.people[o.Nick()]
	if p == nil && len(t.people) < MaxPeople {
		p = &person{}
		t.people[o.Nick()] = p
	}
	if p != nil {
		p.name = o.DisplayName()
	}
	return p
}
