package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// maxGuests is how many connections an agent has at the same time. One has a
// test; the others are told to wait, or knock.
const maxGuests = 16

// beginTime is how long a test that is ready waits for the other machines.
const beginTime = 3 * time.Minute

// Agent carries out its part of tests that others coordinate, one at a time.
type Agent struct {
	Secret []byte
	// Leave lets it test servers that are neither on this machine nor in a
	// private network; the coordinator needs leave as well.
	Leave bool
	// Log gets a line for people now and then, never two at a time; nil for
	// nothing.
	Log func(string)

	logging sync.Mutex
	busy    sync.Mutex // held by who has a test
}

func (a *Agent) log(format string, args ...any) {
	a.logging.Lock()
	defer a.logging.Unlock()
	if a.Log != nil {
		a.Log(fmt.Sprintf(format, args...))
	}
}

// Serve takes tests until ctx ends; it closes the listener, and returns when
// what it began has ended. A test under way then ends with a report.
func (a *Agent) Serve(ctx context.Context, ln net.Listener) error {
	config, err := serverTLS()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var guests sync.WaitGroup
	defer guests.Wait()
	room := make(chan struct{}, maxGuests)
	for {
		room <- struct{}{}
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // a test may have taken all files there are
			<-room
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		guests.Go(func() {
			defer func() { <-room }()
			defer func() { _ = conn.Close() }()
			a.guest(ctx, tls.Server(conn, config))
		})
	}
}

// guest talks to whoever has connected.
func (a *Agent) guest(ctx context.Context, conn *tls.Conn) {
	who := conn.RemoteAddr()
	_ = conn.SetDeadline(time.Now().Add(knockTime))
	hurry := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) }) // Serve has to end
	err := conn.HandshakeContext(ctx)
	if err == nil {
		err = see(conn, a.Secret, coordinator)
	}
	if err != nil {
		a.log("%v was sent away: %v", who, err)
		return
	}
	if show(conn, a.Secret, agent) != nil {
		return
	}
	l := &link{conn: conn}
	first, err := l.receive()
	if err != nil || first.Job == nil || !hurry() {
		return
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	o := listen(l, end)
	defer o.wait()
	go l.beat(ctx)
	if err := a.carryOut(ctx, l, o, first.Job); err != nil {
		a.log("the test of %v: %v", who, err)
		_ = l.send(&message{Refused: err.Error()})
		return
	}
	a.log("the test of %v has ended", who)
}

// carryOut runs the plan for the coordinator. The error is why it could not be
// begun, or told of.
func (a *Agent) carryOut(ctx context.Context, l *link, o *orders, j *job) error {
	if j.Version != version {
		return errors.New("this agent is of another version of plenum")
	}
	if !a.busy.TryLock() {
		return errors.New("this agent has a test already")
	}
	rep, err := a.run(ctx, l, o, j.plan())
	a.busy.Unlock()
	var refused *loadtest.NotPrivateError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("%w. If it is yours to test, say --i-run-this-server, to the test and to this agent", refused)
	case err != nil:
		return err
	}
	return l.tell(rep)
}

func (a *Agent) run(ctx context.Context, l *link, o *orders, plan loadtest.Plan) (*record.Report, error) {
	plan.PrivateOnly = plan.PrivateOnly || !a.Leave && !plan.Modest()
	ctx, end := context.WithCancel(ctx)
	defer end()
	rep, err := loadtest.Run(ctx, plan, loadtest.Options{
		Begin: func(ctx context.Context) error {
			a.log("%d of %d participants for %s, for %v", plan.Here(), plan.Participants(), plan.URL, plan.Duration)
			return o.begin(ctx, l)
		},
		OnSecond: func(s record.Second) {
			if l.send(&message{Second: &s}) != nil {
				end()
			}
		},
	})
	switch {
	case err != nil:
		return nil, err
	case o.isGone():
		return nil, errors.New("the coordinator is gone")
	case ctx.Err() != nil && !o.stopped.Load():
		rep.Machine.Lost = "it was ended there"
	}
	return rep, nil
}

// tell sends the report.
func (l *link) tell(rep *record.Report) error {
	for i := range rep.Participants {
		if err := l.send(&message{Participant: &rep.Participants[i]}); err != nil {
			return err
		}
	}
	return l.send(&message{Done: &done{Duration: rep.Duration, Machine: rep.Machine}})
}

// orders are what a coordinator says after its plan.
type orders struct {
	begun   chan struct{} // closed when the test has to begin
	gone    chan struct{} // closed when the coordinator is gone
	stopped atomic.Bool
}

// listen takes orders in a goroutine, which ends with the connection. end is
// called when the test has to end: it was stopped, or the coordinator is gone.
func listen(l *link, end func()) *orders {
	o := &orders{begun: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer end()
		defer close(o.gone)
		begun := false
		for {
			m, err := l.receive()
			switch {
			case err != nil:
				return
			case m.Begin && !begun:
				begun = true
				close(o.begun)
			case m.Stop:
				o.stopped.Store(true)
				end()
			}
		}
	}()
	return o
}

// begin says that all is ready, and waits for the word to begin.
func (o *orders) begin(ctx context.Context, l *link) error {
	if err := l.send(&message{Ready: true}); err != nil {
		return err
	}
	select {
	case <-o.begun:
		return nil
	case <-time.After(beginTime):
		return errors.New("the word to begin did not come")
	case <-ctx.Done():
		return errors.New("it was called off")
	}
}

func (o *orders) isGone() bool {
	select {
	case <-o.gone:
		return true
	default:
		return false
	}
}

// wait waits, for some time, until the coordinator has closed: what it had sent
// and nobody has read would take back what is on its way to it.
func (o *orders) wait() {
	select {
	case <-o.gone:
	case <-time.After(knockTime):
	}
}
