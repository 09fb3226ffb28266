// Package codec reads what video codecs say about a packet in the clear: VP8
// and VP9 payload descriptors, the AV1 dependency descriptor, H.264 NAL unit
// headers and the picture size of its parameter sets. With end-to-end encryption these are all a server can see.
//
// Parsers take a payload (or the content of a header extension), return a
// plain value and keep no reference to it. The rewriters change only
// descriptors, in memory that belongs to one receiver.
//
// A bridge worker calls it for every video packet. The package is a core: no
// socket, goroutine, lock, clock or log. Whatever a packet claims is bounded by
// the packet's length; lists have a documented maximum.
package codec

import "errors"

// ErrMalformed is returned for descriptors that end early or contradict
// themselves.
var ErrMalformed = errors.New("codec: malformed descriptor")
