package xmpp

import "strconv"

// Action says what a frame asks of whoever drives a Stream.
type Action uint8

// The actions. Those marked with an answer leave the stream waiting until that
// method has been called.
const (
	Nothing      Action = iota // dealt with; see Take
	Authenticate               // SASL; answer: Succeed or Fail
	Bind                       // resource binding; answer: Bound or BindFailed
	Resume                     // XEP-0198 resumption; answer: Resumed or ResumeFailed
	Enable                     // XEP-0198; answer: Enabled or EnableFailed
	Deliver                    // a stanza for the router
	Acked                      // the client has handled H of our stanzas
	AckWanted                  // the client wants to know how many we have handled
	Closed                     // the client said goodbye; say goodbye and end the session
)

// String names the action for traces.
func (a Action) String() string {
	names := [...]string{"nothing", "authenticate", "bind", "resume", "enable",
		"deliver", "acked", "ack-wanted", "closed"}
	if int(a) < len(names) {
		return names[a]
	}
	return "action " + strconv.Itoa(int(a))
}

// Event is what one frame meant.
type Event struct {
	Action    Action
	Stanza    Stanza // Deliver: a message, presence or IQ
	Mechanism string // Authenticate
	Initial   string // Authenticate: the initial response, base64 as sent
	ID        string // Bind: the IQ's id. Resume: the id of the lost stream
	Resource  string // Bind: the resource the client would like, may be empty
	H         uint32 // Acked, Resume
	Resumable bool   // Enable: the client wants to be able to resume
}

// Phase is how far negotiation has come.
type Phase uint8

// The phases in their order.
const (
	AwaitOpen    Phase = iota // nothing received yet
	AwaitAuth                 // stream open, not authenticated
	AwaitRestart              // authenticated, new <open/> due
	AwaitBind                 // resource or resumption due
	Established               // stanzas flow
	Ended                     // nothing more is accepted
)

// String names the phase for the debug tree.
func (p Phase) String() string {
	names := [...]string{"await-open", "await-auth", "await-restart", "await-bind", "established", "ended"}
	if int(p) < len(names) {
		return names[p]
	}
	return "phase " + strconv.Itoa(int(p))
}

// StreamConfig is what a Stream must know beforehand.
type StreamConfig struct {
	Domain     string        // the host that clients open streams to, in normal form
	Mechanisms []string      // SASL mechanisms to offer
	NewID      func() string // makes unguessable stream ids
}

// Stream is the server's side of one client stream over WebSocket (RFC 7395)
// from <open/> to the established state, and the sorter of frames afterwards.
// Feed it frames with Handle, write what Take returns, each item as a frame of
// its own, and answer the events that want one.
//
// A Stream ends with the socket; the session, with the acknowledgement state
// of XEP-0198, outlives it.
type Stream struct {
	cfg      StreamConfig
	phase    Phase
	opened   bool // our <open/> of the current stream went out
	waiting  Action
	failures int
	sm       bool // stream management is on
	bindID   string
	resumeID string
	out      [][]byte
}

// maxAuthFailures is how many failed SASL attempts a stream survives
// (RFC 6120 §6.4.5 asks for 2 to 5).
const maxAuthFailures = 3

// NewStream returns a stream that awaits the client's <open/>.
func NewStream(cfg StreamConfig) *Stream { return &Stream{cfg: cfg} }

// Phase returns how far the stream is.
func (s *Stream) Phase() Phase { return s.phase }

// Take returns the frames to write, in order, and forgets them.
func (s *Stream) Take() [][]byte {
	out := s.out
	s.out = nil
	return out
}

// Handle takes one frame. An error means that the stream has ended: Take then
// returns the stream error and the closing frame, after which the connection
// is to be closed. A frame that arrives while an answer is due is an error of
// the driver and panics.
func (s *Stream) Handle(frame []byte) (Event, error) {
	if s.waiting != Nothing {
		panic("xmpp: frame while " + s.waiting.String() + " is unanswered")
	}
	if s.phase == Ended {
		return Event{}, &StreamError{Condition: "undefined-condition", Text: "stream has ended"}
	}
	st, err := Scan(frame)
	if err != nil {
		return Event{}, s.Error(err.(*StreamError))
	}
	ev, serr := s.sort(st)
	if serr != nil {
		return Event{}, s.Error(serr)
	}
	switch ev.Action {
	case Authenticate, Bind, Resume, Enable:
		s.waiting = ev.Action
	}
	return ev, nil
}

// Error ends the stream with a stream error and returns it. The client will
// not resume after it.
func (s *Stream) Error(e *StreamError) error {
	if s.phase != Ended {
		if !s.opened {
			s.sendOpen() // RFC 6120 §4.9.1.2: errors stand inside a stream
		}
		s.out = append(s.out, e.Encode(), closeFrame)
		s.phase, s.waiting = Ended, Nothing
	}
	return e
}

// Goodbye ends the stream without an error. A client that gets it does not
// resume either.
func (s *Stream) Goodbye() {
	if s.phase != Ended {
		s.out = append(s.out, closeFrame)
		s.phase, s.waiting = Ended, Nothing
	}
}

// closeFrame is written exactly so because Strophe compares it literally.
var closeFrame = []byte(`<close xmlns="` + NSFraming + `" />`)

func (s *Stream) sort(st Stanza) (Event, *StreamError) {
	switch {
	case st.NS == NSFraming:
		return s.framing(st)
	case s.phase == AwaitOpen || s.phase == AwaitRestart:
		return Event{}, &StreamError{Condition: "invalid-xml", Text: "open expected"}
	case s.phase == AwaitAuth:
		return s.auth(st)
	case st.NS == NSSM:
		return s.management(st)
	case s.phase == AwaitBind:
		return s.bind(st)
	case st.Kind == Other:
		return Event{}, &StreamError{Condition: "unsupported-stanza-type"}
	}
	return Event{Action: Deliver, Stanza: st}, nil
}

