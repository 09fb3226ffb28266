package rtp

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/renumber"
)

// When a Recorder wants feedback to be sent.
const (
	FeedbackInterval     = 100 * time.Millisecond
	FeedbackAtRest       = 960 * time.Millisecond // tried by hand: Chromium 156 kept its estimate for 24 s of it
	FeedbackAfterMarker  = 20 * time.Millisecond
	maxFeedbackLen       = 1200
	recorderMinCapacity  = 256
	recorderMaxCapacity  = 4096
	recorderTimesPerByte = 7 // symbols in a chunk at worst, of two bytes
)

// Recorder notes when packets with transport-wide sequence numbers arrived
// and tells their sender (draft-holmer-rmcat-transport-wide-cc-extensions-01
// §3.1). There is one for each peer that sends media. The zero value is ready.
//
//	r.Add(seq, now)                     // for every packet that has a number
//	if r.Due(now, every, marker) { … }  // after a packet, or at Deadline
//	for r.Pending() { buf = r.Build(buf[:0], ssrc, media, now); send(buf) }
//
// A packet that comes late is reported again, with everything newer. Between
// two reports it remembers up to 4,096 numbers, in 2 KiB at first and 32 KiB at
// most; if more are missing at once, the older ones are never reported.
type Recorder struct {
	arrivals []int64 // ticks plus one, 0 for a packet that did not arrive; by number
	symbols  []uint8
	numbers  renumber.Unwrapper
	oldest   int64 // number of the oldest arrival that is remembered
	start    int64 // first number to be reported next
	end      int64 // behind the newest
	lastSent mono.Time
	count    uint8 // feedback messages
	pending  bool
}

// Add notes the arrival of a packet. A number that arrives twice counts the
// first time.
func (r *Recorder) Add(seq uint16, at mono.Time) {
	n := r.numbers.Unwrap(seq, 16)
	switch {
	case r.arrivals == nil:
		r.arrivals = make([]int64, recorderMinCapacity)
		r.oldest, r.start, r.end, r.lastSent = n+1-recorderMinCapacity, n, n+1, at
	case n >= r.end:
		r.extend(n + 1)
	case n < r.oldest || *r.slot(n) != 0:
		return
	}
	*r.slot(n) = int64(at)/int64(tccTick) + 1
	r.start = min(r.start, n)
	r.pending = true
}

// Ahead calls fetch with memory that the next packet needs, to be brought into the
// cache and for nothing else; with nil if there is none.
func (r *Recorder) Ahead(fetch func(unsafe.Pointer)) {
	if len(r.arrivals) == 0 {
		fetch(nil)
		return
	}
	fetch(unsafe.Pointer(r.slot(r.end)))
}

func (r *Recorder) slot(n int64) *int64 { return &r.arrivals[n&int64(len(r.arrivals)-1)] }

// extend makes room for numbers up to end, which did not arrive so far.
func (r *Recorder) extend(end int64) {
	for end-r.start > int64(len(r.arrivals)) && len(r.arrivals) < recorderMaxCapacity {
		r.grow()
	}
	size := int64(len(r.arrivals))
	for n := max(r.end, end-size); n < end; n++ {
		*r.slot(n) = 0
	}
	r.end = end
	r.oldest = max(r.oldest, end-size)
	r.start = max(r.start, r.oldest)
}

func (r *Recorder) grow() {
	old := *r
	r.arrivals = make([]int64, 2*len(old.arrivals))
	for n := old.oldest; n < old.end; n++ {
		*r.slot(n) = *old.slot(n)
	}
}

// Pending reports whether there are arrivals that were not reported.
func (r *Recorder) Pending() bool { return r.pending }

// Due reports whether feedback should be sent now: so long after the last, or
// already 20 ms after it at the end of a frame. every is [FeedbackInterval], or
// [FeedbackAtRest] for who sends next to nothing.
func (r *Recorder) Due(now mono.Time, every time.Duration, marker bool) bool {
	since := now.Sub(r.lastSent)
	return r.pending && (since >= every || marker && since >= FeedbackAfterMarker)
}

// Deadline is when feedback becomes due without another packet, 0 if there is
// nothing to report.
func (r *Recorder) Deadline(every time.Duration) mono.Time {
	if !r.pending {
		return 0
	}
	return r.lastSent.Add(every)
}

