package secure

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/pion/dtls/v3"
)

// rest is what remains of a session without a data channel after the
// handshake, when there is nothing to wait for but the peer's goodbye. The
// library would keep four goroutines and 45 KiB for that. It is taken up again,
// from the state it was left in, for an alert, and to say goodbye ourselves.
type rest struct {
	state   *dtls.State // used once: no number of a record may come again
	flight  []byte      // our last, for a peer that it has not reached (RFC 6347 §4.2.4)
	repeats int         // how often that was sent again
}

// maxRepeats bounds what forged retransmissions can make a session send. A peer
// that waits for our last flight sends its own again with growing pauses.
const maxRepeats = 20

// retire lets the session rest. Whatever comes meanwhile is looked at then.
func (s *Session) retire(conn *dtls.Conn, line *pipe, keys Keys) error {
	flight, ok := line.unplug()
	if !ok {
		return ErrRemoteClosed
	}
	state, ok := conn.ConnectionState() // nothing is sent any more: no number is used after this
	_ = conn.Close()
	if !ok {
		return errors.New("secure: DTLS state cannot be exported")
	}
	state.PeerCertificates = nil // was verified
	s.established(keys)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line, s.rest = nil, &rest{state: &state, flight: slices.Clone(flight)}
	waiting := line.take()
	if s.ctx.Err() != nil {
		s.rouse(nil)
	}
	for _, datagram := range waiting {
		if s.line != nil {
			s.line.push(datagram, true)
		} else {
			s.restless(datagram)
		}
	}
	return nil
}

// restless looks at a datagram of harmless records that came to a session at
// rest. The caller holds mu.
func (s *Session) restless(datagram []byte) {
	repeat := false
	for b := datagram; len(b) > 0; b = b[recordHeader+int(binary.BigEndian.Uint16(b[11:13])):] {
		switch {
		case binary.BigEndian.Uint16(b[3:5]) == 0: // what goes before the peer's Finished
		case b[0] == contentHandshake: // its Finished: it has not seen ours
			repeat = true
		case b[0] == contentAlert:
			s.rouse(datagram)
			return
		case b[0] == contentApplicationData:
			s.discarded.Add(1)
		}
	}
	if r := s.rest; repeat && r.repeats < maxRepeats {
		r.repeats++
		s.count.sent.Add(1)
		s.cfg.Send(r.flight)
	}
}

// rouse puts the library to work again, for a datagram unless that is nil. The
// caller holds mu.
func (s *Session) rouse(datagram []byte) {
	state := s.rest.state
	s.rest = nil
	s.begin(func(line *pipe) error { return s.resume(line, state) })
	if datagram != nil {
		s.line.push(datagram, true)
	}
}

// resume takes a session that was at rest through the end of its life.
func (s *Session) resume(line *pipe, state *dtls.State) error {
	defer line.Close()
	conn, err := dtls.ResumeWithOptions(state, line, peerAddr{}, dtls.WithLoggerFactory(quiet{}))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.HandshakeContext(context.Background()); err != nil {
		return ErrRemoteClosed // nothing is left of the handshake that could fail: the alert was read
	}
	return s.data(conn)
}
