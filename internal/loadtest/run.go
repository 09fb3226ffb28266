package loadtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/dial"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/site"
	"github.com/plenum-conf/plenum/internal/mono"
)

// Options are what a run is given besides its plan.
type Options struct {
	// OnSecond is called at the end of each second, from one goroutine.
	OnSecond func(record.Second)
}

// run is one run.
type run struct {
	plan     *Plan
	site     *site.Site
	dialer   dialer
	http     *http.Client
	identity *dial.Identity
	began    mono.Time
	start    time.Time
	cpu      time.Duration // used before

	workers []*worker
	all     []*participant
	errors  atomic.Int64
	living  sync.WaitGroup
}

// room is a room with what its participants share.
type room struct {
	name string
	seed uint64
	size int // who has a microphone
}

// Run carries out a plan and returns what happened. The error says why the
// plan could not be begun; what goes wrong later stands in the report. When
// ctx ends everybody leaves and the report is of what happened until then.
func Run(ctx context.Context, plan Plan, opt Options) (*record.Report, error) {
	if err := plan.Check(); err != nil {
		return nil, err
	}
	if plan.OpenOneIn <= 0 {
		plan.OpenOneIn = DefaultOpenOneIn
	}
	if plan.Workers <= 0 {
		plan.Workers = runtime.GOMAXPROCS(0)
	}
	r := &run{plan: &plan, start: time.Now(), began: mono.Now(), cpu: cpuTime()}
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	r.populate()
	ctx, cancel := context.WithTimeout(ctx, plan.Duration)
	defer cancel()
	for _, w := range r.workers {
		go w.run()
	}
	seconds := r.watch(ctx, opt.OnSecond)
	return r.finish(seconds), nil
}

// prepare learns about the deployment and makes the workers.
func (r *run) prepare(ctx context.Context) error {
	tcp := guard(r.plan.PrivateOnly)
	r.http = &http.Client{Transport: &http.Transport{
		DialContext:     tcp.DialContext,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: r.plan.Insecure}, //nolint:gosec // only when asked for
		MaxIdleConns:    256, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second,
	}}
	base, _ := url.Parse(r.plan.URL) // Check has read it
	s, err := r.learn(ctx, base)
	if err != nil {
		return err
	}
	r.site = s
	r.override()
	r.dialer = dialer{net: tcp, tls: r.http.Transport.(*http.Transport).TLSClientConfig, origin: s.Origin()}
	if r.identity, err = dial.NewIdentity(); err != nil {
		return err
	}
	for range r.plan.Workers {
		w, err := newWorker(r.plan.OpenOneIn)
		if err != nil {
			return err
		}
		r.workers = append(r.workers, w)
	}
	return nil
}

