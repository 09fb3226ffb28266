// Package participant is somebody in a conference as tests need many of: it
// asks for the conference, joins the room over a WebSocket, takes the offer,
// connects to the bridge by ICE and DTLS, opens the bridge channel, and sends
// and receives RTP, speaking to a running server as Jitsi clients do.
//
// The main type is [Participant], made by [Join]; its [Moment] values say when
// it had come how far. What it sends looks like Opus and VP8 to a server and
// is noise to anybody else. It has no opinions about what it receives.
//
// Only tests use this package. It trusts the server: it checks nothing that a
// test does not ask for.
package participant
