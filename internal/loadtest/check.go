package loadtest

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/site"
)

// Limits of a plan.
const (
	MaxParticipants = 100_000
	MaxRooms        = 20_000
	MaxRoles        = 1_000
	MaxDuration     = 24 * time.Hour
	MaxChurn        = 20 // of everybody, a minute
	MinBreakEvery   = 2 * time.Second
	// MaxRamp is how many may come in a second who come over a time. Who come
	// all at once (Member.Over is 0) are bounded by MaxParticipants.
	MaxRamp = 5_000
	// MaxComings is how often somebody may come altogether: churn makes a
	// participant of everybody who comes back.
	MaxComings = 1_000_000

	// MaxMachines is how many may share a plan.
	MaxMachines = 64

	maxName    = 200 // characters of a role's or a room's
	maxWorkers = 1_000
)

// What may go to strangers' servers without their leave.
const (
	ModestParticipants = 10
	ModestDuration     = 10 * time.Minute
)

// Modest reports whether a plan is as small as what a few people do to a
// server who look whether it is there: no media, few people, who come once and
// whose connections are left alone. Everything else needs the leave of who
// runs the server.
func (p *Plan) Modest() bool {
	for i := range p.Roles {
		if r := &p.Roles[i]; !r.Signalling || r.Churn > 0 || r.BreakEvery > 0 {
			return false
		}
	}
	return p.Participants() <= ModestParticipants && p.Duration <= ModestDuration
}

// Check says what is wrong with a plan. Plans of other machines have to pass
// it too, so it bounds everything that costs time or memory.
func (p *Plan) Check() error {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && !site.IsBare(u) {
		return fmt.Errorf("%q is not the URL of a deployment, such as https://meet.example", p.URL)
	}
	if !site.IsBare(u) && p.Domain+p.MUC != "" {
		return errors.New("domain and muc are for the WebSocket of an XMPP server (ws or wss); a deployment's stand in its config.js")
	}
	if p.Duration <= 0 || p.Duration > MaxDuration {
		return fmt.Errorf("the duration must be longer than nothing, and at most %v", MaxDuration)
	}
	if len(p.Roles) > MaxRoles {
		return fmt.Errorf("there are more than %d roles", MaxRoles)
	}
	for i := range p.Roles {
		r := &p.Roles[i]
		if site.IsBare(u) && !r.Signalling {
			return fmt.Errorf("role %s has media, and a bare XMPP server has none: signalling only (--signalling-only)", r.Name)
		}
		if err := r.check(); err != nil {
			return err
		}
	}
	if p.Workers < 0 || p.Workers > maxWorkers {
		return fmt.Errorf("there are less than no or more than %d workers", maxWorkers)
	}
	if err := p.Share.check(); err != nil {
		return err
	}
	return p.checkRooms()
}

func (s Share) check() error {
	if s.Of < 0 || s.Of > MaxMachines || s.Index < 0 || s.Index >= s.step() {
		return fmt.Errorf("there is no share %d of %d: at most %d machines can share a plan", s.Index, s.Of, MaxMachines)
	}
	return nil
}

func (r *Role) check() error {
	switch {
	case r.Name == "" || len(r.Name) > maxName:
		return fmt.Errorf("a role needs a name of at most %d characters", maxName)
	case r.Codec != "" && !slices.Contains(media.Codecs(), r.Codec):
		return fmt.Errorf("role %s: there are no samples of %s, only of %v", r.Name, r.Codec, media.Codecs())
	case r.Layout != "" && r.Layout != Stage && r.Layout != Tile:
		return fmt.Errorf("role %s: a layout is stage or tile, not %q", r.Name, r.Layout)
	case !(r.Churn >= 0 && r.Churn <= MaxChurn):
		return fmt.Errorf("role %s: churn must be from 0 to %d", r.Name, MaxChurn)
	case r.BreakEvery != 0 && r.BreakEvery < MinBreakEvery || r.BreakEvery > MaxDuration:
		return fmt.Errorf("role %s: connections can break every %v at most", r.Name, MinBreakEvery)
	case r.Silence && !r.Muted:
		return fmt.Errorf("role %s: silence is what a muted microphone sends, and this one is not muted", r.Name)
	case r.Stay < 0 || r.FrameRate < 0 || r.Height < 0:
		return fmt.Errorf("role %s: a time, a frame rate and a height cannot be less than nothing", r.Name)
	}
	if err := r.Network.Check(); err != nil {
		return fmt.Errorf("role %s: %w", r.Name, err)
	}
	return nil
}

func (p *Plan) checkRooms() error {
	if len(p.Rooms) > MaxRooms {
		return fmt.Errorf("there are more than %d rooms", MaxRooms)
	}
	people, comings := 0, 0.0
	for _, r := range p.Rooms {
		if r.Name == "" || len(r.Name) > maxName {
			return fmt.Errorf("a room needs a name of at most %d characters", maxName)
		}
		for _, m := range r.Members {
			role, ok := p.role(m.Role)
			switch {
			case !ok:
				return fmt.Errorf("room %s has members of an unknown role %q", r.Name, m.Role)
			case m.Count < 0 || m.At < 0 || m.Over < 0 || m.At+m.Over < 0:
				return fmt.Errorf("room %s has fewer than no members, or they come before the beginning", r.Name)
			case m.Count > MaxParticipants-people:
				return fmt.Errorf("there are more than %d participants", MaxParticipants)
			}
			people += m.Count
			comings += float64(m.Count) * (1 + role.Churn*p.Duration.Minutes())
		}
	}
	switch {
	case people == 0:
		return errors.New("the plan has no participants")
	case comings > MaxComings:
		return fmt.Errorf("with this churn somebody would come about %.0f times altogether: at most %d can be", comings, MaxComings)
	}
	if rate := p.ramp(); rate > MaxRamp*1.001 { // times are whole nanoseconds
		return fmt.Errorf("%.0f participants would come in a second: at most %d can, unless all come at once", rate, MaxRamp)
	}
	return nil
}

// ramp is the highest rate, a second, at which participants come who come over
// a time, all rooms together.
func (p *Plan) ramp() float64 {
	type change struct {
		at   time.Duration
		rate float64
	}
	var changes []change
	for _, r := range p.Rooms {
		for _, m := range r.Members {
			if m.Count > 0 && m.Over > 0 {
				rate := float64(m.Count) / m.Over.Seconds()
				changes = append(changes, change{m.At, rate}, change{m.At + m.Over, -rate})
			}
		}
	}
	slices.SortFunc(changes, func(a, b change) int { // who is done goes before who begins
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rate, b.rate))
	})
	now, most := 0.0, 0.0
	for _, c := range changes {
		now += c.rate
		most = max(most, now)
	}
	return most
}
