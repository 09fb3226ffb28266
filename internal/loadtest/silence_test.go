package loadtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/site"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

// TestAwaited: what counts as silence is decided by what others in the room
// sent, and by what was received before.
func TestAwaited(t *testing.T) {
	r := &run{site: &site.Site{LastN: -1}}
	here, elsewhere := &room{}, &room{}
	all, none := &Role{}, &Role{LastN: new(int)}
	me, other, far := &participant{r: r, room: here}, &participant{r: r, room: here, role: all}, &participant{r: r, room: elsewhere, role: all}
	r.all = []*participant{me, other, far}
	b := &book{r: r}
	me.hearing.heard, other.hearing.sends = true, true
	for _, tc := range []struct {
		name                 string
		state                record.State
		unheard, blind       bool
		waited               time.Duration
		blank                bool
		in, video            uint64
		spoke                time.Duration
		from                 *participant
		moving, without      bool
		wantListen, wantMute int
	}{
		{name: "video comes", in: 90, video: 90, moving: true, wantListen: 1},
		{name: "video does not", video: 90, moving: true, wantListen: 1, wantMute: 1},
		{name: "video that is not forwarded", video: 90},
		{name: "video of another room", video: 90, moving: true, from: far},
		{name: "its own video", video: 90, moving: true, from: me},
		{name: "video that just began", video: 1, moving: true},
		{name: "speech comes", in: 40, spoke: time.Second, wantListen: 1},
		{name: "speech does not", spoke: time.Second, wantListen: 1, wantMute: 1},
		{name: "nobody talks"},
		{name: "a word", spoke: 100 * time.Millisecond},
		{name: "nothing came yet", spoke: time.Second, unheard: true},
		{name: "nothing came for a while", spoke: time.Second, unheard: true, waited: firstPatience, wantListen: 1, wantMute: 1},
		{name: "no picture came for a while", video: 90, unheard: true, waited: firstPatience, wantListen: 1, wantMute: 1},
		{name: "it asks for none", video: 90, unheard: true, blind: true, waited: firstPatience},
		{name: "the bridge forwards none", video: 90, unheard: true, blank: true, waited: firstPatience},
		{name: "the first comes late", spoke: time.Second, in: 1, unheard: true, waited: firstPatience, wantListen: 1},
		{name: "it has never had keys", state: record.InRoom, without: true, spoke: time.Second, unheard: true, waited: firstPatience},
		{name: "it joins anew", state: record.Joining, without: true, spoke: time.Second},
		{name: "it left", state: record.Left, without: true, spoke: time.Second},
		{name: "its session was ended", state: record.InRoom, without: true, wantListen: 1, wantMute: 1},
	} {
		for _, p := range r.all {
			p.story.state = record.InCall
			p.pulse.secure.Store(true)
		}
		me.hearing = hearing{heard: !tc.unheard, waited: tc.waited}
		if me.role = all; tc.blind {
			me.role = none
		}
		me.pulse.blank.Store(tc.blank)
		if tc.state != "" {
			me.story.state = tc.state
		}
		me.pulse.secure.Store(!tc.without)
		me.pulse.moving.Store(tc.moving)
		me.pulse.in.Store(tc.in)
		from := tc.from
		if from == nil {
			from = other
		}
		from.pulse.video.Store(tc.video)
		from.pulse.spoke.Store(int64(tc.spoke))
		var s record.Second
		b.listen(&s, time.Second)
		if s.Listening != tc.wantListen || s.Silent != tc.wantMute || me.hearing.silence != time.Duration(tc.wantMute)*time.Second {
			t.Errorf("%s: %d listened and %d heard nothing, want %d and %d; %v", tc.name, s.Listening, s.Silent, tc.wantListen, tc.wantMute, me.hearing.silence)
		}
	}
}

