package loadtest

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/mono"
)

// story collects what happens to one participant. Anybody may tell; its lock
// is held for moments only.
type story struct {
	run    mono.Time // when the run began
	events *atomic.Int64

	mu    sync.Mutex
	began mono.Time
	state record.State
	steps []record.StepTime
	errs  []record.Error
	more  int

	alone  bool          // was the only one in the room when it came in
	inCall time.Duration // when the last of the steps was taken that make somebody be in the call

	resumes, rejoins, reinvites, channelLost, keepAlives int
}

// begin starts the participant's time.
func (s *story) begin(now mono.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began, s.state = now, record.Joining
}

// after says which steps a step has to wait for; the latest of those that
// were taken counts.
var after = map[record.Step][]record.Step{
	record.Request: {record.Config}, record.DNS: {record.Request},
	record.TCP: {record.DNS}, record.TLS: {record.TCP}, record.WebSocket: {record.TLS, record.TCP},
	record.Auth: {record.WebSocket}, record.Room: {record.Auth, record.Request}, record.Offer: {record.Room},
	record.Accepted: {record.Offer}, record.ICE: {record.Offer}, record.DTLS: {record.ICE}, record.Channel: {record.Offer},
	record.FirstAudio: {record.DTLS, record.Accepted}, record.FirstKeyFrame: {record.DTLS, record.Accepted},
}

// step notes that a step was taken; the first time counts.
func (s *story) step(step record.Step) { s.stepAt(step, mono.Now()) }

func (s *story) stepAt(step record.Step, now mono.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := now.Sub(s.began)
	from := time.Duration(0)
	for _, t := range s.steps {
		if t.Step == step {
			return
		}
		for _, before := range after[step] {
			if t.Step == before {
				from = max(from, t.At)
			}
		}
	}
	if step == record.Room || step == record.Accepted || step == record.ICE || step == record.DTLS {
		s.inCall = max(s.inCall, at)
	}
	s.steps = append(s.steps, record.StepTime{Step: step, At: at, Took: max(at-from, 0)})
}

// reached reports whether a step was taken.
func (s *story) reached(step record.Step) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.steps {
		if t.Step == step {
			return true
		}
	}
	return false
}

// wrong notes that something went wrong.
func (s *story) wrong(step record.Step, cause string, fatal bool) {
	s.events.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if fatal && s.state != record.Left {
		s.state = record.Failed
	}
	for i := range s.errs {
		if e := &s.errs[i]; e.Cause == cause && e.Step == step {
			e.Count++
			e.Fatal = e.Fatal || fatal
			return
		}
	}
	if len(s.errs) >= record.MaxErrors && !fatal {
		s.more++
		return
	}
	s.errs = append(s.errs, record.Error{At: mono.Now().Sub(s.run), Step: step, Cause: cause, Fatal: fatal, Count: 1})
}

// become changes the state; Left and Failed are final.
func (s *story) become(state record.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != record.Left && s.state != record.Failed {
		s.state = state
	}
}

// cameIn says whether it is alone in the room.
func (s *story) cameIn(alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone = alone
}

// add counts one of the story's counters.
func (s *story) add(counter *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*counter++
}

// tell fills in what the story knows of a participant.
func (s *story) tell(p *record.Participant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.State = s.state
	p.Alone = s.alone
	p.Began = max(s.began.Sub(s.run), 0)
	p.Steps = append([]record.StepTime(nil), s.steps...)
	p.Errors = append([]record.Error(nil), s.errs...)
	p.MoreErrors = s.more
	p.Resumes, p.Rejoins, p.Reinvites, p.ChannelLost = s.resumes, s.rejoins, s.reinvites, s.channelLost
	p.Signalling.KeepAlives = s.keepAlives
}

// cause is the text of an error without what differs from one participant to
// the next, such as ports, so that the same cause has the same text; and
// without URLs, which may hold a password.
func cause(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s cannot be resolved: %s", dns.Name, dns.Err)
	case errors.As(err, &op):
		before, _, _ := strings.Cut(err.Error(), op.Error())
		if i := strings.IndexByte(before, '"'); i >= 0 { // net/http quotes the URL
			before = before[:i]
		}
		return before + op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
