package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

func create(id string) colibri.EndpointModify {
	return colibri.EndpointModify{ID: id, Create: true, WantTransport: true, Media: offer()}
}

func with(m colibri.EndpointModify, f func(m *colibri.EndpointModify)) colibri.EndpointModify {
	f(&m)
	return m
}

func oneSource(ssrc uint32) *source.Set {
	return &source.Set{Sources: []source.Source{{SSRC: ssrc, Kind: 1, Name: "x-a0"}}}
}

// TestModifyRefusals: what is refused changes nothing.
func TestModifyRefusals(t *testing.T) {
	r := newRig(t, 1, func(o *Options) { o.Limits.EndpointsPerConference = 3; o.Limits.SourcesPerEndpoint = 4 })
	r.modify(&colibri.ConferenceModify{MeetingID: meeting, Create: true, Endpoints: []colibri.EndpointModify{
		with(create("aaaaaaaa"), func(m *colibri.EndpointModify) { m.Sources = oneSource(1) }),
		with(create("bbbbbbbb"), func(m *colibri.EndpointModify) { m.Visitor = true }),
	}})
	minusTwo, five := -2, source.Set{Sources: make([]source.Source, 5)}
	one := func(m colibri.EndpointModify) *colibri.ConferenceModify {
		return &colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{m}}
	}
	for name, tc := range map[string]struct {
		req  *colibri.ConferenceModify
		want colibri.Reason
	}{
		"no meeting id":      {&colibri.ConferenceModify{Create: true}, colibri.BadRequest},
		"exists":             {&colibri.ConferenceModify{MeetingID: meeting, Create: true}, colibri.ConferenceAlreadyExists},
		"unknown conference": {&colibri.ConferenceModify{MeetingID: "?"}, colibri.ConferenceNotFound},
		"unknown endpoint":   {one(colibri.EndpointModify{ID: "cccccccc", Sources: oneSource(9)}), colibri.UnknownEndpoint},
		"bad id":             {one(create("AAAAAAAA")), colibri.BadRequest},
		"endpoint exists":    {one(create("aaaaaaaa")), colibri.BadRequest},
		"create and expire":  {one(with(create("cccccccc"), func(m *colibri.EndpointModify) { m.Expire = true })), colibri.BadRequest},
		"no transport":       {one(with(create("cccccccc"), func(m *colibri.EndpointModify) { m.WantTransport = false })), colibri.BadRequest},
		"no media":           {one(with(create("cccccccc"), func(m *colibri.EndpointModify) { m.Media = nil })), colibri.BadRequest},
		"last-n":             {one(with(create("cccccccc"), func(m *colibri.EndpointModify) { m.InitialLastN = &minusTwo })), colibri.BadRequest},
		"many sources":       {one(colibri.EndpointModify{ID: "aaaaaaaa", Sources: &five}), colibri.BadRequest},
		"visitor's source":   {one(colibri.EndpointModify{ID: "bbbbbbbb", Sources: oneSource(2)}), colibri.BadRequest},
		"neighbour's ssrc":   {one(with(create("cccccccc"), func(m *colibri.EndpointModify) { m.Sources = oneSource(1) })), colibri.BadRequest},
		"neighbour's name":   {one(with(create("cccccccc"), func(m *colibri.EndpointModify) { m.Sources = oneSource(7) })), colibri.BadRequest},
		"neighbour's ssrc in a group": {one(with(create("cccccccc"), func(m *colibri.EndpointModify) {
			m.Sources = &source.Set{
				Sources: []source.Source{{SSRC: 8, Kind: media.Video, Name: "cccccccc-v0"}},
				Groups:  []source.Group{{Semantics: source.FID, Kind: media.Video, SSRCs: []uint32{8, 1}}},
			}
		})), colibri.BadRequest},
		"too many endpoints": {&colibri.ConferenceModify{MeetingID: meeting, Endpoints: []colibri.EndpointModify{create("cccccccc"), create("dddddddd")}}, colibri.BadRequest},
	} {
		_, err := r.Modify(r.ctx, tc.req)
		var refused *colibri.Error
		if !errors.As(err, &refused) || refused.Reason != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	r.inside(func(c *conference) {
		if len(c.endpoints) != 2 || len(c.sources) != 1 {
			t.Errorf("%d endpoints and %d sources are left", len(c.endpoints), len(c.sources))
		}
	})
}

