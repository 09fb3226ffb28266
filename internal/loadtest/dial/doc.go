// Package dial is the fence around the third-party implementation of DTLS and
// SCTP for synthetic participants: the client's side of both, where the
// bridge's fence (package bridge/secure) is the server's.
//
// The main type is [Conn]: a DTLS client over datagrams that its owner moves,
// from whose handshake come the SRTP keys (RFC 5764), and on top of which a
// bridge channel may be opened (RFC 8831). The load test and testkit/peer use it.
// No type of the libraries leaves the package.
//
// A Conn has some goroutines of the library's while the handshake runs, and
// afterwards only if there is a channel. Callbacks come from them.
package dial