// Build appends one feedback message of at most 1,200 bytes about the oldest
// arrivals that were not reported; call it until Pending is false. With
// nothing to report it appends nothing. sender is our SSRC, media that of any
// stream of the peer.
func (r *Recorder) Build(dst []byte, sender, media uint32, now mono.Time) []byte {
	if !r.pending {
		return dst
	}
	base, reference := r.start, r.reference()
	last := r.classify(reference)
	start := len(dst)
	dst = appendRTCP(dst, TypeRTPFB, FormatTransportCC, 0)
	dst = appendWords(dst, sender, media, uint32(base)<<16|uint32(len(r.symbols)),
		uint32(reference)<<8|uint32(r.count))
	dst = appendChunks(dst, r.symbols)
	dst = r.appendDeltas(dst, base, reference*tccRefTicks)
	dst = padRTCP(dst, start)
	r.count++
	r.start, r.lastSent = last, now
	r.pending = last < r.end
	return dst
}

// reference is the reference time of a message that begins at start: that of
// the first arrival, rounded down.
func (r *Recorder) reference() int64 {
	for n := r.start; n < r.end; n++ {
		if at := *r.slot(n); at != 0 {
			return (at - 1) / tccRefTicks
		}
	}
	return 0
}

// classify finds the symbols of the packets from start on, for as many as fit
// one message, and returns the number behind the last.
func (r *Recorder) classify(reference int64) int64 {
	r.symbols = r.symbols[:0]
	prev, deltas, n := reference*tccRefTicks, 0, r.start
	for ; n < r.end; n++ {
		chunks := 2 * (len(r.symbols)/recorderTimesPerByte + 1)
		if rtcpHeaderLen+tccFixedLen+chunks+deltas+2+3 > maxFeedbackLen {
			break
		}
		at := *r.slot(n) - 1
		symbol := tccSymbol(at, prev)
		if symbol == tccReserved { // too far apart for one message
			break
		}
		if symbol != tccLost {
			prev = at
		}
		deltas += int(symbol)
		r.symbols = append(r.symbols, symbol)
	}
	return n
}

func tccSymbol(at, prev int64) uint8 {
	switch delta := at - prev; {
	case at < 0:
		return tccLost
	case delta >= 0 && delta <= 0xff:
		return tccSmall
	case delta == int64(int16(delta)):
		return tccLarge
	}
	return tccReserved
}

func (r *Recorder) appendDeltas(dst []byte, n, prev int64) []byte {
	for _, symbol := range r.symbols {
		at := *r.slot(n) - 1
		n++
		switch symbol {
		case tccSmall:
			dst = append(dst, byte(at-prev))
		case tccLarge:
			dst = binary.BigEndian.AppendUint16(dst, uint16(at-prev))
		default:
			continue
		}
		prev = at
	}
	return dst
}

// appendChunks writes symbols as chunks, each of them as large as possible. A
// vector must be full unless it is the last chunk.
func appendChunks(dst []byte, symbols []uint8) []byte {
	for len(symbols) > 0 {
		n, w := nextChunk(symbols)
		dst = binary.BigEndian.AppendUint16(dst, w)
		symbols = symbols[n:]
	}
	return dst
}

func nextChunk(symbols []uint8) (n int, w uint16) {
	run, ones, twos := runLen(symbols), oneBitLen(symbols), min(len(symbols), 7)
	if ones < 14 && ones < len(symbols) {
		ones = 0 // not full
	}
	switch {
	case run >= max(ones, twos):
		return run, uint16(symbols[0])<<13 | uint16(run)
	case ones >= twos:
		return ones, 0x8000 | vector(symbols[:ones], 14, 1)
	}
	return twos, 0xc000 | vector(symbols[:twos], 7, 2)
}

// runLen is how many equal symbols come first, as many as a chunk can hold.
func runLen(symbols []uint8) int {
	n := 1
	for n < len(symbols) && n < 1<<13-1 && symbols[n] == symbols[0] {
		n++
	}
	return n
}

// oneBitLen is how many symbols that need one bit come first, up to 14.
func oneBitLen(symbols []uint8) int {
	n := 0
	for n < len(symbols) && n < 14 && symbols[n] <= tccSmall {
		n++
	}
	return n
}

// vector packs symbols of the given width from the top, for places in all.
func vector(symbols []uint8, places, width int) uint16 {
	var w uint16
	for i := range places {
		w <<= width
		if i < len(symbols) {
			w |= uint16(symbols[i])
		}
	}
	return w
}

// padRTCP pads the packet that begins at start to whole words (RFC 3550
// §6.4.1) and writes its length.
func padRTCP(dst []byte, start int) []byte {
	if n := -(len(dst) - start) & 3; n > 0 {
		dst[start] |= 0x20
		for range n - 1 {
			dst = append(dst, 0)
		}
		dst = append(dst, byte(n))
	}
	return setRTCPLen(dst, start)
}
