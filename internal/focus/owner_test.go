package focus

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// noBridge stands for a bridge that is only compared.
type noBridge struct{ id int }

func (*noBridge) Modify(context.Context, *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	return nil, nil
}

func TestTogether(t *testing.T) {
	one, other := &noBridge{1}, &noBridge{2}
	about := func(b colibri.Bridge, ids ...string) job {
		req := &colibri.ConferenceModify{}
		for _, id := range ids {
			req.Endpoints = append(req.Endpoints, colibri.EndpointModify{ID: id})
		}
		return job{bridge: b, req: req}
	}
	creates, expires := about(one, "a"), about(one)
	creates.req.Create, expires.req.Expire = true, true
	var many []job
	for i := range maxTogether + 5 {
		many = append(many, about(one, fmt.Sprint(i)))
	}
	for _, tc := range []struct {
		name string
		jobs []job
		want int
	}{
		{"one", []job{about(one, "a")}, 1},
		{"different endpoints", []job{about(one, "a"), about(one, "b"), about(one, "c")}, 3},
		{"the same endpoint again", []job{about(one, "a"), about(one, "b"), about(one, "a")}, 2},
		{"another bridge", []job{about(one, "a"), about(other, "b")}, 1},
		{"the conference begins first", []job{creates, about(one, "b")}, 1},
		{"the conference ends last", []job{about(one, "a"), about(one, "b"), expires}, 2},
		{"several endpoints already", []job{about(one, "a", "b"), about(one, "c")}, 1},
		{"too many", many, maxTogether},
	} {
		if got := together(tc.jobs); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// pickyBridge takes a while, and refuses whole what has one endpoint in it.
type pickyBridge struct {
	bad   string
	asked [][]string
}

func (b *pickyBridge) Modify(_ context.Context, req *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	var ids []string
	bad := false
	for _, e := range req.Endpoints {
		ids = append(ids, e.ID)
		bad = bad || e.ID == b.bad
	}
	b.asked = append(b.asked, ids)
	time.Sleep(time.Second)
	if bad {
		return nil, &colibri.Error{Reason: colibri.BadRequest}
	}
	return &colibri.ConferenceModified{}, nil
}

// TestRefusedTogether: requests that went as one and were refused are made
// again one by one, so that only the culprit fails.
func TestRefusedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		o := &owner{f: w.f, mail: newMailbox[event]()}
		o.conf = newConference(&w.f.shared, o, xmpp.JID{Local: "daily", Domain: "conference." + domain}, time.Now())
		b := &pickyBridge{bad: "c"}
		results := map[string]bool{}
		for _, id := range []string{"a", "b", "c", "d"} {
			o.ask(b, &colibri.ConferenceModify{Endpoints: []colibri.EndpointModify{{ID: id}}},
				func(_ *colibri.ConferenceModified, err error) { results[id] = err == nil })
			o.makeRequests() // the first is under way when the others come
		}
		w.pass(time.Minute)
		for _, ev := range o.mail.take() {
			ev.do(o.conf, time.Now())
		}
		if got, want := fmt.Sprint(b.asked), "[[a] [b c d] [b] [c] [d]]"; got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		if got, want := fmt.Sprint(results), "map[a:true b:true c:false d:true]"; got != want {
			t.Errorf("results %s, want %s", got, want)
		}
	})
}
