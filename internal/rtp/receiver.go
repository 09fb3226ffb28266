package rtp

import (
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp/renumber"
)

// Receiver accounts for one incoming SSRC, as a receiver report needs it
// (RFC 3550 §6.4.1, appendices A.3 and A.8). The zero value is ready.
type Receiver struct {
	numbers  renumber.Unwrapper
	first    int64 // extended sequence numbers
	newest   int64
	packets  uint64
	bytes    uint64
	expected int64 // at the last report
	received uint64
	transit  int64 // of the last packet, in clock units
	jitter   float64
	lsr      uint32
	lsrAt    mono.Time
	started  bool
}

// Add notes a packet that arrived on this SSRC: its sequence number, its
// timestamp, the clock rate of its payload type in Hz, and the length of its
// payload in bytes. Packets recovered from a retransmission stream do not
// count; they were lost.
func (r *Receiver) Add(seq uint16, ts, clock uint32, length int, at mono.Time) {
	n := r.numbers.Unwrap(seq, 16)
	transit := int64(uint64(at)/1000*uint64(clock)/1e6) - int64(ts)
	if !r.started {
		r.started, r.first, r.newest = true, n, n
	} else if clock > 0 {
		// The difference modulo 2^32, as the timestamps wrap.
		delta := float64(int32(uint32(transit - r.transit)))
		r.jitter += (max(delta, -delta) - r.jitter) / 16
	}
	r.transit = transit
	r.first, r.newest = min(r.first, n), max(r.newest, n)
	r.packets++
	r.bytes += uint64(max(length, 0))
}

// SenderReport notes when a sender report about this SSRC arrived.
func (r *Receiver) SenderReport(info SenderInfo, at mono.Time) {
	r.lsr, r.lsrAt = compactNTP(info.NTP), at
}

// Report returns a report block and begins a new interval; false if there was
// no packet yet.
func (r *Receiver) Report(ssrc uint32, now mono.Time) (ReportBlock, bool) {
	if !r.started {
		return ReportBlock{}, false
	}
	expected := r.newest - r.first + 1
	block := ReportBlock{
		SSRC:           ssrc,
		FractionLost:   fraction(expected-r.expected, int64(r.packets-r.received)),
		CumulativeLost: int32(min(max(expected-int64(r.packets), -1<<23), 1<<23-1)),
		HighestSeq:     uint32(r.newest - 1<<16), // the unwrapper begins one cycle up
		Jitter:         uint32(r.jitter),
		LSR:            r.lsr,
	}
	if r.lsr != 0 {
		block.DLSR = compactDuration(now.Sub(r.lsrAt))
	}
	r.expected, r.received = expected, r.packets
	return block, true
}

// fraction is the share of packets lost in 256ths (RFC 3550 A.3).
func fraction(expected, received int64) uint8 {
	lost := expected - received
	if expected <= 0 || lost <= 0 {
		return 0
	}
	return uint8(min(lost*256/expected, 255))
}

// ReceiverStats is what a Receiver knows, for the debug tree.
type ReceiverStats struct {
	Packets uint64        `json:"packets"`
	Bytes   uint64        `json:"bytes"` // of payload
	Lost    int64         `json:"lost"`
	Jitter  time.Duration `json:"jitter_ns"`
}

// Stats returns the counters; clock is the clock rate in Hz.
func (r *Receiver) Stats(clock uint32) ReceiverStats {
	s := ReceiverStats{Packets: r.packets, Bytes: r.bytes}
	if r.started {
		s.Lost = r.newest - r.first + 1 - int64(r.packets)
	}
	if clock > 0 {
		s.Jitter = time.Duration(r.jitter / float64(clock) * float64(time.Second))
	}
	return s
}

// sentReports is how many sender reports an RTT remembers.
const sentReports = 64

// RTT measures the round trip time to a peer from the sender reports that were
// sent to it and the report blocks that answer them (RFC 3550 §6.4.1). Sender
// reports may carry anybody's NTP time. The zero value is ready; it remembers
// the last 64 sender reports.
type RTT struct {
	sent  []sentReport
	next  int
	value time.Duration
}

type sentReport struct {
	ssrc, lsr uint32
	at        mono.Time
}

// Sent notes that a sender report went out.
func (r *RTT) Sent(ssrc uint32, ntp uint64, at mono.Time) {
	report := sentReport{ssrc, compactNTP(ntp), at}
	if len(r.sent) < sentReports {
		r.sent = append(r.sent, report)
		return
	}
	r.sent[r.next] = report
	r.next = (r.next + 1) % sentReports
}

// Reported takes a report block the peer sent, and returns the round trip time
// if it answers a report that is remembered.
func (r *RTT) Reported(b ReportBlock, now mono.Time) (time.Duration, bool) {
	if b.LSR == 0 {
		return 0, false
	}
	for i := range r.sent {
		if s := &r.sent[i]; s.ssrc == b.SSRC && s.lsr == b.LSR {
			rtt := now.Sub(s.at) - fromCompact(b.DLSR)
			if rtt < 0 || rtt > time.Minute { // the peer's DLSR is not to be trusted
				return 0, false
			}
			r.value = max(rtt, time.Microsecond)
			return r.value, true
		}
	}
	return 0, false
}

// Value returns the last round trip time measured, 0 if there was none.
func (r *RTT) Value() time.Duration { return r.value }
