package xmpp

import (
	"bytes"
	"strings"
	"testing"
)

const (
	frameOpen = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="meet.example" version="1.0"/>`
	frameAuth = `<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`
	frameBind = `<iq type="set" id="b" xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><resource>r</resource></bind></iq>`
)

func newTestStream() *Stream {
	n := 0
	return NewStream(StreamConfig{Domain: "meet.example", Mechanisms: []string{"ANONYMOUS", "PLAIN"}, NewID: func() string {
		n++
		return "id" + strings.Repeat("x", n)
	}})
}

// answerAll answers what Handle left open in the most ordinary way.
func answerAll(s *Stream, ev Event) {
	switch ev.Action {
	case Authenticate:
		s.Succeed()
	case Bind:
		s.Bound(JID{"a", "meet.example", "r"}, []byte(`<message/>`))
	case Enable:
		s.Enabled("sm", 60)
	case Resume:
		s.Resumed(7)
	}
}

// establish brings a stream to where stanzas flow.
func establish(t *testing.T, s *Stream) {
	t.Helper()
	for _, f := range []string{frameOpen, frameAuth, frameOpen, frameBind} {
		ev, err := s.Handle([]byte(f))
		if err != nil {
			t.Fatal(err)
		}
		answerAll(s, ev)
	}
	s.Take()
}

// TestStreamEvents checks what the driver is told; what goes over the wire is
// checked by the transcripts of the signal role.
func TestStreamEvents(t *testing.T) {
	s := newTestStream()
	for _, c := range []struct {
		frame string
		want  Action
		phase Phase
	}{
		{frameOpen, Nothing, AwaitAuth},
		{`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">AGEAYg==</auth>`, Authenticate, AwaitRestart},
		{frameOpen, Nothing, AwaitBind},
		{`<r xmlns="urn:xmpp:sm:3"/>`, Nothing, Ended},
	} {
		ev, err := s.Handle([]byte(c.frame))
		if (err != nil) != (c.phase == Ended) || ev.Action != c.want {
			t.Fatalf("%s: %v %v", c.frame, ev.Action, err)
		}
		if ev.Action == Authenticate && (ev.Mechanism != "PLAIN" || ev.Initial != "AGEAYg==") {
			t.Errorf("%+v", ev)
		}
		answerAll(s, ev)
		if s.Phase() != c.phase {
			t.Fatalf("%s: %v", c.frame, s.Phase())
		}
	}
	if _, err := s.Handle([]byte(`<presence/>`)); err == nil {
		t.Error("an ended stream goes on")
	}
}

func TestStreamBinding(t *testing.T) {
	s := newTestStream()
	for _, f := range []string{frameOpen, frameAuth, frameOpen} {
		ev, _ := s.Handle([]byte(f))
		answerAll(s, ev)
	}
	s.Take()
	ev, _ := s.Handle([]byte(frameBind))
	if ev.Action != Bind || ev.Resource != "r" || ev.ID != "b" {
		t.Fatalf("%+v", ev)
	}
	s.BindFailed(&StanzaError{Type: "cancel", Condition: "conflict"})
	ev, _ = s.Handle([]byte(frameBind))
	s.Bound(JID{"a", "meet.example", "r"}, []byte(`<message/>`))
	out := s.Take()
	if len(out) != 3 || !bytes.Contains(out[0], []byte("conflict")) || string(out[1]) != "<message/>" {
		t.Fatalf("%s", out)
	}
	ev, _ = s.Handle([]byte(`<message to="x"><body>y</body></message>`))
	if ev.Action != Deliver || ev.Stanza.Kind != Message {
		t.Errorf("%+v", ev)
	}
}

func TestStreamManagement(t *testing.T) {
	s := newTestStream()
	establish(t, s)
	for _, c := range []struct {
		frame string
		want  Event
	}{
		{`<enable xmlns="urn:xmpp:sm:3" resume="1"/>`, Event{Action: Enable, Resumable: true}},
		{`<r xmlns="urn:xmpp:sm:3"/>`, Event{Action: AckWanted}},
		{`<a xmlns="urn:xmpp:sm:3" h="4294967295"/>`, Event{Action: Acked, H: 4294967295}},
		{`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`, Event{Action: Closed}},
	} {
		ev, err := s.Handle([]byte(c.frame))
		if err != nil || ev.Action != c.want.Action || ev.H != c.want.H || ev.Resumable != c.want.Resumable {
			t.Errorf("%s: %+v %v", c.frame, ev, err)
		}
		answerAll(s, ev)
	}
	for _, h := range []string{"", `h="-1"`, `h="4294967296"`, `h="x"`} {
		s := newTestStream()
		establish(t, s)
		ev, _ := s.Handle([]byte(`<enable xmlns="urn:xmpp:sm:3"/>`))
		answerAll(s, ev)
		if _, err := s.Handle([]byte(`<a xmlns="urn:xmpp:sm:3" ` + h + `/>`)); err == nil {
			t.Errorf("%s is a count", h)
		}
	}
}

func TestStreamSaysLastWordsOnce(t *testing.T) {
	s := newTestStream()
	establish(t, s)
	_ = s.Error(&StreamError{Condition: "reset"})
	_ = s.Error(&StreamError{Condition: "reset"})
	s.Goodbye()
	if out := s.Take(); len(out) != 2 || string(out[1]) != `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />` {
		t.Errorf("%s", out)
	}
}

func TestStreamMustBeAnswered(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a frame was taken before the last one was answered")
		}
	}()
	s := newTestStream()
	_, _ = s.Handle([]byte(frameOpen))
	_, _ = s.Handle([]byte(frameAuth))
	_, _ = s.Handle([]byte(frameAuth))
}

// FuzzStream feeds frames, one a line, and checks what must always hold.
func FuzzStream(f *testing.F) {
	f.Add(strings.Join([]string{frameOpen, frameAuth, frameOpen, frameBind, `<enable xmlns="urn:xmpp:sm:3" resume="true"/>`, `<a xmlns="urn:xmpp:sm:3" h="0"/>`, `<presence/>`}, "\n"))
	f.Add(strings.Join([]string{frameOpen, frameAuth, frameOpen, `<resume xmlns="urn:xmpp:sm:3" previd="x" h="1"/>`, `<r xmlns="urn:xmpp:sm:3"/>`}, "\n"))
	f.Add(frameAuth + "\n" + frameOpen)
	f.Fuzz(func(t *testing.T, frames string) {
		s := newTestStream()
		for frame := range strings.SplitSeq(frames, "\n") {
			before := s.Phase()
			ev, err := s.Handle([]byte(frame))
			switch {
			case (err != nil) != (s.Phase() == Ended):
				t.Fatalf("%q: %v in phase %v", frame, err, s.Phase())
			case ev.Action == Deliver && (before != Established || ev.Stanza.Kind == Other):
				t.Fatalf("%q: delivered in phase %v", frame, before)
			case s.Phase() < before:
				t.Fatalf("%q: from %v back to %v", frame, before, s.Phase())
			}
			answerAll(s, ev)
			for _, out := range s.Take() {
				if _, err := Scan(out); err != nil {
					t.Fatalf("%q answered with %q: %v", frame, out, err)
				}
			}
			if err != nil {
				return
			}
		}
	})
}
