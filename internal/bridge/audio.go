package bridge

import (
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// audioFan is who gets an audio source. Audio goes through as it comes: one
// encoding, its own timestamps; only the sequence numbers of what is left
// out are closed up, for all receivers alike.
type audioFan struct {
	subs    []*audioSub
	dropped uint16 // packets left out so far
	silent  int    // silent packets in a row
}

// audioSub is one receiver's stream under the SSRC of a source. It outlives
// the subscription: a sequence number must never be used twice under one SSRC.
type audioSub struct {
	to      *endpoint
	src     *mediaSource // nil while nothing is subscribed to
	index   int          // in the source's list
	offset  uint16       // outgoing minus closed-up incoming number
	last    uint16       // newest number sent
	started bool         // offset is valid
	resumed bool         // last is that of an earlier stream
	packets uint32
	octets  uint32
}

// maxSilent is how many silent packets in a row are forwarded, so that a
// receiver's jitter buffer fades out.
const maxSilent = 3

// silence is the audio level of digital silence (RFC 6464 §3).
const silence = 127

// audioIn takes an audio packet that is authentic and new.
func (e *encoding) audioIn(h *rtp.Header) {
	s, ep := e.src, e.src.owner
	if ep.mute.Audio {
		s.audio.dropped++
		ep.w.count.inc(dropMuted)
		return
	}
	if level, ok := ep.audioLevel(h); ok {
		ep.c.heardLevel(ep, level)
		if level != silence {
			s.audio.silent = 0
		} else if s.audio.silent++; s.audio.silent > maxSilent {
			s.audio.dropped++
			ep.w.count.inc(dropSilence)
			return
		}
	}
	s.forwardAudio(h)
}

func (ep *endpoint) audioLevel(h *rtp.Header) (uint8, bool) {
	data, ok := h.Extension(ep.formats.ext.audioLevel)
	if !ok {
		return 0, false
	}
	level, _, ok := rtp.AudioLevel(data)
	return level, ok
}

func (s *mediaSource) forwardAudio(h *rtp.Header) {
	w, from := s.owner.w, &s.owner.formats.ext
	out := &w.head
	out.reset()
	seq := h.Seq - s.audio.dropped
	payload := h.Payload()
	for _, sub := range s.audio.subs {
		if sub.to.sealer == nil || !sub.to.to.IsValid() {
			continue
		}
		ext := sub.to.audioExtensions()
		if !out.built || out.ext != ext {
			out.build(h, from, &ext, s.ssrc, false)
		}
		if !sub.started {
			sub.start(seq)
		}
		n := seq + sub.offset
		if w.sendAudio(sub.to, out, n, h.Timestamp, payload) {
			sub.sent(n, len(payload))
			w.count.inc(cAudioForwarded)
		}
	}
}

// audioExtensions are the header extensions audio goes out with.
func (ep *endpoint) audioExtensions() extensions {
	ext := ep.formats.ext
	if !ep.bw.audio.numbered {
		ext.tcc = 0
	}
	return ext
}

// start makes the next packet go on where the receiver's stream of this SSRC
// once stopped. A fresh stream begins below 2^15, so that a receiver who
// misses its first packets still guesses the roll-over counter.
func (a *audioSub) start(seq uint16) {
	next := seq & 0x7fff
	if a.packets > 0 || a.resumed {
		next = a.last + 1
	}
	a.offset, a.started = next-seq, true
}

func (a *audioSub) sent(seq uint16, size int) {
	if a.packets == 0 || int16(seq-a.last) > 0 {
		a.last = seq
	}
	a.packets++
	a.octets += uint32(size)
}

// subscribeAudioTo makes everybody who wants to hear a new source hear it.
func (c *conference) subscribeAudioTo(s *mediaSource) {
	for _, ep := range c.order {
		ep.setAudio(s)
	}
}

// subscribeAudioFor brings one receiver's subscriptions in line with what it
// wants and whether it can be sent anything.
func (c *conference) subscribeAudioFor(ep *endpoint) {
	for _, s := range c.ordered {
		if s.kind == media.Audio {
			ep.setAudio(s)
		}
	}
}

// setAudio subscribes ep to s, or ends the subscription.
func (ep *endpoint) setAudio(s *mediaSource) {
	want := s.owner != ep && !ep.gone && ep.sealer != nil && ep.formats.kinds[media.Audio] && ep.audio.wants(s.name)
	sub := ep.audioOut[s.ssrc]
	switch {
	case want && sub == nil:
		sub = &audioSub{to: ep}
		if mark, ok := ep.resume(s.ssrc); ok {
			sub.last, sub.resumed = mark.Seq, true
		}
		ep.audioOut[s.ssrc] = sub
		s.audio.add(s, sub)
	case want && sub.src != s:
		sub.stop()
		s.audio.add(s, sub)
	case !want && sub != nil:
		sub.stop()
	}
}

func (f *audioFan) add(s *mediaSource, sub *audioSub) {
	sub.src, sub.index, sub.started = s, len(f.subs), false
	f.subs = append(f.subs, sub)
}

// stop takes the subscription out of its source's list.
func (a *audioSub) stop() {
	if a.src == nil {
		return
	}
	f := &a.src.audio
	last := f.subs[len(f.subs)-1]
	f.subs[a.index], last.index = last, a.index
	f.subs[len(f.subs)-1] = nil
	f.subs = f.subs[:len(f.subs)-1]
	a.src = nil
}

// audioReport is what a sender report says to ep about the source.
func (s *mediaSource) audioReport(ep *endpoint) (rtp.SenderInfo, bool) {
	sub := ep.audioOut[s.ssrc]
	if s.kind != media.Audio || sub == nil || sub.src != s || sub.packets == 0 || !s.encodings[0].report.known {
		return rtp.SenderInfo{}, false
	}
	return s.encodings[0].reportAt(ep.w.now, 0, sub.packets, sub.octets), true
}

// audioWish is what an endpoint wants to hear: exclude before include before all.
type audioWish struct {
	none             bool
	include, exclude map[string]bool
}

func (a *audioWish) wants(name string) bool {
	switch {
	case a.exclude[name]:
		return false
	case a.include[name]:
		return true
	}
	return !a.none
}
