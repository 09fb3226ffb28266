package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
)

func TestNamed(t *testing.T) {
	want := map[string][2]int{ // rooms, participants
		"forum-81x40": {81, 3240}, "forum-321": {1, 321}, "forum-6000": {150, 6000}, "storm-500": {1, 500}, "webinar": {1, 2003}, "classroom": {1, 25},
	}
	for _, name := range Names() {
		s, ok := Named(name)
		if !ok {
			_, err := Parse([]byte(Text(name)))
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := s.Plan("http://localhost", "x")
		if err != nil || p.Check() != nil {
			t.Errorf("%s: %v, %v", name, err, p.Check())
		}
		if got := [2]int{len(p.Rooms), p.Participants()}; got != want[name] || s.About == "" || s.Duration == 0 {
			t.Errorf("%s: %v, want %v", name, got, want[name])
		}
		delete(want, name)
		checkRamp(t, name, &p)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	for _, name := range []string{"none", "../scenario", ""} {
		if _, ok := Named(name); ok {
			t.Errorf("%q is shipped", name)
		}
	}
}

// checkRamp: everybody has come before two thirds of the time are over.
func checkRamp(t *testing.T, name string, p *loadtest.Plan) {
	t.Helper()
	for _, r := range p.Rooms {
		for _, m := range r.Members {
			if m.At+m.Over > p.Duration*2/3 {
				t.Errorf("%s: the last %s come after %v of %v", name, m.Role, m.At+m.Over, p.Duration)
			}
		}
	}
}

// TestRamp compares when participants begin with the obvious: one after the
// other, room by room.
func TestRamp(t *testing.T) {
	for _, tc := range []struct {
		rooms, people int
		ramp          string
		each          time.Duration
	}{{1, 10, "10/s", 100 * time.Millisecond}, {4, 5, "20s", time.Second}, {3, 7, "all", 0}, {5, 6, "", 0}, {2, 2, "0.5/s", 2 * time.Second}} {
		s, err := Equal(Shape{Rooms: tc.rooms, Participants: tc.people, Audio: -1, Video: 2})
		if err != nil {
			t.Fatal(err)
		}
		s.Duration, s.Ramp = time.Minute, tc.ramp
		p, err := s.Plan("http://localhost", "x")
		if err != nil {
			t.Fatal(err)
		}
		var begin []time.Duration
		for _, r := range p.Rooms {
			for _, m := range r.Members {
				for k := range m.Count {
					begin = append(begin, m.At+m.Over*time.Duration(k)/time.Duration(m.Count))
				}
			}
		}
		slices.Sort(begin)
		for i, at := range begin {
			if want := tc.each * time.Duration(i); (at - want).Abs() > time.Millisecond {
				t.Errorf("%+v: number %d begins at %v, want %v", tc, i, at, want)
			}
		}
	}
}

func TestParse(t *testing.T) {
	s, err := Parse([]byte(`
about: everything
duration: 1m30s
ramp: 5/s
rooms:
  - name: large
    count: 2
    members:
      - {name: a, count: 2, audio: true, video: true, screen: true, layout: stage, codec: vp9, height: 360, last-n: 0, full-bitrate: true}
      - {count: 5, layout: mixed, churn: 10%/min, network: "loss=2%,rate=600k", stay: 20s, break-every: 30s}
  - name: small
    members:
      - {count: 1, signalling: true, at: 5s, over: 2s}
      - {count: 3, audio: true, video: true, muted: true, silence: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan("http://localhost", "t")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(p)
	for _, want := range []string{
		`"name":"t-large-2"`, `"name":"t-small-1"`, `"codec":"VP9"`, `"full_bitrate":true`, `"last_n":0`, `"churn":0.1`, `"network":{"loss":0.02,"rate":600000}`,
		`{"role":"signalling","count":1,"at":5000000000,"over":2000000000}`, `"name":"listener 2"`, `"layout":"tile"`, `"stay":20000000000`, `"break_every":30000000000`,
		`"name":"audio+video+muted+silence","audio":true,"video":true,"muted":true,"silence":true`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	if p.Participants() != 18 || s.Participants() != 18 || len(p.Roles) != 5 {
		t.Errorf("%d participants, roles %+v", p.Participants(), p.Roles)
	}
}

// TestMistakes: each mistake is named with its line and its key.
func TestMistakes(t *testing.T) {
	member := func(s string) string {
		return "duration: 1m\nrooms:\n  - members:\n      - count: 1\n        " + s + "\n"
	}
	for _, tc := range []struct{ file, want string }{
		{"", "empty"},
		{"duration: 1m\nroms: []\n", "line 2: roms"},
		{"duration: 1m\nrooms:\n  - members:\n      - {count: some}\n", "line 4: some: this must be a whole number"},
		{"duration: 1m\nrooms:\n  - members:\n      - {count: 1, video: ja}\n", "line 4: ja: this must be true or false"},
		{"duration: soon\nrooms: []\n", "duration"},
		{"duration: 1m\n", "rooms: there must be"},
		{"duration: 25h\nrooms:\n  - members:\n      - {count: 1}\n", "line 1: duration: it must"},
		{"rooms:\n  - members:\n      - {count: 1}\n", "duration: it must"},
		{"duration: 1m\nramp: fast\nrooms:\n  - members:\n      - {count: 1}\n", "line 2: ramp: \"fast\": write how many"},
		{"duration: 1m\nramp: 9999/s\nrooms:\n  - members:\n      - {count: 1}\n", "line 2: ramp"},
		{"duration: 1m\nramp: 1s\nrooms:\n  - members:\n      - {count: 5001}\n", "line 2: ramp: more than 5000 would come in a second"},
		{"duration: 1m\nrooms:\n  - count: 2\n    members:\n      - {count: 2501, at: 0s, over: 1s}\n", "over: more than 5000 would come in a second"},
		{"duration: 1m\nrooms:\n  - count: 5\n", "line 3: rooms[0].members: a room needs members"},
		{"duration: 1m\nrooms:\n  - count: 99999\n    members:\n      - {count: 1}\n", "line 3: rooms[0].count"},
		{"duration: 1m\nrooms:\n  - count: 2000\n    members:\n      - {count: 2000}\n", "line 3: rooms: there are more than 100000 participants"},
		{"duration: 1m\nrooms:\n  - members:\n      - {count: 0}\n", "no participants"},
		{"duration: 1m\nrooms:\n  - name: a\n    members: [{count: 1}]\n  - name: a\n    members: [{count: 1}]\n", "line 5: rooms[1].name: two groups"},
		{"duration: 1m\nrooms:\n  - name: A b\n    members: [{count: 1}]\n", "line 3: rooms[0].name: only a-z"},
		{member("churn: 10"), "line 5: rooms[0].members[0].churn: write which share"},
		{member("churn: 3000%/min"), "2000%/min"},
		{strings.Replace(member("churn: 2000%/min"), "1m\n", "24h\n", 1) + "      - count: 50\n        churn: 2000%/min\n", "more than 1000000 times"},
		{"duration: 1m\nrooms:\n  - members: [" + strings.Repeat("{count: 1},", MaxMembers+1) + "]\n", "line 3: rooms: there are more than 500 groups"},
		{member("network: bad"), "line 5: rooms[0].members[0].network: \"bad\": write what"},
		{member("layout: wall"), "there are stage, tile and mixed"},
		{member("codec: h266"), "there are vp8, vp9, h264 and av1"},
		{member("height: -1"), "height: it must be"},
		{member("last-n: -2"), "last-n: it must be"},
		{member("stay: -2s"), "stay: it must not"},
		{member("over: 2s"), "over: it means nothing without at"},
		{member("at: -1s"), "at: it must not"},
		{member("break-every: 1ms"), "2s or longer"},
		{"duration: 1m\n---\nduration: 2m\n", "second document"},
		{"{", "line 1"},
		{strings.Repeat("#", MaxFile+1), "more than"},
	} {
		if _, err := Parse([]byte(tc.file)); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%.80q:\n%v, want %q", tc.file, err, tc.want)
		}
	}
}

func TestApply(t *testing.T) {
	s, _ := Named("webinar")
	if err := s.Apply(Over{Duration: new(time.Minute), Ramp: "3/s", Rooms: new(2), Layout: "tile", Codec: "vp9", Churn: "5%/min", Network: "loss=1%", BreakEvery: time.Minute, Participants: new(103), Muted: true, Silence: true}); err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan("http://localhost", "x")
	if err != nil || p.Participants() != 206 || p.Duration != time.Minute || len(p.Rooms) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, r := range p.Roles {
		if r.Layout != "tile" || r.Codec != "VP9" || r.Churn != 0.05 || r.Network.Loss != 0.01 || r.BreakEvery != time.Minute || !r.Muted || !r.Silence {
			t.Errorf("%+v", r)
		}
	}
	for _, o := range []Over{
		{Participants: new(2)}, // there are more others
		{Participants: new(0)}, {Participants: new(-1)}, {Participants: new(MaxParticipants + 1)},
		{Rooms: new(0)}, {Rooms: new(-1)}, {Rooms: new(MaxRooms + 1)},
	} {
		if s.Apply(o) == nil {
			t.Errorf("%v rooms of %v are applied", o.Rooms, o.Participants)
		}
	}
	if err := s.Apply(Over{Signalling: true}); err != nil {
		t.Error(err)
	}
	if p, err := s.Plan("http://localhost", "x"); err != nil || !p.Roles[0].Signalling || !p.Roles[1].Signalling {
		t.Errorf("%+v, %v", p.Roles, err)
	}
	s.Rooms = append(s.Rooms, Rooms{Name: "other"})
	if s.Apply(Over{Rooms: new(3)}) == nil {
		t.Error("two groups have got one number")
	}
	bad, _ := Named("classroom")
	_ = bad.Apply(Over{Ramp: "slow"})
	if _, err := bad.Plan("http://localhost", "x"); err == nil || err.Error() != `ramp: "slow": write how many come in a second, such as 50/s, over which time they come, such as 30s, or all` {
		t.Error(err)
	}
}

// TestEqual compares with participants one by one.
func TestEqual(t *testing.T) {
	for _, s := range []Shape{{1, 3, -1, -1, 0, false}, {2, 10, 4, 7, 1, false}, {1, 5, 0, 0, 0, true}, {1, 4, 4, 2, 4, false}} {
		i := 0
		equal, err := Equal(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range equal.Rooms[0].Members {
			for range m.Count {
				has := func(n int) bool { return n < 0 || i < n }
				if m.Audio != has(s.Audio) || m.Video != has(s.Video) || m.Screen != has(s.Screens) || m.Signalling != s.Signalling {
					t.Errorf("%+v: number %d is %+v", s, i, m)
				}
				i++
			}
		}
		if i != s.Participants {
			t.Errorf("%+v: %d", s, i)
		}
	}
}

// TestUnequal: what cannot be is refused with the flag that asks for it.
func TestUnequal(t *testing.T) {
	for want, s := range map[string]Shape{
		"--rooms: it must be from 1 to ":        {0, 3, -1, -1, 0, false},
		"--participants: it must be from 1 to ": {1, 0, 0, 0, 0, false},
		"--audio: it must be from 0 to 3":       {1, 3, 4, -1, 0, false},
		"--video: it must be from 0 to 3":       {1, 3, -1, 5, 0, false},
		"--screens: it must be from 0 to 3":     {1, 3, -1, -1, -2, false},
		"not 100001":                            {1, MaxParticipants + 1, -1, -1, 0, false},
	} {
		if _, err := Equal(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
}

// FuzzParse: whatever is read makes a plan that can be carried out.
func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		f.Add([]byte(Text(name)))
	}
	f.Add([]byte("duration: 1m\nrooms: [{members: [{count: 3, churn: 1%/min, network: 'loss=1%'}]}]"))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := Parse(file)
		if err != nil || s.Participants() > 5000 {
			return
		}
		p, err := s.Plan("http://localhost", "x")
		if err := cmp.Or(err, p.Check()); err != nil {
			t.Fatal(err)
		}
		if p.Participants() != s.Participants() {
			t.Fatal(fmt.Sprint(p.Participants(), " participants, not ", s.Participants()))
		}
	})
}
