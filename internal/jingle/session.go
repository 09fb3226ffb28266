package jingle

import "github.com/plenum-conf/plenum/internal/xmpp"

// State is where a session is in its life.
type State uint8

// The states of a session: Pending from session-initiate to session-accept,
// Active afterwards, Ended from session-terminate on.
const (
	Pending State = iota + 1
	Active
	Ended
)

// String names the state for the debug tree.
func (s State) String() string {
	return [...]string{"none", "pending", "active", "ended", "?", "?", "?", "?"}[s&7]
}

// Session is the initiator's view of one session with one participant. The
// zero Session has never been started.
type Session struct {
	SID   string
	State State
	past  [4]string // sids of ended sessions, newest first
}

// Start begins a new session, ending the one before it.
func (s *Session) Start(sid string) {
	s.End()
	s.SID, s.State = sid, Pending
}

// End ends the session. Its sid is remembered, so that late messages are
// answered with gone.
func (s *Session) End() {
	if s.State != Pending && s.State != Active {
		return
	}
	copy(s.past[1:], s.past[:])
	s.past[0] = s.SID
	s.State = Ended
}

// Live reports whether the session is pending or active.
func (s *Session) Live() bool { return s.State == Pending || s.State == Active }

// Check says whether a message from the participant fits the session: nil or
// the error it is answered with (XEP-0166 §6, §10). A session-accept makes
// the session active only when the caller says so with [Session.Accept].
func (s *Session) Check(m *Message) *xmpp.StanzaError {
	switch {
	case !s.Live() || m.SID != s.SID:
		return s.unknown(m.SID)
	case m.Action == SessionInitiate:
		return &xmpp.StanzaError{Type: "cancel", Condition: "feature-not-implemented", Text: "the focus initiates"}
	case m.Action == SessionAccept && s.State != Pending,
		(m.Action == SourceAdd || m.Action == SourceRemove) && s.State != Active:
		return OutOfOrder()
	}
	return nil
}

// Accept makes a pending session active.
func (s *Session) Accept() {
	if s.State == Pending {
		s.State = Active
	}
}

func (s *Session) unknown(sid string) *xmpp.StanzaError {
	if sid != "" {
		for _, old := range s.past {
			if old == sid {
				return &xmpp.StanzaError{Type: "cancel", Condition: "gone", Text: "session has ended"}
			}
		}
	}
	return UnknownSession()
}

// UnknownSession is the error for a sid nobody knows (XEP-0166 §10).
func UnknownSession() *xmpp.StanzaError {
	return &xmpp.StanzaError{Type: "cancel", Condition: "item-not-found", Text: "no such session",
		Extra: []byte(`<unknown-session xmlns="` + NSErrors + `"/>`)}
}

// OutOfOrder is the error for a message the session's state does not allow
// (XEP-0166 §10).
func OutOfOrder() *xmpp.StanzaError {
	return &xmpp.StanzaError{Type: "wait", Condition: "unexpected-request", Text: "not in this state of the session",
		Extra: []byte(`<out-of-order xmlns="` + NSErrors + `"/>`)}
}
