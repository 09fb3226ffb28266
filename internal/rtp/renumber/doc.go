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
// A [Map] answers for the last [MinWindow] to [MaxWindow] outgoing numbers, as
// its owner wishes, and the last [Epochs] changes of the incoming stream. It
// takes about 100 bytes, 24 for each of those changes within the window, and two
// for each number of the window from the first item on that is left out: 128
// bytes to 2 KiB.
package renumber
