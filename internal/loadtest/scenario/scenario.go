package scenario

import (
	"cmp"
	"fmt"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
)

// Scenario is a scenario file. Values that are written in a form of their own
// (ramp, churn, network) are kept as they are written; Check reads them.
type Scenario struct {
	// About says what it is for.
	About string `yaml:"about"`
	// Duration is how long the test lasts from its beginning.
	Duration time.Duration `yaml:"duration"`
	// Ramp is how fast participants come: "50/s" for all rooms together, a
	// duration over which all come, or "all" at once, which "" is too. How many
	// come at once is bounded by MaxParticipants only.
	Ramp string `yaml:"ramp"`
	// Rooms are groups of equal rooms.
	Rooms []Rooms `yaml:"rooms"`
}

// Rooms are rooms with the same members.
type Rooms struct {
	// Name is a part of the names of these rooms; groups need different ones.
	Name    string   `yaml:"name"`
	Count   int      `yaml:"count"` // 0 is 1
	Members []Member `yaml:"members"`
}

// Member is a number of participants of a room that behave alike.
type Member struct {
	Name   string `yaml:"name"` // shown to others; "" for what they have
	Count  int    `yaml:"count"`
	Audio  bool   `yaml:"audio"`
	Video  bool   `yaml:"video"`
	Screen bool   `yaml:"screen"`
	// Muted makes microphone and camera be announced, and nothing of them sent.
	Muted bool `yaml:"muted"`
	// Silence makes muted microphones go on with digital silence.
	Silence bool `yaml:"silence"`
	// Signalling makes them join the room and decline media.
	Signalling bool   `yaml:"signalling"`
	Layout     string `yaml:"layout"` // stage, tile, or mixed: half of them each
	Codec      string `yaml:"codec"`  // vp8, vp9, h264 or av1
	// FullBitrate fills the layers of cameras up to a real one's bitrates.
	FullBitrate bool `yaml:"full-bitrate"`
	Height      int  `yaml:"height"` // highest picture asked for, 0 for what the layout wants
	LastN       *int `yaml:"last-n"` // videos asked for, -1 for all; absent: what the deployment says
	// At is when they begin to come, and Over how long that takes; without
	// them they come as Ramp says.
	At   *time.Duration `yaml:"at"`
	Over time.Duration  `yaml:"over"`
	Stay time.Duration  `yaml:"stay"` // 0 for until the end
	// Churn is the share that leaves in a minute and comes back: "10%/min".
	Churn   string `yaml:"churn"`
	Network string `yaml:"network"` // as shape.Parse reads it
	// BreakEvery breaks their signalling connections about this often.
	BreakEvery time.Duration `yaml:"break-every"`
}

// Limits of a scenario.
const (
	MaxParticipants = loadtest.MaxParticipants
	MaxRooms        = loadtest.MaxRooms
	MaxDuration     = loadtest.MaxDuration
	MaxRamp         = loadtest.MaxRamp      // joins a second, unless all come at once
	MaxMembers      = loadtest.MaxRoles / 2 // groups of them; a mixed layout makes two of one
)

// Shape is what flags say about equal rooms.
type Shape struct {
	Rooms, Participants   int
	Audio, Video, Screens int // of a room; -1 for all
	Signalling            bool
}

// Equal makes a scenario of equal rooms: in each the first participants have
// cameras, microphones and screens. The error names the flag that asks for
// what cannot be.
func Equal(s Shape) (*Scenario, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	all := func(n int) int {
		if n < 0 {
			return s.Participants
		}
		return n
	}
	audio, video, screens := all(s.Audio), all(s.Video), all(s.Screens)
	rooms := Rooms{Count: s.Rooms}
	for i := range s.Participants {
		m := Member{Count: 1, Audio: i < audio, Video: i < video, Screen: i < screens, Signalling: s.Signalling}
		if n := len(rooms.Members); n > 0 {
			last := &rooms.Members[n-1]
			if last.Audio == m.Audio && last.Video == m.Video && last.Screen == m.Screen {
				last.Count++
				continue
			}
		}
		rooms.Members = append(rooms.Members, m)
	}
	return &Scenario{Rooms: []Rooms{rooms}}, nil
}

