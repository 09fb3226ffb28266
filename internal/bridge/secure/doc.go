// Package secure is the fence around the DTLS and SCTP libraries: it is the
// only package that imports them, and none of their types shows outside.
//
// A [Session] is one peer's DTLS association (RFC 6347), always in the server
// role: the offer says a=setup:actpass and clients answer active (RFC 8842
// §5.3). It consumes the datagrams that a bridge worker recognised as DTLS
// (RFC 7983), yields the SRTP keys (RFC 5764) once the peer's certificate
// matches the fingerprint from signalling (RFC 8122), and after that carries
// at most one WebRTC data channel (RFC 8831, RFC 8832) for the bridge channel.
// An [Identity] is a certificate that many sessions share.
//
// The caller is the bridge role. Unlike the cores this package runs
// goroutines and reads the clock, because the libraries do; a worker is never
// blocked by it: [Session.Push], [Session.SendChannel] and [Session.Close]
// return at once, and everything that happens is told through the callbacks
// of [Config], which are called from the session's goroutines.
//
// The package must never touch a socket, see a media packet, log, or hand out
// keys before the fingerprint was verified.
//
// # Limits
//
//   - a datagram: [MaxDatagram] bytes; 64 may wait, more are dropped and counted
//   - a handshake: 30 s from the first datagram
//   - one data channel; a message of [MaxMessage] bytes either way, longer
//     ones are discarded and counted; 256 KiB of messages may wait to be sent
//   - a peer can make the session hold 320 KiB of half-received messages
//
// # What a session costs
//
// Measured by TestMemoryOfSessions on linux/amd64, without the client: an established
// session keeps 6 KiB and no goroutine, because the library is let go of until
// the peer has something to say; one whose peer has opened the data channel about
// 72 KiB and 7 goroutines. A session that no datagram has reached
// owns no goroutine and less than 1 KiB. A handshake costs about 0.3 ms of CPU
// and 80 KB of garbage on our side.
package secure
