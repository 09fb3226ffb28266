// Package renumber maps the numbers of an incoming stream, from which some
// items are left out, to contiguous numbers of an outgoing stream, and back.
// Items are packets (sequence numbers) or frames (picture ids).
//
// Package rtp uses it for the sequence numbers of a receiver's stream, package
// codec for picture ids. It is a core: no socket, goroutine, lock, clock or
// log.
//
// # Limits
//
// A [Map] answers for the last [Window] outgoing numbers and the last
// [Epochs] changes of the incoming stream. It takes about 250 bytes, and 2 KiB
// more from the first item that is left out.
package renumber
