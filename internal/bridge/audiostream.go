package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/slots"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// audioStream is what a receiver gets under one SSRC. It outlives what is
// subscribed to: a sequence number must never be used twice under one SSRC.
type audioStream struct {
	// Of every packet, in one cache line.
	ssrc     uint32    // under which the receiver knows the stream
	keyed    keyed     // of ssrc
	holder   *audioSub // whom it carries, nil for nobody
	offset   uint16    // outgoing minus closed-up incoming number
	tsOffset uint32    // outgoing minus incoming timestamp
	least    uint16    // numbers before this are not used any more
	last     uint16    // newest number sent
	lastTS   uint32    // newest timestamp sent
	started  bool      // the offsets are valid
	spurt    bool      // the next packet begins what another source goes on with
	listed   bool      // in the receiver's list of what it is being sent
	packets  uint32
	octets   uint32
	sentAt   mono.Time // the newest packet

	mid     []byte    // of its slot, for who finds the m-line by that
	resumed bool      // last is that of an earlier stream
	slot    bool      // of a slot: other sources went before
	claimed mono.Time // when its slot was last asked for
	told    toldReports
}

const (
	// audioClock is the clock rate of opus (RFC 7587 §4.1), audioFrame the
	// least its timestamps advance from one source to another.
	audioClock = 48000
	audioFrame = 960
	// audioIdle is how long after its last packet a source lets go of its slot,
	// if others need it.
	audioIdle = time.Second
)

// newAudio makes the subscription of a source, with its stream if that is known.
func (ep *endpoint) newAudio(s *mediaSource) *audioSub {
	sub := &audioSub{to: ep}
	if ep.rewrites() {
		sub.waits = true
		return sub
	}
	sub.audioStream = &audioStream{ssrc: s.ssrc, holder: sub}
	if mark, ok := ep.resume(s.ssrc); ok {
		sub.last, sub.resumed = mark.Seq, true
	}
	return sub
}

// ready looks for a slot, or whether the receiver knows of it by now.
func (a *audioSub) ready() bool {
	slot := a.take()
	if slot == nil {
		a.to.w.count.inc(dropNoSlot)
		return false
	}
	a.to.tellMaps(false)
	if !a.to.maps.audio.ready(slot, a.to.w.now) {
		a.to.w.count.inc(dropUntold)
		return false
	}
	a.waits = false
	return true
}

// take gives an audio source a slot, if there is one, and its stream.
func (a *audioSub) take() *slots.Slot {
	ep := a.to
	free := ep.maps.audio.Free()
	slot := ep.claim(a.src)
	if slot == nil {
		return nil
	}
	st := ep.sound(slot)
	st.claimed = ep.w.now
	st.carry(a)
	if ep.maps.audio.Free() < free {
		ep.prepareAudio()
	}
	return slot
}

// sound is the stream of an audio slot.
func (ep *endpoint) sound(slot *slots.Slot) *audioStream {
	st := ep.maps.sounds[slot.SSRC]
	if st == nil {
		st = &audioStream{ssrc: slot.SSRC, mid: slot.MID, slot: true}
		ep.maps.sounds[slot.SSRC] = st
	}
	return st
}

// prepared reports whether there are as many audio slots that nobody speaks in
// as there should be, or can be: every microphone has one, or there may be no
// more.
func (ep *endpoint) prepared() bool {
	t := ep.maps.audio
	here := t.Here()
	return here >= earlyAudio && t.Free() >= freeAudio || here >= min(len(ep.audioOut), ep.w.b.opt.Limits.Slots)
}

// prepare finds a slot for a source that may be heard some time.
func (a *audioSub) prepare() {
	t := a.to.maps.audio
	slot, change := t.Prepare(a.src.name, a.to.w.now)
	if t.note(slot, change); slot != nil {
		a.to.sound(slot)
	}
}

// prepareAudio makes as many audio slots as are missing, if there are sources
// without one: a slot is always somebody's.
func (ep *endpoint) prepareAudio() {
	if ep.prepared() {
		return
	}
	ep.idleAudio(ep.w.now)
	for _, s := range ep.c.ordered {
		if ep.prepared() {
			return
		}
		if a := ep.audioOut[s.ssrc]; a != nil && a.src == s {
			a.prepare()
		}
	}
}

// idleAudio lets go of the slots of who has not been heard for a while.
func (ep *endpoint) idleAudio(now mono.Time) {
	if !ep.rewrites() {
		return
	}
	for _, slot := range ep.maps.audio.Slots() {
		st := ep.maps.sounds[slot.SSRC]
		if now.Sub(max(st.sentAt, st.claimed)) < audioIdle {
			continue
		}
		ep.maps.audio.Idle(slot.Source(), now)
		if st.holder != nil {
			st.holder.waits = true // it has to ask again
		}
	}
}

// carry makes the stream that of a source; whoever had it waits for another.
func (st *audioStream) carry(a *audioSub) {
	if st.holder == a {
		return
	}
	st.release()
	st.holder, st.started, st.told = a, false, toldReports{}
	a.audioStream = st
}

func (st *audioStream) release() {
	if st.holder != nil {
		st.holder.audioStream, st.holder.waits = nil, true
		st.holder = nil
	}
}

// number is that of a packet in the receiver's stream; false for one that is
// older than what is carried.
func (st *audioStream) number(seq uint16, ts uint32) (n uint16, ok bool) {
	if !st.started {
		st.start(seq, ts)
	}
	n = seq + st.offset
	return n, int16(n-st.least) >= 0
}

// start makes the next packet go on where the receiver's stream of this SSRC
// once stopped. A fresh stream begins below 2^15, so that a receiver who
// misses its first packets still guesses the roll-over counter. If another
// source went before, timestamps go on as well, by the time that has passed.
func (st *audioStream) start(seq uint16, ts uint32) {
	next := seq & 0x7fff
	if st.packets > 0 || st.resumed {
		next = st.last + 1
	}
	st.offset, st.least, st.started = next-seq, next, true
	if st.slot && st.packets > 0 {
		st.tsOffset = st.lastTS + st.step() - ts
		st.spurt = true
	}
}

func (st *audioStream) step() uint32 {
	elapsed := min(st.holder.to.w.now.Sub(st.sentAt), time.Hour)
	return max(uint32(elapsed*audioClock/time.Second), audioFrame)
}

// sent notes a packet; ts is its timestamp as it came.
func (st *audioStream) sent(seq uint16, ts uint32, size int) {
	if st.packets == 0 || int16(seq-st.last) > 0 {
		st.last, st.lastTS = seq, ts+st.tsOffset
	}
	if st.last-st.least > maxReorder {
		st.least = st.last - maxReorder
	}
	to := st.holder.to
	st.packets++
	st.octets += uint32(size)
	st.sentAt, st.spurt = to.w.now, false
	if !st.listed {
		st.listed = true
		to.sounding = append(to.sounding, st)
	}
}

// report is what a sender report says to the receiver about the stream.
func (st *audioStream) report(now mono.Time) (rtp.SenderInfo, bool) {
	if st.holder == nil || st.holder.src == nil || !st.started {
		return rtp.SenderInfo{}, false
	}
	src := st.holder.src
	if !src.owner.clock.known || !src.encodings[0].report.known {
		return rtp.SenderInfo{}, false
	}
	info := src.encodings[0].reportAt(now, st.tsOffset, st.packets, st.octets)
	st.told.add(info.NTP)
	return info, true
}
