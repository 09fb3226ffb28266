// Package bridge is the media role: a selective forwarding unit. It carries
// out what the focus asks through [colibri.Bridge], connects endpoints (ICE,
// DTLS, SRTP), and forwards their audio and video to each other.
//
// The main type is [Bridge]; package app builds it, gives it to the focus,
// and mounts its handler for the bridge channel's WebSockets.
//
// # Workers
//
// There is one UDP port with one socket, one goroutine, one timer wheel and
// one mailbox for each worker. A conference with all its endpoints belongs to
// one worker, the least loaded one when it was made: whatever happens in it
// happens on one goroutine, so that forwarding takes no lock. A turn of a
// worker reads a batch of datagrams, handles them, its letters and its
// timers. What comes of the datagrams of one conference is sent together, in
// one flush with that of others if it is little (intake.go).
//
// The kernel knows nothing of owners, so a datagram may arrive at any
// worker's socket. A peer's first STUN message names its worker in the user
// name; once the peer has proved to hold an address, all workers learn whose
// it is. What landed wrong is copied and handed over, one batch a turn.
//
// Sealing and sending is most of the work, and needs to know nothing. So a
// worker that is busy lets others do that for some of its receivers ([lending]):
// their packets are written, numbered and accounted for as ever, and then go in
// parcels to the receiver's [outlet], which has its sealer. A receiver has one
// outlet, so that it gets everything in order; and a conference that one core
// can carry has none.
//
// # The way of a packet
//
// worker.packet finds the endpoint by address; endpoint.rtpPacket opens the
// packet in place; encoding.packet drops duplicates and notices losses;
// video is put into the encoding's ring; mediaSource.forwardAudio and
// forwardVideo go through the list of those who get it; each gets a header
// of its own, sealed with its own key straight into the socket's send arena, or
// put into a parcel to its outlet.
// In a conference with many microphones [speech.Router] leaves out all audio
// but that of the loudest; who asked for a source by name gets it in any case.
// Nothing is allocated on this way. What happens rarely (joins, messages,
// reports) may allocate.
//
// # Who gets how much
//
// Each endpoint has an estimate of what its path carries (package bwe), made
// of its reports on what it got. Audio is kept free of it; what is left is the
// budget by which package alloc chooses encodings, and layers within them, for
// that endpoint alone ([bandwidth]). They fall in the turn in which the estimate
// does, frames before lines, and rise some time later ([hold]); only what is to
// be seen large gets its smallest picture back at once. While a receiver gets
// less than it wants, the
// estimator may ask for padding: fresh packets sent again as RTX, or empty
// ones on the bridge's own stream. Who reports nothing at all is sent
// everything after some seconds.
//
// Clients without transport-wide feedback, which are old or simple, get the
// send time in video instead, and what they estimate from it (REMB) and report
// as lost counts. As senders they are told what was lost, by receiver reports,
// and how large they are wanted; they are sent no REMB.
//
// A decision is made about those whom a change concerns, not about everybody,
// and not about who has all it wants because time goes by (affected.go).
//
// # Under stress
//
// A worker that has more to do than it has time for would let everything wait
// in its socket. Package stress watches how long the newest packet has waited
// and how busy the worker is, and limits the video packets a second of each
// receiver; the allocator takes that for a second budget ([rationing]). Probing
// and most repeats go before that. Audio is not limited. Video that has waited
// for [staleAfter] nevertheless is dropped unopened. The load of outlets counts
// as that of the worker they send for, less if they decide for more receivers
// themselves; one that is behind loses video first.
//
// # At rest
//
// A conference in which nothing has happened for some seconds, no media for anybody and no
// change, is looked after seldom, and so are its endpoints (rest.go). Who is
// only there costs what its ICE checks, reports and pings cost. A worker to which
// nothing but these comes for a second has a turn each 40 ms instead of one for
// each of them (gather.go): the first packet of media, and the first check of
// somebody new, may be late by that. So it is, a few seconds later, where a crowd
// goes on sending digital silence; feedback about that is seldom as well.
//
// # Under which SSRC
//
// To most receivers a source has its own first SSRC. For those that take SSRC
// rewriting the bridge has slots (package slots): SSRCs of its own, a bounded
// number, each with a stream of its own whose numbers go on when it passes from
// one source to another. They are told what each carries ahead of the media;
// without a bridge channel media has to wait ([slotMaps]).
//
// # What it must never do
//
// Forward what was not authenticated, or accept media from an address no
// authenticated check has proved. Send a packet twice under one SRTP number:
// retransmissions are always RTX. Wait for a peer, a client or the focus.
//
// # Limits
//
// [Limits] bounds endpoints, sources, letters, addresses, messages and what
// waits for slow clients; every drop is counted under its reason. Histories
// hold a second of video at most. 16 MiB may be on their way from one worker to
// one outlet. An endpoint that only receives takes some 20 KB, and 1 KB or less for
// each source that it is sent.
package bridge
