package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/slots"
	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/source"
)

// SSRC rewriting. To a receiver that takes it the bridge sends under SSRCs of
// its own, the slots of that receiver, and tells it over the channel what each
// of them carries. A slot owns its stream: numbers, timestamps and picture ids
// go on when the slot passes to another source.
//
// Nothing is sent in a slot before the client could know whose it is: a change
// is told at once, and media waits a little, longer if the client has to make
// an m-line first. While there is no channel, and so no way to tell, media in
// slots that have changed waits for one.

const (
	// spareSlots is up to how many slots none is used again early.
	spareSlots = 20
	// slotLinger is how long a source may be out of sight and still come back
	// to its slot, if there are any left.
	slotLinger = 20 * time.Second
	// earlyAudio is how many microphones get a slot before they are heard, so
	// that nothing of the first word is lost in small conferences.
	earlyAudio = 10
	// newLineHold and relabelHold are what a client needs to take note of a
	// slot that is new, or has changed hands, in addition to a round trip.
	newLineHold = 100 * time.Millisecond
	relabelHold = 20 * time.Millisecond
	// unknownRTT stands in for a round trip time that is not known, maxHoldRTT
	// bounds it.
	unknownRTT = 50 * time.Millisecond
	maxHoldRTT = 500 * time.Millisecond
)

// slotMaps is the SSRC rewriting of a receiver; without any its tables are nil.
type slotMaps struct {
	audio, video *slotTable
	own          map[uint32]bool // all SSRCs of the slots
	sounds       map[uint32]*audioStream
	demux        bool       // the client demultiplexes by MID
	timer        mono.Timer // video of a slot may flow
	wake         mono.Time  // when that is due, 0 for never
}

// slotTable is the slots of one kind, and what the client knows of them.
type slotTable struct {
	*slots.Table
	told    []toldSlot // by slot index
	changed bool       // there may be something to tell
}

type toldSlot struct {
	made  bool      // the client has been told of the slot, whosoever it was
	ready mono.Time // from when on media may flow, 0 while its source is untold
}

func (ep *endpoint) initMaps(m *colibri.EndpointModify) {
	if !m.SSRCRewriting {
		return
	}
	ep.maps.own, ep.maps.sounds = map[uint32]bool{}, map[uint32]*audioStream{}
	ep.maps.demux = m.RTPMIDDemux
	ep.maps.audio = ep.newSlots("a", false)
	ep.maps.video = ep.newSlots("v", true)
	ep.maps.timer.Owner = tick(ep.slotReady)
}

func (ep *endpoint) newSlots(prefix string, rtx bool) *slotTable {
	return &slotTable{Table: slots.New(slots.Options{
		Limit: ep.w.b.opt.Limits.Slots, Spare: spareSlots, Linger: slotLinger, Prefix: prefix, RTX: rtx, SSRC: ep.ownSSRC,
	})}
}

// ownSSRC makes an SSRC for a slot, which nobody uses so far.
func (ep *endpoint) ownSSRC() uint32 {
	for {
		v := randomSSRC()
		if ep.c.ssrcs[v] == nil && v != ep.c.feedbackAudio && v != ep.c.feedbackVideo && !ep.maps.own[v] {
			ep.maps.own[v] = true
			return v
		}
	}
}

// rewrites reports whether the endpoint gets media under SSRCs of the bridge.
func (ep *endpoint) rewrites() bool { return ep.maps.video != nil }

func (ep *endpoint) slotsFor(k media.Kind) *slotTable {
	if k == media.Audio {
		return ep.maps.audio
	}
	return ep.maps.video
}

// claim gives a source a slot; nil if there is none. Media may flow only when
// it is ready.
func (ep *endpoint) claim(s *mediaSource) *slots.Slot {
	t := ep.slotsFor(s.kind)
	slot, change := t.Take(s.name, ep.w.now)
	switch change {
	case slots.Made:
		t.told, t.changed = append(t.told, toldSlot{}), true
	case slots.Moved:
		t.told[slot.Index].ready, t.changed = 0, true
	}
	return slot
}

// ready reports whether the client knows by now whose the slot is.
func (t *slotTable) ready(s *slots.Slot, now mono.Time) bool {
	at := t.told[s.Index].ready
	return at != 0 && now >= at
}

