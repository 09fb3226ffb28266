package secure

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/pion/dtls/v3"
)

// rest is what remains of a session after the handshake, until the peer begins
// a data channel, which most peers never do, or says goodbye. The library would
// keep four goroutines and 45 KiB for that. It is taken up again, from the state
// it was left in, for what the peer says, and to say goodbye ourselves.
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
	early := drain(conn)
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
	switch {
	case s.ctx.Err() != nil:
		s.rouse(nil, nil)
	case early != nil && s.cfg.Channel == nil:
		s.discarded.Add(1)
	case early != nil:
		s.rouse(nil, early)
	}
	for _, datagram := range waiting {
		if s.line != nil {
			s.line.push(datagram, harmless(datagram))
		} else {
			s.restless(datagram)
		}
	}
	return nil
}

// drain returns the first piece of application data that the library had read
// when it was unplugged, nil if there was none. SCTP sends others again.
func drain(conn *dtls.Conn) (first []byte) {
	for buf := make([]byte, MaxDatagram); ; {
		n, err := conn.Read(buf)
		switch {
		case err != nil:
			return first
		case first == nil:
			first = slices.Clone(buf[:n])
		}
	}
}

// restless looks at a datagram that came to a session at rest. The caller holds
// mu.
func (s *Session) restless(datagram []byte) {
	if len(datagram) > MaxDatagram || !harmless(datagram) {
		s.count.dropped.Add(1)
		return
	}
	repeat := false
	for b := datagram; len(b) > 0; b = b[recordHeader+int(binary.BigEndian.Uint16(b[11:13])):] {
		switch {
		case binary.BigEndian.Uint16(b[3:5]) == 0: // what goes before the peer's Finished
		case b[0] == contentHandshake: // its Finished: it has not seen ours
			repeat = true
		case b[0] == contentAlert, b[0] == contentApplicationData && s.cfg.Channel != nil:
			s.rouse(datagram, nil)
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

// rouse puts the library to work again, for a datagram or for application data,
// unless they are nil. The caller holds mu.
func (s *Session) rouse(datagram, early []byte) {
	state := s.rest.state
	s.rest = nil
	s.begin(func(line *pipe) error { return s.resume(line, state, early) })
	if datagram != nil {
		s.line.push(datagram, true)
	}
}

// resume takes a session that was at rest through the end of its life. early is
// application data that came before.
func (s *Session) resume(line *pipe, state *dtls.State, early []byte) error {
	defer line.Close()
	conn, err := dtls.ResumeWithOptions(state, line, peerAddr{}, dtls.WithLoggerFactory(quiet{}), dtls.WithMTU(s.cfg.MTU-recordOverhead))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.HandshakeContext(context.Background()); err != nil {
		return ErrRemoteClosed // nothing is left of the handshake that could fail: the alert was read
	}
	return s.data(conn, early)
}
