// Package peer is a WebRTC client for tests of the media role: a controlled
// ICE agent, DTLS with SRTP keys, RTP in and out, and a data channel, over a
// real UDP socket on the loopback interface.
//
// The main type is [Peer]. It joins with the transport a bridge offered,
// sends what a test gives it and collects what arrives; it has no opinions
// about media and never answers by itself. Only tests use this package. DTLS and
// the data channel are package loadtest/dial's.
package peer
