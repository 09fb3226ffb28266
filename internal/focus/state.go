package focus

import (
	"slices"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/focus/admission"
)

// State is what the focus tells the debug tree. It holds no secrets.
type State struct {
	Address      string            `json:"address"`
	Conferences  []ConferenceState `json:"conferences"`
	Capabilities int               `json:"capabilities"` // client versions remembered
	Invitations  admission.State   `json:"invitations"`
	// Silent counts conferences that did not answer in time.
	Silent int `json:"silent,omitempty"`
}

// ConferenceState describes one conference.
type ConferenceState struct {
	Room         string             `json:"room"`
	Meeting      string             `json:"meeting"`
	Created      time.Time          `json:"created"`
	Entered      bool               `json:"entered"` // the focus is in the room
	Bridge       string             `json:"bridge,omitempty"`
	BridgeDown   bool               `json:"bridge_down,omitempty"`
	Failures     int                `json:"bridge_failures,omitempty"`
	Sources      int                `json:"sources"` // SSRCs
	Participants []ParticipantState `json:"participants"`
}

// ParticipantState describes one participant.
type ParticipantState struct {
	Endpoint    string `json:"endpoint"`
	Stage       string `json:"stage"`
	Session     string `json:"session"` // state of the Jingle session
	SID         string `json:"sid,omitempty"`
	Role        string `json:"role"`
	Affiliation string `json:"affiliation"`
	StatsID     string `json:"stats_id,omitempty"`
	Region      string `json:"region,omitempty"`
	Sources     int    `json:"sources"`
	Groups      int    `json:"groups"`
	ForceMuted  string `json:"force_muted,omitempty"` // "audio", "video" or both
	Failures    int    `json:"failures,omitempty"`
}

// stateTimeout bounds how long State waits for conferences.
const stateTimeout = time.Second

// State describes the focus as it is now. It asks every conference and waits
// for at most a second.
func (f *Focus) State() any {
	f.mu.Lock()
	owners := make([]*owner, 0, len(f.rooms))
	for _, o := range f.rooms {
		owners = append(owners, o)
	}
	f.mu.Unlock()
	answers := make(chan ConferenceState, len(owners))
	asked := 0
	for _, o := range owners {
		if o.mail.post(event{do: func(c *conference, _ time.Time) { answers <- c.state() }}) {
			asked++
		}
	}
	s := State{Address: f.self.String(), Conferences: []ConferenceState{}, Capabilities: f.caps.len(), Invitations: f.lobby.state(), Silent: asked}
	s.gather(answers)
	slices.SortFunc(s.Conferences, func(a, b ConferenceState) int { return strings.Compare(a.Room, b.Room) })
	return s
}

// Conferences returns how many there are. Any goroutine may call it.
func (f *Focus) Conferences() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.rooms)
}

func (s *State) gather(answers <-chan ConferenceState) {
	late := time.NewTimer(stateTimeout)
	defer late.Stop()
	for s.Silent > 0 {
		select {
		case c := <-answers:
			s.Conferences = append(s.Conferences, c)
			s.Silent--
		case <-late.C:
			return
		}
	}
}

func (c *conference) state() ConferenceState {
	s := ConferenceState{
		Room: c.room.String(), Meeting: c.meeting, Created: c.created, Entered: c.phase == running,
		BridgeDown: c.down, Failures: c.broken, Sources: c.sources.Sources(),
		Participants: []ParticipantState{},
	}
	if c.stay != nil {
		s.Bridge = c.stay.Name
	}
	for _, p := range c.byArrival() {
		s.Participants = append(s.Participants, c.participantState(p))
	}
	return s
}

func (c *conference) participantState(p *participant) ParticipantState {
	set := c.sources.Get(p.nick)
	s := ParticipantState{
		Endpoint: p.nick, Stage: p.stage.String(), Session: p.session.State.String(), SID: p.session.SID,
		Role: p.pres.role, Affiliation: p.pres.affiliation, StatsID: p.pres.statsID, Region: p.pres.region,
		Sources: len(set.Sources), Groups: len(set.Groups), Failures: p.failures,
	}
	var muted []string
	if p.mute.Audio {
		muted = append(muted, "audio")
	}
	if p.mute.Video {
		muted = append(muted, "video")
	}
	s.ForceMuted = strings.Join(muted, " ")
	return s
}