// TestShortSeconds: the book takes stock late, and soon again to make up for
// it. So short a time is not judged by itself, but no silence is lost by that;
// and silence is counted in whole seconds.
func TestShortSeconds(t *testing.T) {
	const ms = time.Millisecond
	r, here := &run{site: &site.Site{LastN: -1}}, &room{}
	me, other := &participant{r: r, room: here, role: &Role{}}, &participant{r: r, room: here, role: &Role{}}
	r.all = []*participant{me, other}
	for _, tc := range []struct {
		name   string
		overs  []time.Duration
		in     []uint64 // packets that come in each
		listen []int    // how many should receive something, in each
		want   time.Duration
	}{
		{"a late one, and one soon after", []time.Duration{1930 * ms, 70 * ms, 1000 * ms}, []uint64{1, 0, 1}, []int{1, 0, 1}, 0},
		{"silence among short ones", []time.Duration{2700 * ms, 100 * ms, 100 * ms, 100 * ms, 1000 * ms}, []uint64{1, 0, 0, 0, 0}, []int{1, 0, 0, 0, 1}, time.Second},
		{"short ones together", []time.Duration{329 * ms, 329 * ms, 329 * ms}, []uint64{0, 0, 0}, []int{0, 0, 1}, time.Second},
		{"what comes in a short one", []time.Duration{500 * ms, 500 * ms}, []uint64{1, 0}, []int{0, 1}, 0},
		{"ordinary ones", []time.Duration{960 * ms, 1040 * ms, 900 * ms}, []uint64{0, 0, 0}, []int{1, 1, 1}, 3 * time.Second},
		{"a late one", []time.Duration{2930 * ms}, []uint64{0}, []int{1}, 3 * time.Second},
	} {
		b := &book{r: r}
		me.hearing, other.hearing = hearing{heard: true}, hearing{}
		for _, p := range r.all {
			p.story.state = record.InCall
			p.pulse.secure.Store(true)
		}
		me.pulse.in.Store(0)
		other.pulse.spoke.Store(0)
		for i, over := range tc.overs {
			me.pulse.in.Add(tc.in[i])
			other.pulse.spoke.Add(int64(over))
			var s record.Second
			if b.listen(&s, over); s.Listening != tc.listen[i] {
				t.Errorf("%s: %d listen in number %d", tc.name, s.Listening, i)
			}
		}
		if me.hearing.silence != tc.want {
			t.Errorf("%s: silent for %v, want %v", tc.name, me.hearing.silence, tc.want)
		}
	}
}

// TestDeadServer: a server that ends half-way is told in figures and words.
func TestDeadServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	url, stop := serveMortal(t, nil)
	plan := Simple{URL: url, Rooms: 1, Participants: 4, Audio: -1, Video: -1, Duration: inTime, RoomPrefix: "dead"}.Plan()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	heard, unheard := 0, 0
	rep, err := Run(ctx, plan, Options{OnSecond: func(s record.Second) {
		switch {
		case s.Listening == 4 && s.Silent == 0:
			if heard++; heard == 2 {
				stop()
			}
		case s.Silent == 4:
			if unheard++; unheard == 3 {
				cancel()
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if heard < 2 {
		stop()
	}
	sum := verdict.Judge(rep)
	text := strings.Join(sum.Words, " ")
	if sum.SilentPeople != 4 || sum.SilentFrom == 0 || sum.Silent < 11*time.Second || sum.Video.Freezes == 0 ||
		!strings.Contains(text, "on nothing came from the server") || !strings.Contains(text, "4 of 4 participants received nothing at all") {
		t.Errorf("%d silent for %v, from %v on, %d freezes: %s", sum.SilentPeople, sum.Silent, sum.SilentFrom, sum.Video.Freezes, text)
	}
}

// TestNeverHeard: a server whose bridge channel cannot be found by its name
// forwards nothing from the beginning. That is silence, told in words that
// name the host.
func TestNeverHeard(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	address := ""
	serve(t, func(c *config.Config) { address, c.Domain = c.HTTP.Listen, "nowhere.invalid" })
	plan := Simple{URL: "http://" + address, Rooms: 1, Participants: 3, Audio: -1, Video: -1, Duration: inTime, RoomPrefix: "deaf"}.Plan()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rep, err := Run(ctx, plan, Options{OnSecond: func(s record.Second) {
		if s.Silent == 3 {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	sum := verdict.Judge(rep)
	text := strings.Join(sum.Words, " ")
	if sum.SilentPeople != 3 || sum.Silent != sum.Listened || sum.Listened == 0 {
		t.Errorf("%d silent, %v of %v", sum.SilentPeople, sum.Silent, sum.Listened)
	}
	for _, want := range []string{"Nobody heard or saw anybody", "bridge channel: the name nowhere.invalid cannot be resolved", "put the name into DNS", "public-url", "3 of 3 participants received nothing at all"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in: %s", want, text)
		}
	}
}
