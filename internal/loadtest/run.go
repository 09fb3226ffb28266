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
	"unicode"
	"unicode/utf8"

	"github.com/plenum-conf/plenum/internal/loadtest/dial"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/site"
	"github.com/plenum-conf/plenum/internal/mono"
)

// Options are what a run is given besides its plan.
type Options struct {
	// OnSecond is called at the end of each second, from one goroutine.
	OnSecond func(record.Second)
	// Begin, if not nil, is called when all is prepared: the deployment is
	// known and answers. Its time begins when Begin returns; with an error
	// nobody comes, and Run returns it.
	Begin func(context.Context) error
}

// run is one run.
type run struct {
	ctx      context.Context // ends with the run: the parent of everybody's
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
	next    int // number of the next participant that comes back
	errors  atomic.Int64
	living  sync.WaitGroup // everything participants have under way, connections and farewells included
}

// room is a room with what its participants share.
type room struct {
	name string
	seed uint64
	size int // who speaks
}

// Run carries out a plan and returns what happened. The error says why the
// plan could not be begun; what goes wrong later stands in the report. When
// ctx ends everybody leaves and the report is of what happened until then.
func Run(ctx context.Context, plan Plan, opt Options) (*record.Report, error) {
	return new(run).carryOut(ctx, plan, opt)
}

