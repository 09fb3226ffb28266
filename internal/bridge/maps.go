package bridge

import (
	"slices"
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
// A change is told at once, ahead of any media. If the client has to make an
// m-line first, media waits until it could. Video waits a little after any
// change, or a picture would be seen under somebody else's name. Audio does
// not, or words would be clipped: a voice is taken for somebody else's for some
// milliseconds at most. To this end there are always some audio slots more than
// are in use, which the client has known for some time. While there is no
// channel, and so no way to tell, media in slots that have changed waits for
// one.

const (
	// spareVideo is up to how many video slots none is used again early.
	spareVideo = 20
	// videoLinger is how long a source may be out of sight and still come back
	// to its slot, if there are any left.
	videoLinger = 20 * time.Second
	// earlyAudio is how many microphones have a slot in any case, freeAudio how
	// many slots there are that nobody speaks in: so many voices may set in within the
	// time a new slot needs, and none of them loses its first word. The second
	// is as many as are forwarded at a time in large conferences by default.
	earlyAudio = 10
	freeAudio  = 5
	// newLineHold and relabelHold are what a client needs to take note of a
	// slot that is new, or, for video, has changed hands, in addition to a
	// round trip.
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
	own          []uint32 // all SSRCs of the slots
	sounds       map[uint32]*audioStream
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
	line  mono.Time // when the client has the m-line, 0 while it knows nothing of it
	ready mono.Time // from when on media may flow, 0 while its source is untold
}

func (ep *endpoint) initMaps(m *colibri.EndpointModify) {
	if !m.SSRCRewriting {
		return
	}
	ep.maps.sounds = map[uint32]*audioStream{}
	ep.demux = m.RTPMIDDemux
	ep.maps.audio = ep.newSlots(slots.Options{Prefix: "a"})
	ep.maps.video = ep.newSlots(slots.Options{Prefix: "v", RTX: true, Spare: spareVideo, Linger: videoLinger})
	ep.maps.timer.Owner = tick(ep.slotReady)
}

func (ep *endpoint) newSlots(o slots.Options) *slotTable {
	o.Limit, o.SSRC = ep.w.b.opt.Limits.Slots, ep.ownSSRC
	return &slotTable{Table: slots.New(o)}
}

// ownSSRC makes an SSRC for a slot, which nobody uses so far.
func (ep *endpoint) ownSSRC() uint32 {
	for {
		v := randomSSRC()
		if ep.c.ssrcs[v] == nil && v != ep.c.feedbackAudio && v != ep.c.feedbackVideo && !slices.Contains(ep.maps.own, v) {
			ep.maps.own = append(ep.maps.own, v)
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
	t.note(slot, change)
	return slot
}

// note keeps track of what the client has to be told.
func (t *slotTable) note(slot *slots.Slot, change slots.Change) {
	switch change {
	case slots.Made:
		t.told, t.changed = append(t.told, toldSlot{}), true
	case slots.Moved:
		t.told[slot.Index].ready, t.changed = 0, true
	}
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
			m.add(s, slot, ep.demux && ep.formats.ext.mid != 0)
		}
	}
	if msg := m.encode(); msg != nil && !ep.sendChannel(msg) {
		return // a channel that opens, or catches up, is told everything
	}
	t.changed = false
	for _, slot := range m.slots {
		ep.wasTold(&t.told[slot.Index], k)
		if k == media.Video {
			ep.wakeFor(slot)
		}
	}
}

// wasTold holds media back until the client has taken note; audio only until
// it has the m-line.
func (ep *endpoint) wasTold(t *toldSlot, k media.Kind) {
	if t.ready != 0 {
		return
	}
	rtt := min(ep.rtt, maxHoldRTT)
	if rtt == 0 {
		rtt = unknownRTT
	}
	now := ep.w.now
	if t.line == 0 {
		t.line = now.Add(newLineHold + rtt)
	}
	t.ready = t.line
	if k == media.Video {
		t.ready = max(t.line, now.Add(relabelHold+rtt))
	}
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
		mid = string(slot.MID)
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
