package xmpp

import "strconv"

// This file is the XEP-0198 part of Stream: the elements and their order. The
// counting is in Acks.

// management sorts the elements of stream management.
func (s *Stream) management(st Stanza) (Event, *StreamError) {
	switch st.Name {
	case "enable":
		return s.enable(st), nil
	case "resume":
		return s.resume(st)
	case "r":
		if s.sm {
			return Event{Action: AckWanted}, nil
		}
	case "a":
		if s.sm {
			return s.ack(st)
		}
	}
	return Event{}, &StreamError{Condition: "unsupported-stanza-type"}
}

func (s *Stream) enable(st Stanza) Event {
	if s.phase != Established || s.sm {
		s.smFailed("unexpected-request")
		return Event{}
	}
	want := st.Element().AttrOr("resume", "")
	return Event{Action: Enable, Resumable: want == "true" || want == "1"}
}

// Enabled answers Enable. id names the session for resumption within max
// seconds; "" means that it cannot be resumed. A Jitsi client pastes the id
// into a URL by a pattern that knows only [A-Za-z0-9_-].
func (s *Stream) Enabled(id string, max int) {
	s.answer(Enable)
	s.sm = true
	w := NewWriter(128)
	if id == "" {
		w.Empty("enabled", "xmlns", NSSM)
	} else {
		w.Empty("enabled", "xmlns", NSSM, "id", id, "resume", "true", "max", strconv.Itoa(max))
	}
	s.out = append(s.out, w.Bytes())
}

// EnableFailed answers Enable with a stanza error condition.
func (s *Stream) EnableFailed(condition string) {
	s.answer(Enable)
	s.smFailed(condition)
}

func (s *Stream) smFailed(condition string) {
	w := NewWriter(160)
	w.Open("failed", "xmlns", NSSM)
	w.Empty(condition, "xmlns", NSStanzas)
	w.Close("failed")
	s.out = append(s.out, w.Bytes())
}

func (s *Stream) resume(st Stanza) (Event, *StreamError) {
	if s.phase != AwaitBind {
		s.smFailed("unexpected-request")
		return Event{}, nil
	}
	h, err := handled(st)
	if err != nil {
		return Event{}, err
	}
	s.resumeID = st.Element().AttrOr("previd", "")
	return Event{Action: Resume, ID: s.resumeID, H: h}, nil
}

// Resumed answers Resume: the stream continues the lost one, of which h
// stanzas of the client had been handled. What the client has missed is the
// driver's to send.
func (s *Stream) Resumed(h uint32) {
	s.answer(Resume)
	s.sm = true
	w := NewWriter(128)
	w.Empty("resumed", "xmlns", NSSM, "previd", s.resumeID, "h", strconv.FormatUint(uint64(h), 10))
	s.out = append(s.out, w.Bytes())
	s.phase = Established
}

// ResumeFailed answers Resume with a stanza error condition, such as
// item-not-found for a session that is gone. The client may bind instead.
func (s *Stream) ResumeFailed(condition string) {
	s.answer(Resume)
	s.smFailed(condition)
}

func (s *Stream) ack(st Stanza) (Event, *StreamError) {
	h, err := handled(st)
	return Event{Action: Acked, H: h}, err
}

func handled(st Stanza) (uint32, *StreamError) {
	h, err := strconv.ParseUint(st.Element().AttrOr("h", ""), 10, 32)
	if err != nil {
		return 0, &StreamError{Condition: "invalid-xml", Text: "h is missing or not a number"}
	}
	return uint32(h), nil
}

// AckRequest is the frame that asks the client for its count.
var AckRequest = []byte(`<r xmlns="` + NSSM + `"/>`)

// AppendAck appends the frame that tells the client ours.
func AppendAck(b []byte, h uint32) []byte {
	b = append(b, `<a xmlns="`+NSSM+`" h="`...)
	b = strconv.AppendUint(b, uint64(h), 10)
	return append(b, `"/>`...)
}
