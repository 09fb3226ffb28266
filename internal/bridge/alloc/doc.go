// Package alloc decides which videos a receiver is sent, and in which quality.
//
// A [Settings] is what one receiver has asked for over its bridge channel. An
// [Allocator] takes that, the sources there are, in the order in which their
// owners spoke, and a [Budget], and answers with a [Result]: a layer or nothing
// for every source. A [Demand] adds up, for one source, what all
// receivers want of it, because that is what its sender is told.
//
// The rules are those that Jitsi's clients expect of a bridge. On-stage
// sources come first, selected ones second, the others in speech order; after
// last-N of them nobody else is sent. An on-stage source has to reach 360p, or
// what of it fits, before anybody behind it gets anything; then all are raised
// step by step, so that nobody goes without while bandwidth is left. An
// on-stage screen that does not fit is sent nevertheless if only 500 kbit/s
// are missing: half a screen share is no use. Above 360p only the full frame
// rate is offered, but a caller may let a receiver keep a picture at fewer
// frames for a while ([Layer].Lingers).
//
// There are two budgets: bits, of which the path to the receiver carries so many,
// and packets, of which the server has so many left for the receiver while it is
// under stress. Because all sources are raised layer by layer, and the last in
// line is the last to get its first, a server that is short of packets leaves
// out the large pictures first, then frames, then whole videos, the stage last.
//
// The bridge calls Run when a receiver's settings, the speech order, the
// layers of a source or the bandwidth estimate have changed. The package is a
// core: it does no I/O, holds no lock, reads no clock, and a Run allocates
// nothing once the Allocator has grown to the size of the conference. It
// decides anew each time and must not be asked about audio, which is never
// rationed here.
//
// Limits: the caller bounds the sources and the settings (package colibri
// refuses more than 1000 names). A run takes about 50 ns a source.
package alloc