// learn reads config.js. A deployment without one is taken for a usual one,
// and a bare XMPP server is not asked.
func (r *run) learn(ctx context.Context, base *url.URL) (*site.Site, error) {
	if site.IsBare(base) {
		return site.Bare(base, r.plan.Domain, r.plan.MUC), nil
	}
	guess := site.Guess(base)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, guess.Base.String()+"config.js", nil)
	if err != nil {
		return nil, err
	}
	res, err := r.http.Do(req)
	if err != nil {
		var at *url.Error // it repeats the URL
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, fmt.Errorf("%s does not answer: %w", base.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusNotFound {
		return guess, nil
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s was answered with %s", req.URL, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, site.MaxConfig+1))
	if err != nil {
		return nil, err
	}
	c, err := site.ReadConfig(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.URL, err)
	}
	return site.FromConfig(base, c)
}

// override lets the plan have its way.
func (r *run) override() {
	if r.site.Bare {
		return
	}
	switch r.plan.Request {
	case "iq":
		r.site.Request = ""
	case "http":
		if r.site.Request == "" {
			r.site.Request = r.site.Base.String() + "conference-request/v1"
		}
	}
	if c := r.plan.Channel; c != "" {
		r.site.PreferSCTP = c == "sctp"
	}
	if w := r.plan.Rewriting; w != "" {
		r.site.Rewriting = w == "on"
	}
}

// populate makes the participants, spread over the workers.
func (r *run) populate() {
	for i := range r.plan.Rooms {
		pr := &r.plan.Rooms[i]
		rm := &room{name: strings.ToLower(pr.Name), seed: r.plan.Seed + uint64(i)}
		for _, m := range pr.Members {
			if role, _ := r.plan.role(m.Role); role.Audio {
				rm.size += m.Count
			}
		}
		speakers, who := 0, 0
		for _, m := range pr.Members {
			role, _ := r.plan.role(m.Role)
			for k := range m.Count {
				p := &participant{
					r: r, index: len(r.all), room: rm, role: role, who: -1, quit: make(chan struct{}),
					name: fmt.Sprintf("%s %d", strings.ToUpper(role.Name[:1])+role.Name[1:], who+1),
					w:    r.workers[len(r.all)%len(r.workers)], remote: map[string]*remote{},
					begins: m.At + m.Over*time.Duration(k)/time.Duration(m.Count),
				}
				if role.Audio {
					p.who = speakers
					speakers++
				}
				who++
				p.story = story{run: r.began, events: &r.errors, state: record.Waiting}
				r.all = append(r.all, p)
			}
		}
	}
}

// shepherdPeriod is how often everybody's timers are looked at.
const shepherdPeriod = 100 * time.Millisecond

// watch lets participants begin and leave, looks after their timers, and
// takes stock each second, until ctx ends.
func (r *run) watch(ctx context.Context, onSecond func(record.Second)) []record.Second {
	var seconds []record.Second
	book := newBook(r)
	tick := time.NewTicker(shepherdPeriod)
	defer tick.Stop()
	nextSecond := r.began.Add(time.Second)
	for {
		now := mono.Now()
		r.tendAll(ctx, now)
		if now >= nextSecond {
			nextSecond = nextSecond.Add(time.Second)
			s := book.second(now)
			seconds = append(seconds, s)
			if onSecond != nil {
				onSecond(s)
			}
		}
		select {
		case <-ctx.Done():
			return seconds
		case <-tick.C:
		}
	}
}

// tendAll goes through all participants.
func (r *run) tendAll(ctx context.Context, now mono.Time) {
	for _, p := range r.all {
		since := now.Sub(r.began)
		switch {
		case since < p.begins:
			continue
		case !p.started:
			p.started = true
			if p.role.Churn > 0 { // as atoms decay: at any moment everybody is equally likely to go
				p.churnAt = now.Add(max(time.Duration(rand.ExpFloat64()/p.role.Churn*float64(time.Minute)), time.Second))
			}
			if p.role.BreakEvery > 0 {
				p.breakAt = now.Add(p.role.BreakEvery/2 + rand.N(p.role.BreakEvery))
			}
			r.living.Add(1)
			go func() {
				defer r.living.Done()
				p.live(ctx)
			}()
			continue
		case p.churnAt != 0 && now >= p.churnAt && !p.left:
			p.left = true
			go p.leave(true)
			r.comeBack(p, since)
		case p.role.Stay > 0 && since >= p.begins+p.role.Stay && !p.left:
			p.left = true
			go p.leave(true)
		case p.breakAt != 0 && now >= p.breakAt:
			p.breakAt = now.Add(p.role.BreakEvery/2 + rand.N(p.role.BreakEvery))
			go p.breakNow()
		}
		p.tend(now)
	}
}

// Who left to come back stays away for a time between these.
const awayLeast, awayMost = 2 * time.Second, 8 * time.Second

// comeBack lets somebody who leaves now come back, as a participant of its
// own: to the server it is another.
func (r *run) comeBack(p *participant, since time.Duration) {
	q := &participant{
		r: r, index: len(r.all), room: p.room, role: p.role, who: p.who, quit: make(chan struct{}), name: p.name, w: p.w,
		remote: map[string]*remote{}, back: true, begins: since + awayLeast + rand.N(awayMost-awayLeast),
	}
	q.story = story{run: r.began, events: &r.errors, state: record.Waiting}
	r.all = append(r.all, q)
}

// finish takes the last stock, lets everybody leave, and writes the report.
func (r *run) finish(seconds []record.Second) *record.Report {
	rep := &record.Report{Target: r.plan.URL, Began: r.start, Duration: mono.Now().Sub(r.began), Plan: r.plan, Seconds: seconds}
	for _, p := range r.all {
		rep.Participants = append(rep.Participants, p.record())
	}
	rep.Machine = r.machine(seconds)
	var leaving sync.WaitGroup
	for _, p := range r.all {
		leaving.Go(func() { p.leave(true) })
	}
	leaving.Wait()
	r.living.Wait()
	for _, w := range r.workers {
		w.stop()
	}
	r.http.CloseIdleConnections()
	return rep
}

// ErrNobody says that not one participant came into its room.
var ErrNobody = errors.New("nobody got into a room")
