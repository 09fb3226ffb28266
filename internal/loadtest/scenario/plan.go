package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/shape"
)

// Plan makes the plan. Rooms are named prefix-1, or prefix-group-1. Of the
// plan, only what a scenario says is filled in.
func (s *Scenario) Plan(url, prefix string) (loadtest.Plan, error) {
	p := loadtest.Plan{URL: url, Duration: s.Duration}
	if err := s.Check(); err != nil {
		return p, err
	}
	b := builder{plan: &p, roles: map[string]bool{}, prefix: prefix}
	b.ramp, _ = parseRamp(s.Ramp)
	for i := range s.Rooms {
		b.rooms += s.Rooms[i].count()
	}
	if b.ramp.rate > 0 {
		b.ramp.over = time.Duration(float64(s.Participants()) / b.ramp.rate * float64(time.Second))
	}
	b.each = b.ramp.over / time.Duration(s.Participants())
	for i := range s.Rooms {
		b.group(&s.Rooms[i])
	}
	return p, nil
}

// builder makes a plan group by group.
type builder struct {
	plan   *loadtest.Plan
	roles  map[string]bool
	prefix string
	ramp   ramp
	rooms  int           // of all groups
	each   time.Duration // between two participants
	done   int           // rooms
}

// group adds equal rooms. All rooms fill at the same time: the k-th of a room
// comes after the k-1-th of every other.
func (b *builder) group(r *Rooms) {
	var members []Member
	for _, m := range r.Members {
		members = append(members, split(m)...)
	}
	var roles []string
	for i := range members {
		roles = append(roles, b.role(&members[i]))
	}
	for i := range r.count() {
		room := loadtest.Room{Name: b.name(r, i+1)}
		before := 0
		for k, m := range members {
			if m.Count == 0 {
				continue
			}
			lm := loadtest.Member{Role: roles[k], Count: m.Count, Over: m.Over}
			if m.At != nil {
				lm.At = *m.At
			} else {
				lm.At = b.each * time.Duration(before*b.rooms+b.done)
				lm.Over = b.each * time.Duration(m.Count*b.rooms)
			}
			before += m.Count
			room.Members = append(room.Members, lm)
		}
		b.plan.Rooms = append(b.plan.Rooms, room)
		b.done++
	}
}

func (b *builder) name(r *Rooms, i int) string {
	if r.Name == "" {
		return fmt.Sprintf("%s-%d", b.prefix, i)
	}
	return fmt.Sprintf("%s-%s-%d", b.prefix, r.Name, i)
}

// split makes two of members who look at different things.
func split(m Member) []Member {
	if m.Layout != "mixed" {
		return []Member{m}
	}
	stage, tile := m, m
	stage.Layout, stage.Count = "stage", m.Count/2
	tile.Layout, tile.Count = "tile", m.Count-m.Count/2
	return []Member{stage, tile}
}

// role adds the role of a member, unless there is the same already, and
// returns its name.
func (b *builder) role(m *Member) string {
	r := loadtest.Role{
		Name: m.Name, Audio: m.Audio, Video: m.Video, Screen: m.Screen, Muted: m.Muted, Silence: m.Silence, Codec: media.Codec(strings.ToUpper(m.Codec)), Layout: loadtest.Layout(m.Layout),
		Height: m.Height, LastN: m.LastN, Signalling: m.Signalling, FullBitrate: m.FullBitrate, Stay: m.Stay, BreakEvery: m.BreakEvery,
	}
	r.Churn, _ = parseChurn(m.Churn)
	if m.Network != "" {
		r.Network, _ = shape.Parse(m.Network)
	}
	if r.Name == "" {
		r.Name = r.Describe()
	}
	base := r.Name
	for i := 2; b.roles[r.Name]; i++ {
		if same(b.find(r.Name), &r) {
			return r.Name
		}
		r.Name = fmt.Sprintf("%s %d", base, i)
	}
	b.roles[r.Name] = true
	b.plan.Roles = append(b.plan.Roles, r)
	return r.Name
}

func (b *builder) find(name string) *loadtest.Role {
	for i := range b.plan.Roles {
		if b.plan.Roles[i].Name == name {
			return &b.plan.Roles[i]
		}
	}
	return &loadtest.Role{}
}

// same compares roles by what they do.
func same(a, b *loadtest.Role) bool {
	x, y := *a, *b
	if (x.LastN == nil) != (y.LastN == nil) || x.LastN != nil && *x.LastN != *y.LastN {
		return false
	}
	x.LastN, y.LastN, x.Name, y.Name = nil, nil, "", ""
	return x == y
}
