package secure

// phase says how far a session has come, in the words of the debug tree.
type phase string

const (
	waiting        phase = "waiting" // for the first datagram
	handshaking    phase = "handshaking"
	authenticating phase = "authenticating" // the fingerprint is not known yet
	established    phase = "established"
	ended          phase = "ended"
)

// State describes a session for the debug tree.
type State struct {
	// Phase is "waiting", "handshaking", "authenticating", "established" or "ended".
	Phase   string `json:"phase"`
	Profile string `json:"profile,omitempty"`
	Channel bool   `json:"channel"` // a data channel is open
	// Datagrams pushed, dropped of these, and sent.
	Received uint64 `json:"received"`
	Dropped  uint64 `json:"dropped"`
	Sent     uint64 `json:"sent"`
	// Discarded counts application data without a channel and messages that
	// were no text or too long.
	Discarded uint64 `json:"discarded"`
}

// State returns a snapshot.
func (s *Session) State() State {
	out := State{Channel: s.channel.Load() != nil, Discarded: s.discarded.Load()}
	out.Received, out.Dropped, out.Sent = s.count.received.Load(), s.count.dropped.Load(), s.count.sent.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Phase = string(s.phase)
	if s.profile != 0 {
		out.Profile = s.profile.String()
	}
	return out
}

func (s *Session) setPhase(p phase) {
	s.mu.Lock()
	s.phase = p
	s.mu.Unlock()
}
