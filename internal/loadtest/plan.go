package loadtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/shape"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// Plan says what a run does.
type Plan struct {
	// URL is the deployment, as people type it: https://meet.example or
	// https://meet.example/tenant. A ws or wss URL is that of the WebSocket of
	// a bare XMPP server: there is neither config.js nor a focus, so nobody
	// asks for a conference, and all roles have to be Signalling.
	URL string `json:"url"`
	// Domain and MUC are of a bare XMPP server: whom to log in at, "" for the
	// host of the URL, and where its rooms are, "" for conference.DOMAIN.
	Domain string `json:"domain,omitempty"`
	MUC    string `json:"muc,omitempty"`
	// Duration is how long the run lasts from its beginning.
	Duration time.Duration `json:"duration"`
	Roles    []Role        `json:"roles"`
	Rooms    []Room        `json:"rooms"`

	// PrivateOnly refuses to connect, and to send media, to anything but
	// this machine and private networks.
	PrivateOnly bool `json:"private_only,omitempty"`
	// Insecure accepts any TLS certificate.
	Insecure bool `json:"insecure,omitempty"`
	// Token is a JWT for all; User and Password log in instead of being
	// anonymous; RoomPassword opens rooms that have one.
	Token        string `json:"-"`
	User         string `json:"user,omitempty"`
	Password     string `json:"-"`
	RoomPassword string `json:"-"`

	// Request, Channel and Rewriting override what config.js says: "http" or
	// "iq"; "websocket" or "sctp"; "on" or "off". "" does as a web client.
	Request   string `json:"request,omitempty"`
	Channel   string `json:"channel,omitempty"`
	Rewriting string `json:"rewriting,omitempty"`
	// Profiles are the SRTP profiles that are offered, none for both.
	Profiles []srtp.Profile `json:"profiles,omitempty"`

	// Share is which of the participants are carried out here.
	Share Share `json:"share,omitzero"`
	// OpenOneIn is of how many pictures, or audio packets, one is decrypted;
	// 1 for all, 0 for DefaultOpenOneIn.
	OpenOneIn int `json:"open_one_in"`
	// Workers is how many media workers there are, 0 for one a core.
	Workers int `json:"workers"`
	// Seed makes the conversations; runs with the same are alike.
	Seed uint64 `json:"seed"`
}

// ProfilesOf returns [Plan.Profiles] for "gcm" or "sha1" alone, and both for
// anything else.
func ProfilesOf(name string) []srtp.Profile {
	switch name {
	case "gcm":
		return []srtp.Profile{srtp.AEADAES128GCM}
	case "sha1":
		return []srtp.Profile{srtp.AES128CMHMACSHA180}
	}
	return nil
}

// DefaultOpenOneIn is Plan.OpenOneIn unless it is set.
const DefaultOpenOneIn = 8

// Share says which participants of a plan are carried out here when machines
// share one: of each room every Of-th, beginning with another one in each
// room. The zero Share is all of them.
type Share struct {
	Index int `json:"index"` // from 0
	Of    int `json:"of"`
}

// has reports whether the k-th participant of a room is in the share.
func (s Share) has(room, k int) bool { return s.Of <= 1 || (room+k)%s.Of == s.Index }

// step is how far the numbers of its participants are apart, at least.
func (s Share) step() int { return max(s.Of, 1) }

// Layout says what a participant looks at.
type Layout string

// The layouts: a large picture of who speaks or shares with small ones
// beside, or equal tiles.
const (
	Stage Layout = "stage"
	Tile  Layout = "tile"
)

// Role says how a participant behaves.
type Role struct {
	Name   string `json:"name"`
	Audio  bool   `json:"audio"` // has a microphone, and speaks when it is its turn
	Video  bool   `json:"video"` // has a camera
	Screen bool   `json:"screen,omitempty"`
	// Muted makes microphone and camera be announced and muted: nothing of
	// them is sent, but for the sender reports that a browser goes on with.
	Muted bool `json:"muted,omitempty"`
	// Silence makes a muted microphone go on with digital silence, as a
	// browser's does whose track is disabled and not taken away.
	Silence bool        `json:"silence,omitempty"`
	Codec   media.Codec `json:"codec,omitempty"` // of the camera; "" is VP8
	Layout  Layout      `json:"layout,omitempty"`
	// FullBitrate fills the camera's layers up to the bitrates that the web
	// client allows: 200, 500 and 1,500 kbit/s. Otherwise they have those of
	// the samples, about half.
	FullBitrate bool `json:"full_bitrate,omitempty"`
	// FrameRate is how many pictures a second the camera has at most: 30 (as
	// has 0), 15 or 7, what the temporal layers of VP8 allow.
	FrameRate int `json:"frame_rate,omitempty"`
	// Height is the highest picture it asks for, 0 for what the layout wants.
	Height int `json:"height,omitempty"`
	// LastN is how many videos it asks for: -1 for all, nil for what the
	// deployment says.
	LastN *int `json:"last_n,omitempty"`
	// Signalling makes it join the room only, and decline media.
	Signalling bool `json:"signalling,omitempty"`
	// Stay is how long it stays, 0 for until the end.
	Stay time.Duration `json:"stay,omitempty"`
	// BreakEvery lets its signalling connection break again and again, so
	// that it has to resume; 0 for never, else MinBreakEvery at least.
	BreakEvery time.Duration `json:"break_every,omitempty"`
	// Churn is the share of them, 0 to MaxChurn, that leaves in a minute; who
	// left comes back after a few seconds, as somebody new.
	Churn float64 `json:"churn,omitempty"`
	// Network is what the network is like for their media, each way.
	Network shape.Profile `json:"network,omitzero"`
}

