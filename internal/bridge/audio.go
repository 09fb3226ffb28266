package bridge

import (
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/speech"
	"github.com/plenum-conf/plenum/internal/bridge/stress"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// audioFan is who gets an audio source. Audio goes through as it comes: one
// encoding, its own timestamps; only the sequence numbers of what is left out
// are closed up, for all receivers of a list alike.
type audioFan struct {
	all    audioList // who hears it as long as it is among the loudest
	asked  audioList // who named it, and hears it in any case
	silent int       // silent packets in a row
	voice  speech.Voice
	kept   kept // while it is not among the loudest
}

// audioList is receivers of an audio source that get the same of it; the order
// means nothing.
type audioList struct {
	subs    []*audioSub
	numbers closing
}

// audioSub is that a receiver gets a source. Its stream is that of the source's
// SSRC, which outlives the subscription; or, if SSRCs are rewritten, that of
// the source's slot, if and as long as it has one.
type audioSub struct {
	*audioStream
	to    *endpoint
	src   *mediaSource // nil while nothing is subscribed to
	list  *audioList   // of src
	index int          // in that list
	waits bool         // for a slot, or until the receiver knows of it
}

const (
	// maxSilent is how many silent packets in a row are forwarded, so that a
	// receiver's jitter buffer fades out.
	maxSilent = 3
	// silence is the audio level of digital silence (RFC 6464 §3).
	silence = 127
	// keptPackets, of keptFor at most, are kept of who is not forwarded.
	keptPackets = speech.ContestPackets
	keptFor     = 120 * time.Millisecond
)

// audioIn takes an audio packet that is authentic and new.
func (e *encoding) audioIn(h *rtp.Header) {
	s, ep := e.src, e.src.owner
	if ep.mute.Audio {
		s.leaveOut(h.Seq, dropMuted)
		return
	}
	level, ok := ep.audioLevel(h)
	if !ok {
		level = speech.Unknown
	} else {
		ep.c.heardLevel(ep, level)
		if level != silence {
			s.audio.silent = 0
		} else if s.audio.silent++; s.audio.silent > maxSilent {
			s.leaveOut(h.Seq, dropSilence)
			return
		}
	}
	s.routeAudio(h, level)
}

// leaveOut is for packets of audio nobody gets, whatever others send.
func (s *mediaSource) leaveOut(seq uint16, why counter) {
	w, f := s.owner.w, &s.audio
	f.all.numbers.leaveOut(seq)
	f.asked.numbers.leaveOut(seq)
	f.kept.clear()
	w.gathering.leaveOut(w.now)
	w.count.inc(why)
}

func (f *audioFan) receivers() int { return len(f.all.subs) + len(f.asked.subs) }

func (ep *endpoint) audioLevel(h *rtp.Header) (uint8, bool) {
	data, ok := h.Extension(ep.formats.ext.audioLevel)
	if !ok {
		return 0, false
	}
	level, _, ok := rtp.AudioLevel(data)
	return level, ok
}

// routeAudio forwards a packet to all, or, in a large conference and if others
// are louder, to those only who have asked for the source.
func (s *mediaSource) routeAudio(h *rtp.Header, level uint8) {
	s.forwardAudio(h, &s.audio.asked)
	switch s.owner.c.talk.route(&s.audio.voice, level, s.owner.w.now) {
	case speech.LeaveOut:
		s.owner.w.count.inc(dropQuiet)
		s.owner.w.stress.leaveOut(len(s.audio.all.subs))
		if s.audio.all.numbers.leaveOut(h.Seq) {
			s.audio.kept.add(h.Raw, h.Seq, s.owner.w.now)
		}
		return
	case speech.Begin:
		s.sendKept()
	}
	s.forwardAudio(h, &s.audio.all)
}

// sendKept forwards the beginning of a word that had been left out.
func (s *mediaSource) sendKept() {
	w, k := s.owner.w, &s.audio.kept
	if p := k.oldest(w.now); p != nil {
		s.audio.all.numbers.reopen(p.seq)
	}
	var err error
	for ; k.n > 0; k.n-- {
		p := k.oldest(w.now)
		if w.repeatHeader, err = rtp.Parse(p.raw); err == nil {
			s.forwardAudio(&w.repeatHeader, &s.audio.all)
			w.count.inc(cAudioOnset)
		}
	}
}

// forwardAudio sends a packet to the receivers of a list. The first one after
// a pause that was closed up carries the marker of a talkspurt (RFC 3551 §4.1):
// its timestamp is further on than its number tells.
func (s *mediaSource) forwardAudio(h *rtp.Header, l *audioList) {
	seq, first, ok := l.numbers.number(h.Seq)
	if len(l.subs) == 0 {
		return
	}
	if !ok {
		s.owner.w.count.inc(dropLate)
		return
	}
	marker := h.Marker
	h.Marker = marker || first
	w, from := s.owner.w, &s.owner.formats.ext
	w.head.reset()
	payload := h.Payload()
	for i, sub := range l.subs {
		l.fetchAhead(i)
		if !sub.to.takes(false) {
			continue
		}
		ext := sub.to.audioExtensions()
		out := w.head.of(&ext)
		if !out.built || out.ext != ext {
			out.build(h, from, &ext, s.ssrc, nil)
		}
		if sub.waits && !sub.ready() {
			continue
		}
		n, ok := sub.number(seq, h.Timestamp)
		if ok && w.sendAudio(sub, out, n, h.Timestamp+sub.tsOffset, payload) {
			sub.sent(n, h.Timestamp, len(payload))
			w.count.inc(cAudioForwarded)
		}
	}
	h.Marker = marker
}

// audioExtensions are the header extensions audio goes out with. While audio
// alone is too much it is not numbered for who gets no video: what there is to
// estimate is not worth twenty messages of feedback a second.
func (ep *endpoint) audioExtensions() extensions {
	ext := ep.outExtensions()
	ext.absSendTime = 0 // it is offered for video
	if !ep.bw.audio.numbered || ep.w.stress.Voices() != stress.Unlimited && ep.ration.granted == 0 {
		ext.tcc = 0
	}
	return ext
}

// subscribeAudioTo makes everybody who wants to hear a new source hear it.
func (c *conference) subscribeAudioTo(s *mediaSource) {
	for _, ep := range c.order {
		ep.setAudio(s)
		ep.tellMaps(false)
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
	ep.tellMaps(false)
}

// setAudio subscribes ep to s, or ends the subscription.
func (ep *endpoint) setAudio(s *mediaSource) {
	list, sub := ep.audioListOf(s), ep.audioOut[s.ssrc]
	switch {
	case list != nil && sub == nil:
		sub = ep.newAudio(s)
		ep.audioOut[s.ssrc] = sub
		sub.join(s, list)
	case list != nil && sub.list != list:
		sub.stop()
		sub.join(s, list)
	case list == nil && sub != nil:
		sub.stop()
	}
}

// audioListOf is the list of s in which ep belongs, nil if it is not to hear s.
func (ep *endpoint) audioListOf(s *mediaSource) *audioList {
	if s.owner == ep || ep.gone || ep.sealer == nil || !ep.formats.audio || !ep.audio.wants(s.name) {
		return nil
	}
	if ep.audio.include[s.name] {
		return &s.audio.asked
	}
	return &s.audio.all
}

func (a *audioSub) join(s *mediaSource, l *audioList) {
	a.src, a.list, a.index = s, l, len(l.subs)
	l.subs = append(l.subs, a)
	switch {
	case a.audioStream != nil:
		a.started = false
	case !a.to.prepared():
		a.prepare()
	}
}

// stop takes the subscription out of its list.
func (a *audioSub) stop() {
	l := a.list
	if l == nil {
		return
	}
	last := l.subs[len(l.subs)-1]
	l.subs[a.index], last.index = last, a.index
	l.subs[len(l.subs)-1] = nil
	l.subs = l.subs[:len(l.subs)-1]
	a.src, a.list = nil, nil
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
