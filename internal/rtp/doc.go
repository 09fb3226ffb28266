// Package rtp reads, writes and keeps account of RTP and RTCP packets
// (RFC 3550) for a forwarding server: views and writers of headers and of
// RTCP, retransmission (RFC 4588), transport-wide feedback, loss accounting,
// the history of an encoding and the renumbering of what a receiver gets.
//
// A media worker calls it with plain packets, between opening and sealing
// them. The main types:
//
//   - [Header] is a view of one received packet, [Egress] writes one to send.
//   - [Compound] walks over an RTCP compound; the Append functions build one.
//   - [Recorder] collects arrivals for transport-wide feedback.
//   - [Receiver] accounts for loss and jitter of an incoming SSRC,
//     [NackGenerator] asks for what is missing, [DuplicateFilter] drops what
//     came twice.
//   - [Ring] is the history of one encoding, [SeqMap] the numbering of one
//     receiver's stream.
//
// Payloads are never touched: what codecs say about themselves in the clear is
// read by package rtp/codec, and package rtp/simulcast chooses encodings.
//
// The package is a core: it must never open a socket, start a goroutine, hold
// a lock, read a clock or log. Its types belong to one worker and are not safe
// for concurrent use. Whatever parses network input is bounded by the packet
// itself and keeps no reference to it beyond what is documented.
package rtp
