package secure

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
)

// Reasons for which a session ends or a call is refused.
var (
	// ErrClosed: the owner called Close.
	ErrClosed = errors.New("secure: session closed")
	// ErrRemoteClosed: the peer sent close_notify.
	ErrRemoteClosed = errors.New("secure: peer closed the DTLS association")
	// ErrHandshakeTimeout: the handshake was not over in time.
	ErrHandshakeTimeout = errors.New("secure: DTLS handshake timed out")
	// ErrFingerprintMismatch: the peer's certificate is not the one that
	// signalling announced.
	ErrFingerprintMismatch = errors.New("secure: certificate does not match the fingerprint")
	// ErrFingerprint: a fingerprint from signalling cannot be used.
	ErrFingerprint = errors.New("secure: unusable fingerprint")
	// ErrNoProfile: the peer offered no SRTP protection profile.
	ErrNoProfile = errors.New("secure: peer offers no SRTP")
	// ErrNoChannel: there is no open data channel.
	ErrNoChannel = errors.New("secure: no data channel")
	// ErrChannelFull: too much waits to be sent on the data channel.
	ErrChannelFull = errors.New("secure: data channel is full")
	// ErrMessageTooLong: the message exceeds MaxMessage.
	ErrMessageTooLong = errors.New("secure: message too long")
)

const (
	// handshakeTimeout counts from the first datagram.
	handshakeTimeout = 30 * time.Second
	// flightInterval is the first retransmission timer; the library doubles
	// it. RFC 9147 §5.8.2 allows less than RFC 6347's second to those who
	// wait for the result, and somebody is waiting for a first picture here.
	flightInterval = 250 * time.Millisecond
	// defaultMTU is the size of UDP payload that passes every usual path.
	defaultMTU = 1200
	// recordOverhead is what a DTLS record with a handshake fragment adds:
	// record header 13, handshake header 12 (RFC 6347 §4.1, §4.2.2).
	recordOverhead = 25
)

// Profile is an SRTP protection profile by its number in IANA's registry
// (RFC 5764 §4.1.2, RFC 7714 §14.2).
type Profile uint16

// The profiles a session accepts, the preferred one first: with hardware AES
// the AEAD costs a fifth of HMAC-SHA1.
const (
	AEADAES128GCM     Profile = 0x0007
	AES128CMHMACSHA80 Profile = 0x0001
)

// String returns the registered name.
func (p Profile) String() string {
	switch p {
	case AEADAES128GCM:
		return "SRTP_AEAD_AES_128_GCM"
	case AES128CMHMACSHA80:
		return "SRTP_AES128_CM_HMAC_SHA1_80"
	}
	return fmt.Sprintf("SRTP profile %#04x", uint16(p))
}

// lengths returns how many bytes of master key and of salt the profile takes.
func (p Profile) lengths() (key, salt int) {
	if p == AEADAES128GCM {
		return 16, 12 // RFC 7714 §12
	}
	return 16, 14 // RFC 3711 §8.2
}

// Keys are the SRTP master keys of a session. Remote is what the peer
// encrypts with, Local what we do. They are secrets: never log them.
type Keys struct {
	Profile               Profile
	RemoteKey, RemoteSalt []byte
	LocalKey, LocalSalt   []byte
}

// Config says whose session it is and whom to tell what.
//
// All callbacks come from goroutines of the session, one at a time except
// Send; they must be short and must not wait for the caller of a Session
// method (post to a mailbox). None is called after OnClosed has returned or
// after Done is closed.
type Config struct {
	Identity *Identity
	// Send transmits one datagram to the peer. The memory is valid only during
	// the call. Calls do not overlap.
	Send func(datagram []byte)
	// OnKeys is called once, when the handshake is over and the peer's
	// certificate matched. The callee owns keys.
	OnKeys func(keys Keys)
	// OnClosed is called once when the session ended for a reason other than
	// Close, with one of the errors above or something that wraps it.
	OnClosed func(reason error)
	// MTU is the longest datagram in bytes to send; 0 means 1200.
	MTU int
	// Channel says what to do about a data channel; nil refuses one and drops
	// all application data.
	Channel *ChannelConfig
}

// ChannelConfig holds the callbacks of the data channel.
type ChannelConfig struct {
	// OnOpen is called when the peer has opened the channel; SendChannel works
	// from then on.
	OnOpen func()
	// OnMessage is called with each text message. The callee owns msg.
	OnMessage func(msg []byte)
	// OnClosed is called when an open channel ended; the session may live on.
	// There will be no other channel in this session.
	OnClosed func(reason error)
}