// wakeFor makes the worker look at the endpoint's video again when the slot is
// ready. A slot that is not told yet is told soon, or when a channel opens.
func (ep *endpoint) wakeFor(s *slots.Slot) {
	at := ep.maps.video.told[s.Index].ready
	if at != 0 && (ep.maps.wake == 0 || at < ep.maps.wake) {
		ep.maps.wake = at
		ep.w.wheel.Schedule(&ep.maps.timer, at)
	}
}

func (ep *endpoint) slotReady(mono.Time) {
	ep.maps.wake = 0
	ep.markDirty()
}

// take gives an audio source a slot, if there is one, and its stream.
func (a *audioSub) take() *slots.Slot {
	ep := a.to
	slot := ep.claim(a.src)
	if slot == nil {
		return nil
	}
	st := ep.maps.sounds[slot.SSRC]
	if st == nil {
		st = &audioStream{ssrc: slot.SSRC, slot: true}
		ep.maps.sounds[slot.SSRC] = st
	}
	st.claimed = ep.w.now
	st.carry(a)
	return slot
}

// forgetMapped is forget for a receiver with slots, whose streams stay.
func (ep *endpoint) forgetMapped(s *mediaSource) {
	if v := ep.videoOf(s); s.kind == media.Video && v != nil {
		v.stop()
		v.fed = nil
	}
	if a := ep.audioOut[s.ssrc]; a != nil && (a.src == nil || a.src == s) {
		a.stop()
		if a.audioStream != nil {
			a.release()
		}
		delete(ep.audioOut, s.ssrc)
	}
	ep.slotsFor(s.kind).Forget(s.name)
}

// tellMaps tells the client what has changed, if it can be told; with all it
// is told everything.
func (ep *endpoint) tellMaps(all bool) {
	if !ep.rewrites() {
		return
	}
	ep.tellSlots(media.Audio, all)
	ep.tellSlots(media.Video, all)
}

// tellSlots sends the map of one kind. Of slots that are nobody's any more
// nothing is said.
func (ep *endpoint) tellSlots(k media.Kind, all bool) {
	t := ep.slotsFor(k)
	if !t.changed && !all {
		return
	}
	var m slotMap
	for _, slot := range t.Slots() {
		s := ep.c.sources[slot.Source()]
		if s != nil && s.kind == k && !slot.Gone() && (all || t.told[slot.Index].ready == 0) {
			m.add(s, slot, ep.maps.demux)
		}
	}
	if msg := m.encode(); msg != nil && !ep.sendChannel(msg) {
		return // a channel that opens, or catches up, is told everything
	}
	t.changed = false
	for _, slot := range m.slots {
		ep.wasTold(&t.told[slot.Index])
		if k == media.Video {
			ep.wakeFor(slot)
		}
	}
}

// wasTold holds media back until the client has taken note.
func (ep *endpoint) wasTold(t *toldSlot) {
	if t.ready != 0 {
		return
	}
	hold := relabelHold
	if !t.made {
		hold = newLineHold
	}
	rtt := ep.rtt
	if rtt == 0 {
		rtt = unknownRTT
	}
	t.made, t.ready = true, ep.w.now.Add(hold+min(rtt, maxHoldRTT))
}

// slotMap is a message in the making.
type slotMap struct {
	slots []*slots.Slot
	audio colibri.AudioSourcesMap
	video colibri.VideoSourcesMap
}

func (m *slotMap) add(s *mediaSource, slot *slots.Slot, demux bool) {
	mid := ""
	if demux {
		mid = slot.MID
	}
	m.slots = append(m.slots, slot)
	if s.kind == media.Audio {
		m.audio.Mapped = append(m.audio.Mapped, colibri.AudioMapping{Source: s.name, Owner: s.owner.id, SSRC: slot.SSRC, MID: mid})
		return
	}
	m.video.Mapped = append(m.video.Mapped, colibri.VideoMapping{
		Source: s.name, Owner: s.owner.id, SSRC: slot.SSRC, RTX: slot.RTX, VideoType: wireVideoType(s.videoType), MID: mid,
	})
}

// encode is nil when there is nothing to say.
func (m *slotMap) encode() []byte {
	switch {
	case len(m.audio.Mapped) > 0:
		return encode(&m.audio)
	case len(m.video.Mapped) > 0:
		return encode(&m.video)
	}
	return nil
}

func wireVideoType(t source.VideoType) colibri.VideoType {
	if t == source.Desktop {
		return colibri.Desktop
	}
	return colibri.Camera
}
