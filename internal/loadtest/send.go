package loadtest

import (
	"math/rand/v2"
	"time"

	"github.com/plenum-conf/plenum/internal/bwe"
	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// tooLate is when a packet counts as sent too late.
const tooLate = 20 * time.Millisecond

// uplinkStart is what a sender takes its uplink for until it knows, in bit/s,
// as browsers do.
const uplinkStart = 300_000

// begin starts the senders, each at a moment of its own.
func (m *peer) begin() {
	now := m.w.now
	if m.sources.audio != nil {
		m.audio = m.sources.audio
		m.audio.Start(now.Add(m.phase(speaking, lmedia.AudioPeriod)), m.began)
	}
	for i, v := range m.sources.videos {
		v.Start(now.Add(m.phase(showing+i, time.Second/30)))
		m.videos = append(m.videos, v)
	}
	if len(m.videos) > 0 && m.offer.ext.tcc != 0 {
		opt := bwe.DefaultOptions()
		opt.Initial = uplinkStart
		m.up = bwe.New(opt)
	}
	if m.sources.muted {
		m.quiet.start(m.sources.still, m.known, now)
	}
	m.nextReport = now.Add(m.phase(reporting, reportPeriod))
	m.scheduleSend()
}

// What a participant does again and again, for phase.
const (
	housekeeping = iota
	reporting
	speaking
	showing // the first camera, and others after it
)

// phase is when the participant begins something that recurs, 0 to a period
// from now. Everybody has another, and for each of its things: clocks of
// people who have nothing to do with each other do not agree.
func (m *peer) phase(thing int, period time.Duration) time.Duration {
	return time.Duration(rand.New(rand.NewPCG(m.sources.seed, uint64(thing))).Int64N(int64(period)))
}

func (m *peer) scheduleSend() {
	var d mono.Time
	if m.audio != nil {
		d = m.audio.Deadline()
	}
	for _, v := range m.videos {
		d = mono.Earliest(d, v.Deadline())
	}
	m.w.wheel.Schedule(&m.sendT, d)
}

// send sends the media that are due.
func (m *peer) send() {
	if m.closed || m.sealer == nil {
		return
	}
	now, wall := mono.Now(), time.Now().UnixNano()
	var late time.Duration
	if m.audio != nil {
		late = m.audio.Send(now, wall, m)
	}
	if m.up != nil && now >= m.nextBudget {
		m.nextBudget = now.Add(housePeriod)
		m.budget(now)
	}
	for _, v := range m.videos {
		late = max(late, v.Send(now, wall, m))
	}
	if late > tooLate {
		m.count.Late++
		m.w.total.late++
	}
	m.flush()
	m.scheduleSend()
}

// budget lets the estimate decide how much video is sent.
func (m *peer) budget(now mono.Time) {
	if d := m.up.Deadline(); d != 0 && now >= d {
		m.up.Tick(now)
		m.probe(now)
	}
	var ideal int64
	for _, v := range m.videos {
		ideal += v.Ideal()
	}
	estimate := m.up.Estimate()
	m.up.SetDemand(min(ideal, estimate), ideal)
	room := max(estimate-64_000, 50_000) // audio comes first
	for _, v := range m.videos {
		share := room
		if ideal > 0 {
			share = int64(float64(room) * float64(v.Ideal()) / float64(ideal))
		}
		v.SetBudget(max(share, 1))
	}
}

// probe sends padding that shows whether there is room for more, in packets
// without payload after the pictures of the first layer that is sent.
func (m *peer) probe(now mono.Time) {
	p, ok := m.up.NextProbe(now)
	if !ok {
		return
	}
	for _, v := range m.videos {
		for _, l := range v.Layers {
			if !l.Active || l.Packets == 0 {
				continue
			}
			for sent := 0; sent < min(p.Bytes, 60_000); sent += 255 {
				e := l.Padding()
				m.packet(e, nil, 255, bwe.Padding)
			}
			return
		}
	}
}

// Packet implements media.Output.
func (m *peer) Packet(enc *lmedia.Encoding, e *rtp.Egress, payload []byte, level uint8) {
	if enc.Height == 0 && m.offer.ext.audioLevel != 0 {
		e.AddByte(m.offer.ext.audioLevel, level)
	}
	m.packet(e, payload, 0, bwe.Media)
}

// Repeat implements media.Repeater.
func (m *peer) Repeat(e *rtp.Egress, osn uint16, payload []byte) {
	m.extend(e)
	b := m.buffer(len(payload)+64+srtp.MaxOverheadRTP, m.remote)
	if n, err := e.WriteRTX(b, osn, payload); err == nil {
		m.seal(b, n, bwe.RTX)
	}
}

// packet writes, seals and queues one packet; padding is its length if it has
// no payload.
func (m *peer) packet(e *rtp.Egress, payload []byte, padding int, kind bwe.Kind) {
	m.extend(e)
	b := m.buffer(len(payload)+padding+64+srtp.MaxOverheadRTP, m.remote)
	var n int
	var err error
	if padding > 0 {
		n, err = e.WritePadding(b, padding)
	} else {
		n, err = e.Write(b, payload)
	}
	if err == nil {
		m.seal(b, n, kind)
	}
}

// extend adds the extensions that every packet has.
func (m *peer) extend(e *rtp.Egress) {
	if m.offer.ext.tcc != 0 {
		e.AddUint16(m.offer.ext.tcc, m.nextCC)
	}
}

func (m *peer) seal(b []byte, n int, kind bwe.Kind) {
	size, err := m.sealer.SealRTP(b, b[:n])
	if err != nil {
		m.count.Malformed++
		return
	}
	m.commit(size)
	if m.offer.ext.tcc != 0 {
		if m.up != nil {
			m.up.Sent(m.nextCC, size, m.w.now, kind)
		}
		m.nextCC++
	}
	m.count.PacketsOut++
	m.count.BytesOut += uint64(size)
	m.w.total.packetsOut++
	m.w.total.bytesOut += uint64(size)
}