func (s *Shape) check() error {
	if err := cmp.Or(within("--rooms", s.Rooms, MaxRooms), within("--participants", s.Participants, MaxParticipants)); err != nil {
		return err
	}
	for _, f := range []struct {
		flag string
		n    int
	}{{"--audio", s.Audio}, {"--video", s.Video}, {"--screens", s.Screens}} {
		if f.n < -1 || f.n > s.Participants {
			return fmt.Errorf("%s: it must be from 0 to %d, which is how many participants a room has (--participants), not %d", f.flag, s.Participants, f.n)
		}
	}
	return nil
}

// within checks a number that a flag gives.
func within(flag string, n, most int) error {
	if n < 1 || n > most {
		return fmt.Errorf("%s: it must be from 1 to %d, not %d", flag, most, n)
	}
	return nil
}

// Over is what flags change in a scenario. Zero values change nothing.
type Over struct {
	FullBitrate    bool // true for everybody
	Muted          bool // true for everybody
	Silence        bool // true for everybody
	Duration       *time.Duration
	Ramp           string
	Rooms          *int // of a scenario with one group of rooms
	Layout, Codec  string
	Churn, Network string
	BreakEvery     time.Duration
	Signalling     bool
	Participants   *int // of each room
}

// Apply lays flags over the scenario. Participants makes rooms larger or
// smaller by changing the number of those of whom there are most.
func (s *Scenario) Apply(o Over) error {
	if o.Duration != nil {
		s.Duration = *o.Duration
	}
	if o.Ramp != "" {
		s.Ramp = o.Ramp
	}
	if err := s.resize(o); err != nil {
		return err
	}
	for i := range s.Rooms {
		for k := range s.Rooms[i].Members {
			o.member(&s.Rooms[i].Members[k])
		}
	}
	return nil
}

// resize changes the number of rooms, and of participants of each.
func (s *Scenario) resize(o Over) error {
	if o.Rooms == nil && o.Participants == nil {
		return nil
	}
	if len(s.Rooms) != 1 {
		return fmt.Errorf("the scenario has %d groups of rooms: the number of rooms or participants cannot be changed by a flag", len(s.Rooms))
	}
	r := &s.Rooms[0]
	if o.Rooms != nil {
		if err := within("--rooms", *o.Rooms, MaxRooms); err != nil {
			return err
		}
		r.Count = *o.Rooms
	}
	if o.Participants == nil {
		return nil
	}
	if err := within("--participants", *o.Participants, MaxParticipants); err != nil {
		return err
	}
	return r.resize(*o.Participants)
}

// resize changes the number of those of whom there are most.
func (r *Rooms) resize(want int) error {
	have, most := 0, 0
	for i, m := range r.Members {
		have += m.Count
		if m.Count > r.Members[most].Count {
			most = i
		}
	}
	if len(r.Members) == 0 || r.Members[most].Count+want-have < 0 {
		return fmt.Errorf("the scenario's rooms cannot be made as small as %d participants", want)
	}
	r.Members[most].Count += want - have
	return nil
}

func (o *Over) member(m *Member) {
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	set(&m.Layout, o.Layout)
	set(&m.Codec, o.Codec)
	set(&m.Churn, o.Churn)
	set(&m.Network, o.Network)
	if o.BreakEvery != 0 {
		m.BreakEvery = o.BreakEvery
	}
	m.Signalling = m.Signalling || o.Signalling
	m.FullBitrate = m.FullBitrate || o.FullBitrate
	m.Muted = m.Muted || o.Muted
	m.Silence = m.Silence || o.Silence
}

// Participants is how many there are altogether.
func (s *Scenario) Participants() int {
	n := 0
	for _, r := range s.Rooms {
		for _, m := range r.Members {
			n += m.Count * r.count()
		}
	}
	return n
}

// comings is how often somebody comes, whoever comes back counted again.
func (s *Scenario) comings() float64 {
	n := 0.0
	for _, r := range s.Rooms {
		for _, m := range r.Members {
			churn, _ := parseChurn(m.Churn)
			n += float64(m.Count*r.count()) * (1 + churn*s.Duration.Minutes())
		}
	}
	return n
}

func (r *Rooms) count() int { return max(r.Count, 1) }
