// Package media is the media of synthetic participants: what they say and
// show, and what they make of what they receive.
//
// [Audio] and [Video] are senders. They play real encoded samples (see
// samples/README.md) in packets as a browser would send them: Opus with audio
// levels that follow a [Conversation], VP8 in three simulcast layers with key
// frames whenever one is asked for. Every picture, and every audio packet,
// ends in a trailer ([Stamp]) that decoders skip and that says when it was
// sent and how large the picture is; so delay can be measured through any
// server, since no server changes payloads.
//
// [Stream] is the receiving half: loss, jitter, frames, freezes of one SSRC,
// for the most part from what is in the clear, so that not every packet needs
// to be decrypted.
//
// The load test's workers call it. The package is pure: time is passed in,
// output goes to an [Output] of the caller, nothing is allocated per packet.
// It opens no socket, starts no goroutine and holds no lock.
package media