// Session is one peer's DTLS association. Its methods may be called from any
// goroutine and never wait.
type Session struct {
	cfg    Config
	count  traffic
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}

	mu      sync.Mutex
	started bool
	line    *pipe // of the library, nil while that is not at work
	rest    *rest // nil unless the handshake is over and nobody has to wait
	remote  fingerprint
	known   chan struct{} // closed when remote is known
	leaf    []byte        // the peer's certificate until it is verified
	phase   phase
	profile Profile

	channel   atomic.Pointer[sctp.Stream]
	discarded atomic.Uint64
}

// NewSession returns a session that waits for the peer's first datagram.
// Until then it owns no goroutine.
func NewSession(cfg Config) *Session {
	if cfg.MTU == 0 {
		cfg.MTU = defaultMTU
	}
	s := &Session{cfg: cfg, done: make(chan struct{}), known: make(chan struct{}), phase: waiting}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// Push gives the session a datagram from the peer. The datagram is copied. It
// is dropped and counted if it is longer than MaxDatagram, if too many wait,
// if the session has ended, or if the handshake is over and the datagram
// holds plain text that no honest peer sends then.
func (s *Session) Push(datagram []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.received.Add(1)
	handshook := s.phase == authenticating || s.phase == established
	welcome := !handshook || harmless(datagram)
	if !s.started {
		s.started = true
		s.phase = handshaking
		s.begin(s.serve)
	}
	switch {
	case s.line != nil:
		s.line.push(datagram, welcome)
	case s.rest != nil:
		s.restless(datagram)
	default:
		s.count.dropped.Add(1)
	}
}

// begin puts the library to work in a goroutine. The caller holds mu.
func (s *Session) begin(serve func(line *pipe) error) {
	line := newPipe(s.cfg.Send, &s.count)
	s.line = line
	go s.run(serve, line)
}

// SetRemoteFingerprint says which certificate the peer must have: hash is
// "sha-256", "sha-384" or "sha-512", value hex pairs joined by colons. It may
// be called before, during or after the handshake: keys are held back until
// it is. The first call counts; repeating it does nothing, contradicting it
// is an error, because a new certificate needs a new session (RFC 8842 §4).
// The error wraps ErrFingerprint.
func (s *Session) SetRemoteFingerprint(hash, value string) error {
	f, err := parseFingerprint(hash, value)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remote.known() {
		if s.remote != f {
			return fmt.Errorf("%w: another one was set before", ErrFingerprint)
		}
		return nil
	}
	s.remote = f
	close(s.known)
	return nil
}

// Close ends the session; the peer is sent close_notify. It returns at once,
// OnClosed is not called; Done tells when the last goroutine has ended.
func (s *Session) Close() {
	s.cancel(ErrClosed)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.rest != nil:
		s.rouse(nil, nil) // to say goodbye
	case !s.started:
		s.started = true
		s.phase = ended
		close(s.done)
	}
}

// Done returns a channel that is closed when the session has ended and none
// of its callbacks will be called again.
func (s *Session) Done() <-chan struct{} { return s.done }

// run is the session's goroutine. It leaves a session that is at rest.
func (s *Session) run(serve func(line *pipe) error, line *pipe) {
	reason := serve(line)
	if reason == nil {
		return
	}
	defer close(s.done)
	s.setPhase(ended)
	if !errors.Is(context.Cause(s.ctx), ErrClosed) && s.cfg.OnClosed != nil {
		s.cfg.OnClosed(reason)
	}
	s.cancel(reason)
}

// serve takes the session through its life and returns why it ended; nil if it
// is at rest.
func (s *Session) serve(line *pipe) error {
	defer line.Close()
	conn, err := dtls.ServerWithOptions(line, peerAddr{}, s.options()...)
	if err != nil {
		return fmt.Errorf("secure: %w", err)
	}
	defer conn.Close()
	if err := s.handshake(conn); err != nil {
		return err
	}
	if err := s.authenticate(); err != nil {
		return err
	}
	keys, err := exportKeys(conn)
	if err != nil {
		return err
	}
	return s.retire(conn, line, keys)
}

