package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// DefaultPort is where agents listen unless somebody says otherwise.
const DefaultPort = "7070"

// How long machines may take.
const (
	prepareTime = 2 * time.Minute // until all are ready
	finishTime  = 2 * time.Minute // from the end of the test until all is told
)

// Run carries out a plan on several machines, HOST:PORT each, on which agents
// with the same secret wait; it is as loadtest.Run otherwise. The error names
// the machine that could not begin; one that is lost later stands in the
// report. Options.Begin is called when all are ready.
func Run(ctx context.Context, machines []string, secret []byte, plan loadtest.Plan, opt loadtest.Options) (*record.Report, error) {
	g, err := newGathering(machines, &plan, opt.OnSecond)
	if err != nil {
		return nil, err
	}
	beating, quiet := context.WithCancel(context.Background())
	defer quiet()
	links, err := gather(ctx, beating, g, secret, plan)
	defer func() {
		for _, l := range links {
			_ = l.conn.Close()
		}
	}()
	if err == nil && opt.Begin != nil {
		err = opt.Begin(ctx)
	}
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for _, l := range links {
		_ = l.send(&message{Begin: true}) // who cannot be told is found to be lost
	}
	g.follow(ctx, links, plan.Duration)
	if why := g.allLost(); why != nil {
		return nil, why
	}
	return g.report(&plan, began), nil
}

// newGathering says what is wrong with a list of machines.
func newGathering(names []string, plan *loadtest.Plan, onSecond func(record.Second)) (*gathering, error) {
	if err := plan.Check(); err != nil {
		return nil, err
	}
	if len(names) > loadtest.MaxMachines {
		return nil, fmt.Errorf("there are more than %d machines", loadtest.MaxMachines)
	}
	g := &gathering{onSecond: onSecond}
	seen := map[string]bool{}
	for i, name := range names {
		if _, _, err := net.SplitHostPort(name); err != nil {
			name = net.JoinHostPort(name, DefaultPort)
		}
		if host, port, err := net.SplitHostPort(name); err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("%q is no machine: write HOST or HOST:PORT", names[i])
		}
		if seen[name] {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		seen[name] = true
		share := *plan
		share.Share = loadtest.Share{Index: i, Of: len(names)}
		g.machines = append(g.machines, &machine{Machine: record.Machine{Name: name, Participants: share.Here()}})
	}
	return g, nil
}

// gather lets all machines prepare the plan. With an error the links that
// there are have to be closed all the same.
// Signs of life are sent until beating ends.
func gather(ctx, beating context.Context, g *gathering, secret []byte, plan loadtest.Plan) ([]*link, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	found := make([]*link, len(g.machines))
	wrong := make([]error, len(g.machines))
	var all sync.WaitGroup
	for i, m := range g.machines {
		all.Go(func() {
			var err error
			if found[i], err = prepare(ctx, beating, m.Name, secret, newJob(plan, loadtest.Share{Index: i, Of: len(g.machines)})); err != nil {
				wrong[i] = fmt.Errorf("%s: %w", m.Name, err)
				cancel() // the others need not wait
			}
		})
	}
	all.Wait()
	var links []*link
	for _, l := range found {
		if l != nil {
			links = append(links, l)
		}
	}
	return links, first(wrong)
}

// first is the error that explains the others: who was called off because of
// another says nothing.
func first(all []error) error {
	for _, err := range all {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(all...)
}

// prepare connects to an agent and waits until it is ready.
func prepare(ctx, beating context.Context, addr string, secret []byte, j *job) (*link, error) {
	l, err := connect(ctx, addr, secret)
	if err != nil {
		return nil, ended(ctx, err)
	}
	go l.beat(beating)
	defer context.AfterFunc(ctx, func() { _ = l.conn.Close() })()
	err = l.send(&message{Job: j})
	for err == nil {
		var m *message
		if m, err = l.receive(); err != nil {
			break
		}
		switch {
		case m.Ready:
			return l, nil
		case m.Refused != "":
			err = errors.New(m.Refused)
		}
	}
	_ = l.conn.Close()
	return nil, ended(ctx, err)
}

// ended is why ctx has ended, if it has: then err is of that.
func ended(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("it was not ready within %v", prepareTime)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// connect finds an agent that has the same secret.
func connect(ctx context.Context, addr string, secret []byte) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, knockTime)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("no agent answers: %w", err)
	}
	_ = raw.SetDeadline(time.Now().Add(knockTime))
	conn := tls.Client(raw, clientTLS())
	err = conn.HandshakeContext(ctx)
	if err == nil {
		err = show(conn, secret, coordinator)
	} else {
		err = fmt.Errorf("what answers is no agent: %w", err)
	}
	if err == nil {
		if err = see(conn, secret, agent); errors.Is(err, io.EOF) {
			err = errSecret
		}
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &link{conn: conn}, nil
}

// told is what came of a machine: a message, or the end.
type told struct {
	from int
	m    *message
	err  error
}

// follow takes what the machines tell until all have told everything or are
// lost. When ctx ends they are stopped, and given time to tell.
func (g *gathering) follow(ctx context.Context, links []*link, duration time.Duration) {
	listening, enough := context.WithCancel(context.Background())
	defer enough()
	news := make(chan told)
	for i, l := range links {
		go l.listen(listening, i, news)
	}
	stop := ctx.Done()
	limit := time.NewTimer(duration + finishTime)
	defer limit.Stop()
	for g.left() > 0 {
		select {
		case t := <-news:
			g.hear(t, links)
		case <-stop:
			stop = nil
			limit.Reset(finishTime)
			for _, l := range links {
				_ = l.send(&message{Stop: true})
			}
		case <-limit.C:
			for i, m := range g.machines {
				if !m.over {
					g.lose(i, errors.New("it did not come to an end"))
				}
			}
		}
	}
}

// hear takes news of a machine.
func (g *gathering) hear(t told, links []*link) {
	if g.machines[t.from].over {
		return
	}
	err := t.err
	if err == nil {
		err = g.take(t.from, t.m)
	}
	if err == nil {
		return
	}
	if !errors.Is(err, errEnd) {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the connection was closed")
		}
		g.lose(t.from, err)
	}
	_ = links[t.from].conn.Close()
}

// listen tells what comes on the link, until it ends or ctx does.
func (l *link) listen(ctx context.Context, from int, news chan<- told) {
	for {
		m, err := l.receive()
		select {
		case news <- told{from, m, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// allLost is why there is nothing to report, if there is nothing.
func (g *gathering) allLost() error {
	var why []error
	for _, m := range g.machines {
		if m.Lost == "" || len(m.participants)+len(m.seconds) > 0 {
			return nil
		}
		why = append(why, fmt.Errorf("%s was lost: %s", m.Name, m.Lost))
	}
	return errors.Join(why...)
}