// Room is one room and who comes into it.
type Room struct {
	Name    string   `json:"name"`
	Members []Member `json:"members"`
}

// Member is a number of participants of one role.
type Member struct {
	Role  string `json:"role"`
	Count int    `json:"count"`
	// They begin at At since the run began, evenly over a time of Over, or all
	// at once if that is 0.
	At   time.Duration `json:"at,omitempty"`
	Over time.Duration `json:"over,omitempty"`
}

// Simple is a plan of equal rooms.
type Simple struct {
	URL          string
	Rooms        int
	Participants int // a room
	Audio, Video int // senders a room; -1 for all
	Screens      int // a room
	Duration     time.Duration
	Ramp         time.Duration
	Layout       Layout
	Codec        media.Codec
	Signalling   bool
	RoomPrefix   string
	BreakEvery   time.Duration
}

// Plan makes the plan: in each room the first participants have cameras and
// microphones.
func (s Simple) Plan() Plan {
	p := Plan{URL: s.URL, Duration: s.Duration}
	all := func(n int) int {
		if n < 0 {
			return s.Participants
		}
		return min(n, s.Participants)
	}
	audio, video, screens := all(s.Audio), all(s.Video), all(s.Screens)
	seen := map[string]int{}
	var members []Member
	for i := range s.Participants {
		r := Role{Audio: i < audio, Video: i < video, Screen: i < screens, Codec: s.Codec, Layout: s.Layout, Signalling: s.Signalling, BreakEvery: s.BreakEvery}
		r.Name = r.Describe()
		at, ok := seen[r.Name]
		if !ok {
			at = len(members)
			seen[r.Name] = at
			members = append(members, Member{Role: r.Name})
			p.Roles = append(p.Roles, r)
		}
		members[at].Count++
	}
	for i := range s.Rooms {
		room := Room{Name: fmt.Sprintf("%s-%d", s.RoomPrefix, i+1)}
		begin := time.Duration(0)
		each := s.Ramp / time.Duration(max(s.Participants, 1))
		for _, m := range members {
			m.At, m.Over = begin+each*time.Duration(i)/time.Duration(s.Rooms), each*time.Duration(m.Count)
			begin += m.Over
			room.Members = append(room.Members, m)
		}
		p.Rooms = append(p.Rooms, room)
	}
	return p
}

// Describe makes a name of what a role does.
func (r *Role) Describe() string {
	name := ""
	for _, part := range []struct {
		on   bool
		word string
	}{
		{r.Signalling, "signalling"}, {r.Audio && !r.Signalling, "audio"}, {r.Video && !r.Signalling, "video"}, {r.Screen && !r.Signalling, "screen"},
		{r.Muted && (r.Audio || r.Video) && !r.Signalling, "muted"},
		{r.Silence && r.Audio && !r.Signalling, "silence"},
	} {
		if part.on && name != "" {
			name += "+"
		}
		if part.on {
			name += part.word
		}
	}
	if name == "" {
		return "listener"
	}
	return name
}

// speaks reports whether it has a microphone that can be heard.
func (r *Role) speaks() bool { return r.Audio && !r.Muted }

// videoType is what the bridge is told about one of its own videos.
func (r *Role) videoType(name string) colibri.VideoType {
	switch {
	case strings.HasSuffix(name, "1"):
		return colibri.Desktop
	case r.Muted:
		return colibri.None
	}
	return colibri.Camera
}

// Participants is how many there are altogether.
func (p *Plan) Participants() int {
	n := 0
	for _, r := range p.Rooms {
		for _, m := range r.Members {
			n += m.Count
		}
	}
	return n
}

// Here is how many of them are carried out here: those of the plan's Share.
func (p *Plan) Here() int {
	n := 0
	for i, r := range p.Rooms {
		k := 0
		for _, m := range r.Members {
			for range m.Count {
				if p.Share.has(i, k) {
					n++
				}
				k++
			}
		}
	}
	return n
}

// role finds a role by name.
func (p *Plan) role(name string) (*Role, bool) {
	for i := range p.Roles {
		if p.Roles[i].Name == name {
			return &p.Roles[i], true
		}
	}
	return nil, false
}