// options configures the DTLS server. The HelloVerifyRequest is skipped: ICE
// has shown that the peer is where its datagrams come from (RFC 8827 §6.5
// expects no cookie exchange either), and it would cost a round trip.
func (s *Session) options() []dtls.ServerOption {
	return []dtls.ServerOption{
		dtls.WithCertificates(s.cfg.Identity.certificate),
		dtls.WithCipherSuites(
			dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		),
		dtls.WithSRTPProtectionProfiles(
			dtls.SRTPProtectionProfile(AEADAES128GCM),
			dtls.SRTPProtectionProfile(AES128CMHMACSHA80),
		),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithVerifyPeerCertificate(s.seen),
		dtls.WithInsecureSkipVerifyHello(true),
		dtls.WithFlightInterval(flightInterval),
		dtls.WithMTU(s.cfg.MTU - recordOverhead),
		dtls.WithLoggerFactory(quiet{}),
	}
}

func (s *Session) handshake(conn *dtls.Conn) error {
	ctx, cancel := context.WithTimeoutCause(s.ctx, handshakeTimeout, ErrHandshakeTimeout)
	defer cancel()
	err := conn.HandshakeContext(ctx)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("secure: DTLS handshake: %w", err)
}

// seen is told the peer's certificate when the peer has proved that it owns
// the key. If the fingerprint is known by then, a stranger gets the alert
// that RFC 5763 §5 asks for.
func (s *Session) seen(certificates [][]byte, _ [][]*x509.Certificate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(certificates) > 0 {
		s.leaf = slices.Clone(certificates[0])
	}
	if s.remote.known() && !s.remote.matches(s.leaf) {
		return ErrFingerprintMismatch
	}
	return nil
}

// authenticate waits until signalling has told the fingerprint and checks the
// certificate against it. Application data waits in the meantime.
func (s *Session) authenticate() error {
	s.setPhase(authenticating)
	select {
	case <-s.known:
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := s.remote.matches(s.leaf)
	s.leaf = nil
	if !ok {
		return ErrFingerprintMismatch
	}
	return nil
}

// exportKeys derives the SRTP keys; the order of the parts is RFC 5764 §4.2's,
// where the client is the peer.
func exportKeys(conn *dtls.Conn) (Keys, error) {
	number, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return Keys{}, ErrNoProfile
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return Keys{}, errors.New("secure: DTLS state cannot be exported")
	}
	profile := Profile(number)
	keyLen, saltLen := profile.lengths()
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(keyLen+saltLen))
	if err != nil {
		return Keys{}, fmt.Errorf("secure: exporting keys: %w", err)
	}
	take := func(n int) []byte {
		part := material[:n:n]
		material = material[n:]
		return part
	}
	return Keys{
		Profile:    profile,
		RemoteKey:  take(keyLen),
		LocalKey:   take(keyLen),
		RemoteSalt: take(saltLen),
		LocalSalt:  take(saltLen),
	}, nil
}

func (s *Session) established(keys Keys) {
	s.mu.Lock()
	s.phase = established
	s.profile = keys.Profile
	s.mu.Unlock()
	s.cfg.OnKeys(keys)
}

// data reads application data for the rest of the session; early is what was
// read before. The association for the data channel is made when the first
// arrives.
func (s *Session) data(conn *dtls.Conn, early []byte) error {
	stop := context.AfterFunc(s.ctx, func() { _ = conn.SetReadDeadline(past) })
	defer stop()
	channel := s.cfg.Channel
	buf := make([]byte, MaxDatagram)
	n := copy(buf, early)
	for err := error(nil); ; n, err = readData(conn, buf) {
		switch {
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		case err != nil:
			return err
		case n == 0:
		case channel == nil:
			s.discarded.Add(1)
		default:
			s.serveChannel(conn, channel, buf[:n])
			channel = nil
			_ = conn.SetReadDeadline(time.Time{})
			if s.ctx.Err() != nil {
				return context.Cause(s.ctx)
			}
		}
	}
}

// past is a read deadline that interrupts.
var past = time.Unix(1, 0)

// readData returns the next piece of application data. What the library
// reports as an error of one record only (a warning alert, a record that is
// too long) is skipped.
func readData(conn *dtls.Conn, buf []byte) (int, error) {
	for {
		n, err := conn.Read(buf)
		var timeout net.Error
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, io.EOF):
			return 0, ErrRemoteClosed
		case errors.As(err, &timeout) && timeout.Timeout():
			return 0, err
		}
	}
}
