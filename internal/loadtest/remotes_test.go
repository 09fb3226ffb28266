package loadtest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// slowRemotes is remotes by the book: everything is looked through each time.
type slowRemotes map[string]*remote

func (s slowRemotes) find(name, owner string) *remote {
	if s[name] == nil {
		s[name] = &remote{name: name, owner: owner}
	}
	return s[name]
}

func (s slowRemotes) told(owner string, info map[string]sourceState) {
	for name, r := range s {
		if _, ok := info[name]; r.owner == owner && !ok {
			r.muted, r.told = true, true
		}
	}
	for name, i := range info {
		r := s.find(name, owner)
		r.muted, r.told, r.desktop = i.Muted, true, i.VideoType == "desktop"
		r.video = name[len(name)-2] == 'v'
	}
}

func (s slowRemotes) forget(owner string) {
	maps.DeleteFunc(s, func(_ string, r *remote) bool { return r.owner == owner })
}

// shown is what is to be seen.
func (s slowRemotes) shown() (videos, screens []string) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		switch r := s[name]; {
		case !r.video || r.muted || !r.told && !r.listed:
		case r.desktop:
			screens = append(screens, name)
		default:
			videos = append(videos, name)
		}
	}
	return videos, screens
}

// TestRemotes compares with the slow twin, whatever owners tell in whatever
// order, sources of others included: what is to be seen, what is muted, and
// whether something has changed.
func TestRemotes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		fast, slow := newRemotes(), slowRemotes{}
		var videos, screens []string
		for step := range 60 {
			owner := string(rune('a' + rnd.IntN(5)))
			name := fmt.Sprintf("%c-%c%d", 'a'+rnd.IntN(5), "av"[rnd.IntN(2)], rnd.IntN(2))
			var shown bool
			switch rnd.IntN(5) {
			case 0, 1:
				info := map[string]sourceState{}
				for range rnd.IntN(3) {
					info[fmt.Sprintf("%s-%c%d", owner, "av"[rnd.IntN(2)], rnd.IntN(2))] = sourceState{rnd.IntN(2) == 0, []string{"", "desktop"}[rnd.IntN(2)]}
				}
				info[name] = sourceState{Muted: rnd.IntN(2) == 0}
				before := fast.muted()
				changed, is, _ := fast.told(owner, info)
				shown = is
				slow.told(owner, info)
				for n := range changedMutes(before, fast.muted()) {
					if !slices.ContainsFunc(changed, func(r *remote) bool { return r.name == n }) {
						t.Fatalf("%s: nobody is told that it was muted, or is not", n)
					}
				}
			case 2, 3:
				now := look{video: name[2] == 'v', listed: rnd.IntN(2) == 0}
				shown = fast.become(fast.find(name, owner), now)
				slow.find(name, owner).look = now
			case 4:
				_, shown = fast.forget(owner)
				slow.forget(owner)
			}
			v, s := slow.shown()
			if !slices.Equal(fast.videos, v) || !slices.Equal(fast.screens, s) {
				t.Fatalf("step %d: %v and %v are to be seen, not %v and %v", step, v, s, fast.videos, fast.screens)
			}
			if !shown && (!slices.Equal(v, videos) || !slices.Equal(s, screens)) {
				t.Fatalf("step %d: %v and %v are to be seen, %v and %v before, and it was not said", step, v, s, videos, screens)
			}
			videos, screens = slices.Clone(v), slices.Clone(s)
			checkSame(t, &fast, slow)
		}
	}
}

func changedMutes(a, b map[string]bool) map[string]bool {
	out := map[string]bool{}
	for n := range a {
		if !b[n] {
			out[n] = true
		}
	}
	for n := range b {
		if !a[n] {
			out[n] = true
		}
	}
	return out
}

// checkSame: both know the same, by name and by owner.
func checkSame(t *testing.T, fast *remotes, slow slowRemotes) {
	t.Helper()
	owned := 0
	for owner, list := range fast.byOwner {
		for _, r := range list {
			if owned++; r.owner != owner || fast.byName[r.name] != r || slow[r.name] == nil || slow[r.name].look != r.look || slow[r.name].owner != owner {
				t.Fatalf("%s has %+v, not %+v", owner, r, slow[r.name])
			}
		}
	}
	if owned != len(slow) || len(fast.byName) != len(slow) {
		t.Fatalf("%d sources of owners, %d names, not %d", owned, len(fast.byName), len(slow))
	}
}