func (r *run) carryOut(ctx context.Context, plan Plan, opt Options) (*record.Report, error) {
	if err := plan.Check(); err != nil {
		return nil, err
	}
	if plan.OpenOneIn <= 0 {
		plan.OpenOneIn = DefaultOpenOneIn
	}
	if plan.Workers <= 0 {
		plan.Workers = runtime.GOMAXPROCS(0)
	}
	r.plan = &plan
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	if opt.Begin != nil {
		if err := opt.Begin(ctx); err != nil {
			r.close()
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, plan.Duration)
	defer cancel()
	r.ctx = ctx
	r.start, r.began, r.cpu = time.Now(), mono.Now(), cpuTime()
	r.populate()
	seconds := r.watch(ctx, opt.OnSecond)
	return r.finish(seconds), nil
}

// prepare learns about the deployment and makes the workers.
func (r *run) prepare(ctx context.Context) error {
	r.dialer = newDialer(r.plan)
	r.http = r.dialer.client()
	base, _ := url.Parse(r.plan.URL) // Check has read it
	s, err := r.learn(ctx, base)
	if err != nil {
		return err
	}
	r.site = s
	r.override()
	r.dialer.origin = s.Origin()
	if r.identity, err = dial.NewIdentity(); err != nil {
		return err
	}
	for range r.plan.Workers {
		w, err := newWorker(r.plan.OpenOneIn)
		if err != nil {
			r.close()
			return err
		}
		r.workers = append(r.workers, w)
		go w.run()
	}
	return nil
}

// close ends what prepare has made.
func (r *run) close() {
	for _, w := range r.workers {
		w.stop()
	}
	r.http.CloseIdleConnections()
}

// learn reads config.js. A deployment without one is taken for a usual one,
// and a bare XMPP server is not asked.
func (r *run) learn(ctx context.Context, base *url.URL) (*site.Site, error) {
	if site.IsBare(base) {
		return site.Bare(base, r.plan.Domain, r.plan.MUC), nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, site.Guess(base).Base.String()+"config.js", nil)
	if err != nil {
		return nil, err
	}
	res, err := r.http.Do(req)
	if err != nil {
		var at *url.Error // it repeats the URL
		if errors.As(err, &at) {
			err = at.Err
		}
		var refused *PlainTextError // nobody was asked
		if errors.As(err, &refused) {
			return nil, refused
		}
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			return nil, fmt.Errorf("the certificate of %s is not trusted: %w (--insecure accepts any)", base.Host, untrusted.Err)
		}
		return nil, fmt.Errorf("%s does not answer: %w", base.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	base = res.Request.URL.ResolveReference(&url.URL{Path: "."}) // where a redirect led to, such as https
	if res.StatusCode == http.StatusNotFound {
		return site.Guess(base), nil
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s was answered with %s", req.URL, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, site.MaxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.URL, err)
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

// populate makes the participants of the plan's share, spread over the workers.
// Numbers, names and turns to speak are those of the whole plan.
func (r *run) populate() {
	index := 0
	for i := range r.plan.Rooms {
		index = r.fill(i, index)
	}
	r.next = index + r.plan.Share.Index
}

// fill makes those of one room; index is the number of its first. It returns
// that of the next room's.
func (r *run) fill(i, index int) int {
	pr := &r.plan.Rooms[i]
	rm := &room{name: strings.ToLower(pr.Name), seed: r.plan.Seed + uint64(i)}
	who := 0
	for _, m := range pr.Members {
		role, _ := r.plan.role(m.Role)
		for k := range m.Count {
			if r.plan.Share.has(i, who) {
				p := r.participant(index, rm, role)
				p.name = fmt.Sprintf("%s %d", capital(role.Name), who+1)
				p.begins = m.At + time.Duration(float64(m.Over)*float64(k)/float64(m.Count)) // an int64 is too small for the product
				if role.speaks() {
					p.who = rm.size
				}
				r.all = append(r.all, p)
			}
			if role.speaks() {
				rm.size++
			}
			who++
			index++
		}
	}
	return index
}

// capital writes a name with a capital letter.
func capital(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}

// participant makes one who has not come yet.
func (r *run) participant(index int, rm *room, role *Role) *participant {
	ctx, stop := context.WithCancel(r.ctx)
	return &participant{
		r: r, index: index, room: rm, role: role, who: -1, ctx: ctx, stop: stop,
		w: r.workers[len(r.all)%len(r.workers)], remotes: newRemotes(),
		story: story{run: r.began, events: &r.errors, state: record.Waiting},
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
		r.tendAll(now)
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
func (r *run) tendAll(now mono.Time) {
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
			r.living.Go(p.live)
			continue
		case p.churnAt != 0 && now >= p.churnAt && !p.left:
			p.left = true
			r.living.Go(func() { p.leave(true) })
			r.comeBack(p, since)
		case p.role.Stay > 0 && since >= p.begins+p.role.Stay && !p.left:
			p.left = true
			r.living.Go(func() { p.leave(true) })
		case p.breakAt != 0 && now >= p.breakAt:
			p.breakAt = now.Add(p.role.BreakEvery/2 + rand.N(p.role.BreakEvery))
			r.living.Go(p.breakNow)
		}
		p.tend(now)
	}
}

// Who left to come back stays away for a time between these.
const awayLeast, awayMost = 2 * time.Second, 8 * time.Second

// comeBack lets somebody who leaves now come back, as a participant of its
// own: to the server it is another.
func (r *run) comeBack(p *participant, since time.Duration) {
	q := r.participant(r.next, p.room, p.role)
	q.who, q.name, q.w, q.back = p.who, p.name, p.w, true
	q.begins = since + awayLeast + rand.N(awayMost-awayLeast)
	r.next += r.plan.Share.step()
	r.all = append(r.all, q)
}

// finish takes the last stock, lets everybody leave, and writes the report.
func (r *run) finish(seconds []record.Second) *record.Report {
	rep := &record.Report{Target: r.plan.URL, Began: r.start, Duration: mono.Now().Sub(r.began), Plan: r.plan, Seconds: seconds}
	rep.Machine = r.machine(seconds)
	media := r.snapshots()
	for _, p := range r.all {
		rep.Participants = append(rep.Participants, p.record(media))
	}
	var leaving sync.WaitGroup
	for _, p := range r.all {
		leaving.Go(func() { p.leave(true) })
	}
	leaving.Wait()
	r.living.Wait()
	r.close()
	return rep
}

// ErrNobody says that not one participant came into its room.
var ErrNobody = errors.New("nobody got into a room")