// TestModifyLife: late requests about endpoints that have gone are no error,
// and a conference ends with its last endpoint.
func TestModifyLife(t *testing.T) {
	r := newRig(t, 2)
	first := r.modify(&colibri.ConferenceModify{MeetingID: meeting, Create: true, Endpoints: []colibri.EndpointModify{create("aaaaaaaa")}})
	tr := first.Endpoints[0].Transport
	if tr.Ufrag == "" || tr.Pwd == "" || tr.Fingerprint.Setup != "actpass" || len(tr.Candidates) == 0 || tr.ChannelURL == "" {
		t.Errorf("transport %+v", tr)
	}
	if n := len(first.Feedback.Sources); n != 2 || first.Feedback.Sources[0].Name != "jvb-a0" {
		t.Errorf("feedback %+v", first.Feedback)
	}
	gone := &colibri.ForceMute{Audio: true}
	r.change(meeting, colibri.EndpointModify{ID: "bbbbbbbb", ForceMute: gone})
	r.change(meeting, colibri.EndpointModify{ID: "bbbbbbbb", Expire: true})
	r.change(meeting, colibri.EndpointModify{ID: "aaaaaaaa", Expire: true})
	_, err := r.Modify(r.ctx, &colibri.ConferenceModify{MeetingID: meeting})
	var refused *colibri.Error
	if !errors.As(err, &refused) || refused.Reason != colibri.ConferenceNotFound {
		t.Errorf("after the last endpoint: %v", err)
	}
	r.modify(&colibri.ConferenceModify{MeetingID: meeting, Create: true, Endpoints: []colibri.EndpointModify{create("aaaaaaaa")}})
	r.modify(&colibri.ConferenceModify{MeetingID: meeting, Expire: true})
	r.Drain()
	_, err = r.Modify(r.ctx, &colibri.ConferenceModify{MeetingID: meeting, Create: true})
	if !errors.As(err, &refused) || refused.Reason != colibri.GracefulShutdown {
		t.Errorf("while draining: %v", err)
	}
}

// TestModifyGivesUp: an answer is not waited for longer than the caller wants.
func TestModifyGivesUp(t *testing.T) {
	r := newRig(t, 1)
	r.modify(&colibri.ConferenceModify{MeetingID: meeting, Create: true, Endpoints: []colibri.EndpointModify{create("aaaaaaaa")}})
	hold := make(chan struct{})
	r.workers[0].mail.postAlways(call(func(*worker) { <-hold }))
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	if _, err := r.Modify(ctx, &colibri.ConferenceModify{MeetingID: meeting}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(hold)
}

// reports collects what the bridge tells the focus.
type reports struct {
	mu     sync.Mutex
	events []colibri.EndpointEvent
	news   chan struct{}
}

func (r *reports) Report(ev colibri.EndpointEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
	r.news <- struct{}{}
}

// TestExpiry: who never connects is forgotten and reported, and so is a
// conference that nobody ever came to.
func TestExpiry(t *testing.T) {
	r := newRig(t, 1, func(o *Options) {
		o.Limits.NeverConnected = 100 * time.Millisecond
		o.Limits.EmptyConference = 100 * time.Millisecond
	})
	told := &reports{news: make(chan struct{}, 10)}
	r.SetReporter(told)
	r.modify(&colibri.ConferenceModify{MeetingID: meeting, Create: true, Endpoints: []colibri.EndpointModify{create("aaaaaaaa")}})
	select {
	case <-told.news:
	case <-r.ctx.Done():
		t.Fatal("nothing was reported")
	}
	if ev := told.events[0]; ev.MeetingID != meeting || ev.Endpoint != "aaaaaaaa" || ev.Kind != colibri.EndpointExpired {
		t.Errorf("event %+v", ev)
	}
	for r.workers[0].numConferences.Load() != 0 {
		if r.ctx.Err() != nil {
			t.Fatal("the conference is still there")
		}
		r.inTurn()
	}
	r.inTurn() // it is counted as gone before its home is forgotten
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.homes)+len(r.doors) != 0 {
		t.Errorf("left over: homes %v, doors %v", r.homes, r.doors)
	}
}

// inTurn waits until the worker has been through a turn.
func (r *rig) inTurn() {
	done := make(chan struct{})
	r.workers[0].mail.postAlways(call(func(*worker) { close(done) }))
	<-done
}

// TestState: the debug tree tells what is going on, but no secrets.
func TestState(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newRig(t, 2, func(o *Options) { o.Metrics = reg })
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.join(meeting, "bbbbbbbb", 2000)
	b.ask(want(180))
	b.until("video", func() { a.allVideo(true); a.audio(20) }, func() bool { return len(b.packets(1001)) > 0 && len(b.packets(1000)) > 0 })
	text, err := json.Marshal(r.State())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"ice":"connected"`, `"srtp":"`, `"name":"aaaaaaaa-v0"`, `"source":"aaaaaaaa-v0"`, `"wanted_height":180`,
		`127.0.0.0/24`, `"packets_received"`, `"room":"room@conference.test"`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is missing in\n%s", part, text)
		}
	}
	for _, key := range regexp.MustCompile(`"([^"]*)":`).FindAllStringSubmatch(string(text), -1) {
		if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(key[1]) {
			t.Errorf("key %q is not in snake_case", key[1])
		}
	}
	if strings.Contains(string(text), ":null") {
		t.Errorf("a list is null in\n%s", text)
	}
	for _, secret := range []string{a.offered.Pwd, a.offered.ChannelURL, a.Addr().String()} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is in the state", secret)
		}
	}
	families, err := reg.Gather()
	if err != nil || len(families) < int(numCounters) {
		t.Errorf("%d families of metrics, %v", len(families), err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "bridge_") { // the process's registry adds its own prefix
			t.Errorf("metric %s", f.GetName())
		}
	}
	if lines := r.Candidates(); len(lines) == 0 || !strings.Contains(lines[0], "127.0.0.1:") {
		t.Errorf("candidates %v", lines)
	}
}