// TestUnlist: at the end of a session nothing is to be seen but what presence
// has told of.
func TestUnlist(t *testing.T) {
	s := newRemotes()
	s.become(s.find("a-v0", "a"), look{video: true, listed: true})
	s.told("b", map[string]sourceState{"b-v0": {}, "b-v1": {VideoType: "desktop"}, "b-a0": {Muted: true}})
	s.become(s.find("b-v0", "b"), look{video: true, told: true, listed: true})
	s.unlist()
	if fmt.Sprint(s.videos, s.screens, s.muted()) != "[b-v0] [b-v1] map[b-a0:true]" {
		t.Error(s.videos, s.screens, s.muted())
	}
}

// TestMuted: people who have muted microphone and camera announce both, and
// the others learn from Jingle that there are such and from presence that they
// are muted. Nothing is sent, or silence alone, while those who are muted get what others send.
func TestMuted(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plan := Simple{URL: serve(t, nil), Rooms: 1, Participants: 4, Audio: -1, Video: -1, Duration: inTime, RoomPrefix: "muted"}.Plan()
	plan.Roles = append(plan.Roles, Role{Name: "muted", Audio: true, Video: true, Muted: true}, Role{Name: "silent", Audio: true, Video: true, Muted: true, Silence: true})
	plan.Rooms[0].Members = []Member{{Role: plan.Roles[0].Name, Count: 1}, {Role: "muted", Count: 2}, {Role: "silent", Count: 1}}
	plan.Rewriting = "off" // then Jingle tells of everybody's sources
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, got, want := new(run), "", "announced 6, muted 6"
	rep, err := r.carryOut(ctx, plan, Options{OnSecond: func(record.Second) {
		if got = known(r.all[0]); got == want && everybodyReceives(r, r.all[1:]) {
			stop()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range rep.Participants {
		sender := p.Role == plan.Roles[0].Name
		if m := p.Media; m == nil || (p.Role == "muted") != (m.PacketsOut == 0) || !sender && m.PacketsIn == 0 || m.RTCPOut == 0 {
			t.Errorf("%s: %+v", p.Name, m)
		}
	}
	if got != want {
		t.Errorf("of others it is known: %s", got)
	}
}

// known says what a participant knows of others.
func known(p *participant) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	listed := 0
	for _, r := range p.remotes.byName {
		if r.listed {
			listed++
		}
	}
	return fmt.Sprintf("announced %d, muted %d", listed, len(p.remotes.muted()))
}

func everybodyReceives(r *run, all []*participant) bool {
	media := r.snapshots()
	return !slices.ContainsFunc(all, func(p *participant) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return media[p.peer].PacketsIn == 0
	})
}

// TestMutedSources: a muted microphone or camera is announced like any other,
// and there is nothing to send; a screen is not muted.
func TestMutedSources(t *testing.T) {
	o := &offer{codecs: map[string]uint8{"opus": 111, "VP8": 100}, rtxFor: map[uint8]uint8{100: 101}}
	role := Role{Audio: true, Video: true, Screen: true}
	open := makeSources(o, &role, "0a1b2c3d", nil, 0)
	role.Muted = true
	streams := len(makeSources(o, &role, "0a1b2c3d", nil, 0).still)
	role.Silence = true
	if silent := makeSources(o, &role, "0a1b2c3d", nil, 0); silent.audio == nil || len(silent.still) != streams || streams != 4 {
		t.Errorf("with silence %v is sent, %d and %d streams are muted", silent.audio, streams, len(silent.still))
	}
	role.Silence = false
	muted := makeSources(o, &role, "0a1b2c3d", nil, 0)
	if len(muted.set.Sources) != len(open.set.Sources) || len(muted.set.Groups) != len(open.set.Groups) || !slices.Equal(muted.names, open.names) {
		t.Errorf("%+v, not as %+v", muted.set, open.set)
	}
	if open.audio == nil || len(open.videos) != 2 || muted.audio != nil || len(muted.videos) != 1 || muted.videos[0].Layers[0].Source != "0a1b2c3d-v1" {
		t.Errorf("%v and %d videos are sent", muted.audio, len(muted.videos))
	}
	if a, b := role.videoType("0a1b2c3d-v0"), role.videoType("0a1b2c3d-v1"); a != "none" || b != "desktop" {
		t.Errorf("the bridge is told %s and %s", a, b)
	}
}
