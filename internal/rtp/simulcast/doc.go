// Package simulcast decides, for one receiver of one source, which encoding is
// forwarded and up to which temporal layer. The main type is [Selector]; a
// media worker asks it for every packet of the source and tells it what the
// bandwidth allocator wants.
//
// It knows no codec: packages rtp/codec say what a packet is, and rtp.SeqMap
// and codec.VP8Rewriter make the result one stream. Spatial layers within one
// SSRC are not chosen here; they are all forwarded.
//
// The package is a core: no socket, goroutine, lock, clock or log.
package simulcast
