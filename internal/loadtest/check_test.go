package loadtest

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/shape"
	"github.com/plenum-conf/plenum/internal/srtp"
)

func smallPlan() Plan {
	return Simple{URL: "http://192.0.2.1", Rooms: 2, Participants: 5, Duration: 10 * time.Minute, RoomPrefix: "x", Signalling: true}.Plan()
}

// TestPlanCheck: everything that would cost time or memory without end, or
// make no sense, is refused.
func TestPlanCheck(t *testing.T) {
	for want, change := range map[string]func(*Plan){
		"":                      func(*Plan) {},
		"at most 24h":           func(p *Plan) { p.Duration = 25 * time.Hour },
		"more than 1000 roles":  func(p *Plan) { p.Roles = make([]Role, MaxRoles+1) },
		"more than 20000 rooms": func(p *Plan) { p.Rooms = make([]Room, MaxRooms+1) },
		"more than 100000 part": func(p *Plan) { p.Rooms[1].Members[0].Count = math.MaxInt },
		"fewer than no":         func(p *Plan) { p.Rooms[1].Members[0].Count = -1 },
		"before the beginning":  func(p *Plan) { p.Rooms[1].Members[0].At, p.Rooms[1].Members[0].Over = math.MaxInt64, 1 },
		"churn must be":         func(p *Plan) { p.Roles[0].Churn = math.NaN() },
		"from 0 to 20":          func(p *Plan) { p.Roles[0].Churn = 21 },
		"10000 participants would come in a second": func(p *Plan) { // in each room as many as may altogether
			for i := range p.Rooms {
				p.Rooms[i].Members[0].Count, p.Rooms[i].Members[0].Over = 500, 100*time.Millisecond
			}
		},
		"come about 1":        func(p *Plan) { p.Roles[0].Churn, p.Rooms[0].Members[0].Count = 20, 9000 },
		"every 2s at most":    func(p *Plan) { p.Roles[0].BreakEvery = time.Millisecond },
		"cannot be like that": func(p *Plan) { p.Roles[0].Network = shape.Profile{Rate: 1} },
		"this one is not":     func(p *Plan) { p.Roles[0].Silence = true },
		"a role needs a name": func(p *Plan) { p.Roles[0].Name = "" },
		"a room needs a name": func(p *Plan) { p.Rooms[0].Name = strings.Repeat("x", 1000) },
		"unknown role":        func(p *Plan) { p.Rooms[0].Members[0].Role = "king" },
		"no share 2 of 2":     func(p *Plan) { p.Share = Share{2, 2} },
		"no share 1 of 100":   func(p *Plan) { p.Share = Share{1, 100} },
		"more than 1000 work": func(p *Plan) { p.Workers = 1 << 20 },
		"no participants":     func(p *Plan) { p.Rooms = nil },
		"signalling only":     func(p *Plan) { p.URL, p.Roles[0].Signalling = "ws://x/y", false },
	} {
		p := smallPlan()
		change(&p)
		if err := p.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestPlanRamp: as many may come in a second as MaxRamp says, from as many
// rooms as they like; and all may come at once.
func TestPlanRamp(t *testing.T) {
	p := Simple{URL: "http://localhost", Rooms: 300, Participants: 40, Audio: 20, Duration: time.Minute, RoomPrefix: "x"}.Plan()
	if err := p.Check(); err != nil || p.ramp() != 0 {
		t.Errorf("all at once: %v, %v a second", err, p.ramp())
	}
	for over, ok := range map[time.Duration]bool{12 * time.Second: true, 2401 * time.Millisecond: true, 2390 * time.Millisecond: false, time.Nanosecond * 12000: false} {
		s := Simple{URL: "http://localhost", Rooms: 300, Participants: 40, Audio: 20, Duration: time.Minute, Ramp: over, RoomPrefix: "x"}.Plan()
		want := 12000 / over.Seconds()
		if err := s.Check(); (err == nil) != ok || math.Abs(s.ramp()-want) > want/100 {
			t.Errorf("within %v: %v, %v a second", over, err, s.ramp())
		}
	}
}

// TestModest: what goes to strangers without leave. All other plans need it.
func TestModest(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"":         func(*Plan) {},
		"more":     func(p *Plan) { p.Rooms[0].Members[0].Count++ },
		"longer":   func(p *Plan) { p.Duration++ },
		"media":    func(p *Plan) { p.Roles[0].Signalling = false },
		"churn":    func(p *Plan) { p.Roles[0].Churn = 0.01 },
		"breaking": func(p *Plan) { p.Roles[0].BreakEvery = time.Minute },
	} {
		p := smallPlan()
		change(&p)
		if p.Modest() != (name == "") {
			t.Errorf("%q: %v", name, p.Modest())
		}
	}
}

// TestShare: machines that share a plan have each participant once, with the
// numbers, names and turns that it has on one machine, and of each room about
// as many as the others.
func TestShare(t *testing.T) {
	plan := Simple{URL: "http://localhost", Rooms: 7, Participants: 5, Audio: 3, Video: 1, Duration: time.Minute, Ramp: 10 * time.Second, RoomPrefix: "x"}.Plan()
	people := func(s Share) map[int]*participant {
		p := plan
		p.Share = s
		r := &run{ctx: t.Context(), plan: &p, workers: make([]*worker, 1)}
		r.populate()
		out := map[int]*participant{}
		for _, q := range r.all {
			out[q.index] = q
		}
		if len(out) != len(r.all) || len(out) != p.Here() {
			t.Errorf("%+v: %d participants, %d numbers, %d expected", s, len(r.all), len(out), p.Here())
		}
		r.comeBack(r.all[0], 0)
		if back := r.all[len(r.all)-1].index; back < plan.Participants() || (back-plan.Participants())%s.step() != s.Index {
			t.Errorf("%+v: who comes back is number %d", s, back)
		}
		return out
	}
	whole := people(Share{})
	for _, of := range []int{1, 2, 3, 7} {
		seen, speakers := 0, map[int]int{}
		for i := range of {
			for index, q := range people(Share{i, of}) {
				o := whole[index]
				if q.name != o.name || q.room.name != o.room.name || q.room.size != o.room.size || q.room.seed != o.room.seed || q.who != o.who || q.role.Name != o.role.Name || q.begins != o.begins {
					t.Errorf("share %d of %d: number %d is %+v, not %+v", i, of, index, q, o)
				}
				seen++
				if q.role.Video {
					speakers[i]++
				}
			}
		}
		if seen != len(whole) {
			t.Errorf("%d machines have %d participants", of, seen)
		}
		for i := range of {
			if n := speakers[i]; n < 7/of || n > 7/of+1 {
				t.Errorf("machine %d of %d has %d of 7 cameras", i, of, n)
			}
		}
	}
}

// TestCapital: names are shown with a capital letter, in any script.
func TestCapital(t *testing.T) {
	for name, want := range map[string]string{"audio+video": "Audio+video", "élève": "Élève", "учитель 2": "Учитель 2", "先生": "先生", "7": "7", "x": "X"} {
		if got := capital(name); got != want {
			t.Errorf("%q is %q, not %q", name, got, want)
		}
	}
}

// TestPlanTravels: a plan that was written as JSON and read again is the same,
// but for its secrets, which are never written.
func TestPlanTravels(t *testing.T) {
	two := 2
	p := smallPlan()
	p.Roles[0] = Role{
		Name: "all", Audio: true, Video: true, Screen: true, Muted: true, Silence: true, Codec: media.VP9, Layout: Tile, FullBitrate: true, FrameRate: 15, Height: 360, LastN: &two,
		Signalling: true, Stay: time.Second, BreakEvery: time.Minute, Churn: 0.1, Network: shape.Profile{Loss: 0.01, Delay: 1, Jitter: 2, Rate: 50_000},
	}
	p.Rooms[0].Members[0].At, p.Rooms[0].Members[0].Over = 3, 4
	p.Domain, p.MUC, p.PrivateOnly, p.Insecure, p.User, p.Request, p.Channel, p.Rewriting = "a", "b", true, true, "c", "iq", "sctp", "on"
	p.Profiles, p.Share, p.OpenOneIn, p.Workers, p.Seed = []srtp.Profile{srtp.AEADAES128GCM}, Share{1, 2}, 3, 4, 5
	b, _ := json.Marshal(&p)
	var q Plan
	if err := json.Unmarshal(b, &q); err != nil || !reflect.DeepEqual(p, q) {
		t.Errorf("%v\n%+v\n%+v", err, p, q)
	}
	p.Token, p.Password, p.RoomPassword = "s3cret", "s3cret", "s3cret"
	if b, _ = json.Marshal(&p); strings.Contains(string(b), "s3cret") {
		t.Errorf("%s", b)
	}
}