func (s *Stream) framing(st Stanza) (Event, *StreamError) {
	switch {
	case st.Name == "close":
		return Event{Action: Closed}, nil
	case st.Name != "open":
		return Event{}, &StreamError{Condition: "unsupported-stanza-type"}
	case s.phase != AwaitOpen && s.phase != AwaitRestart:
		return Event{}, &StreamError{Condition: "invalid-xml", Text: "unexpected open"}
	}
	s.sendOpen()
	to, err := ParseJID(st.To)
	if err != nil || to != (JID{Domain: s.cfg.Domain}) {
		return Event{}, &StreamError{Condition: "host-unknown"}
	}
	if v := st.Element().AttrOr("version", ""); len(v) < 2 || v[:2] != "1." {
		return Event{}, &StreamError{Condition: "unsupported-version"}
	}
	s.sendFeatures()
	s.phase++
	return Event{}, nil
}

func (s *Stream) sendOpen() {
	w := NewWriter(192)
	w.Empty("open", "xmlns", NSFraming, "from", s.cfg.Domain, "id", s.cfg.NewID(),
		"version", "1.0", "xml:lang", "en")
	s.out = append(s.out, w.Bytes())
	s.opened = true
}

func (s *Stream) sendFeatures() {
	w := NewWriter(384)
	w.Open("stream:features", "xmlns:stream", NSStreams, "xmlns", NSClient)
	if s.phase == AwaitOpen {
		w.Open("mechanisms", "xmlns", NSSASL)
		for _, m := range s.cfg.Mechanisms {
			w.Elem("mechanism", m)
		}
		w.Close("mechanisms")
	} else {
		w.Empty("bind", "xmlns", NSBind)
		w.Empty("sm", "xmlns", NSSM)
	}
	w.Close("stream:features")
	s.out = append(s.out, w.Bytes())
}

// auth handles RFC 6120 §6.4 up to the point where the driver decides.
func (s *Stream) auth(st Stanza) (Event, *StreamError) {
	if st.NS != NSSASL {
		return Event{}, &StreamError{Condition: "not-authorized"}
	}
	switch st.Name {
	case "auth":
		el := st.Element()
		m := el.AttrOr("mechanism", "")
		if !contains(s.cfg.Mechanisms, m) {
			return Event{}, s.authFailed("invalid-mechanism", "")
		}
		return Event{Action: Authenticate, Mechanism: m, Initial: el.Text()}, nil
	case "abort":
		return Event{}, s.authFailed("aborted", "")
	}
	return Event{}, s.authFailed("malformed-request", "")
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// authFailed reports a failure. The order and bareness of the elements matter:
// Jitsi clients read the text with a literal pattern.
func (s *Stream) authFailed(condition, text string) *StreamError {
	w := NewWriter(160 + len(text))
	w.Open("failure", "xmlns", NSSASL)
	w.Empty(condition)
	if text != "" {
		w.Elem("text", text)
	}
	w.Close("failure")
	s.out = append(s.out, w.Bytes())
	if s.failures++; s.failures >= maxAuthFailures {
		return &StreamError{Condition: "policy-violation", Text: "too many attempts"}
	}
	return nil
}

func (s *Stream) answer(a Action) {
	if s.waiting != a {
		panic("xmpp: answer to " + a.String() + " out of order")
	}
	s.waiting = Nothing
}

// Succeed answers Authenticate: the stream is to be restarted by the client.
func (s *Stream) Succeed() {
	s.answer(Authenticate)
	s.out = append(s.out, []byte(`<success xmlns="`+NSSASL+`"/>`))
	s.phase = AwaitRestart
}

// Fail answers Authenticate with a SASL condition such as not-authorized and a
// text for the user, which may be empty. The error is not nil if the client has
// used up its attempts and the stream has ended.
func (s *Stream) Fail(condition, text string) error {
	s.answer(Authenticate)
	if e := s.authFailed(condition, text); e != nil {
		return s.Error(e)
	}
	return nil
}

// bind handles the only stanza allowed before binding (RFC 6120 §7).
func (s *Stream) bind(st Stanza) (Event, *StreamError) {
	el, ok := st.Child("bind", NSBind)
	if st.Kind != IQ || st.Type != "set" || !ok || st.ID == "" {
		return Event{}, &StreamError{Condition: "not-authorized"}
	}
	s.bindID = st.ID
	return Event{Action: Bind, ID: st.ID, Resource: el.ChildText("resource", "")}, nil
}

// Bound answers Bind with the full JID. early, complete stanzas, go out before
// the result: Jitsi clients take the service identities from them and save two
// round trips.
func (s *Stream) Bound(jid JID, early ...[]byte) {
	s.answer(Bind)
	s.out = append(s.out, early...)
	w := NewWriter(256)
	w.Open("iq", "xmlns", NSClient, "type", "result", "id", s.bindID)
	w.Open("bind", "xmlns", NSBind)
	w.Elem("jid", jid.String())
	w.Close("bind")
	w.Close("iq")
	s.out = append(s.out, w.Bytes())
	s.phase = Established
}

// BindFailed answers Bind with an error; the client may try again.
func (s *Stream) BindFailed(e *StanzaError) {
	s.answer(Bind)
	w := NewWriter(256)
	w.Open("iq", "xmlns", NSClient, "type", "error", "id", s.bindID)
	e.AppendTo(w)
	w.Close("iq")
	s.out = append(s.out, w.Bytes())
}
