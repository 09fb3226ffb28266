package loadtest

import (
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// pulse is what one participant sent and received since the last look at it.
// Its worker adds, the book takes.
type pulse struct {
	in     atomic.Uint64 // packets with a payload
	video  atomic.Uint64 // packets of video sent
	spoke  atomic.Int64  // nanoseconds of speech sent
	secure atomic.Bool   // there is a session with keys
	moving atomic.Bool   // it receives a camera that should move
	blank  atomic.Bool   // the bridge said that it forwards no video
}

// beat is how far a peer has told its pulse.
type beat struct {
	in, video uint64
	spoke     time.Duration
}

// tellPulse adds what came and went since it was called last. It runs in the
// worker.
func (m *peer) tellPulse() {
	now := beat{in: m.count.PacketsIn - m.count.Padding}
	if m.audio != nil {
		now.spoke = m.audio.Spoke()
	}
	for _, v := range m.videos {
		for _, l := range v.Layers {
			now.video += l.Packets
		}
	}
	moving := false
	for _, s := range m.order {
		moving = moving || s.IsMoving()
	}
	m.pulse.in.Add(now.in - m.told.in)
	m.pulse.video.Add(now.video - m.told.video)
	m.pulse.spoke.Add(int64(now.spoke - m.told.spoke))
	m.pulse.secure.Store(m.sealer != nil && !m.closed)
	m.pulse.moving.Store(moving)
	m.pulse.blank.Store(m.forwarded != nil && len(m.forwarded) == 0)
	m.told = now
}

// What has to be sent in a second for others to receive something of it in the
// same second, however it is cut off from the next.
const (
	enoughVideo  = 5 // packets
	enoughSpeech = 500 * time.Millisecond
)

// leastListened is the shortest time that is judged, as a second: stock is
// taken in one of the shepherd's rounds. After one that came late the next may
// come at once, and nothing is wrong if in so short a time nothing comes.
const leastListened = time.Second - shepherdPeriod

// firstPatience is how long something should have come to who has keys and has
// received nothing yet, before that counts as silence: the first packet has to
// wait for the bridge channel and for somebody's next word.
const firstPatience = 3 * time.Second

// hearing is what the book knows of a participant.
type hearing struct {
	heard, sends      bool          // before, in this stay
	waited            time.Duration // for the first packet, while something should have come
	listened, silence time.Duration
	now               struct {
		present, secure, moving, looks, video, speech bool
		in                                            uint64
	}
}

// sending is what those of a room send in a second.
type sending struct{ members, video, speech int }

// listen takes everybody's pulse: who of those that should receive something
// got nothing at all in the second that has passed. What should be received is
// judged by what others in the same room, of this process, have sent: a camera
// that the bridge says it forwards, or speech (servers may leave out silence).
// To who has received nothing yet any camera should come, and it is silent only
// when its patience has ended.
// Who was in the call, and has no session any more though others are there, is
// silent too. Who joins anew begins anew. What is too short to be judged is
// judged with what follows, and time is counted in whole seconds.
func (b *book) listen(s *record.Second, over time.Duration) {
	b.unjudged += over
	if b.unjudged < leastListened {
		return
	}
	over, b.unjudged = b.unjudged.Round(time.Second), 0
	rooms := map[*room]sending{}
	for _, p := range b.r.all {
		p.takePulse()
		sum, n := rooms[p.room], &p.hearing
		sum.add(n, 1)
		rooms[p.room] = sum
	}
	for _, p := range b.r.all {
		h := &p.hearing
		others := rooms[p.room]
		others.add(h, -1)
		if h.now.present && h.awaits(others) && h.isJudged(over) {
			s.Listening++
			h.listened += over
			if h.now.in == 0 {
				s.Silent++
				h.silence += over
			}
		}
		h.heard = h.now.present && (h.heard || h.now.in > 0)
		if !h.now.present {
			h.waited = 0
		}
	}
}

// takePulse moves a participant's pulse to what the book knows.
func (p *participant) takePulse() {
	h, now := &p.hearing, &p.hearing.now
	p.story.mu.Lock()
	state := p.story.state
	p.story.mu.Unlock()
	now.present = state == record.InRoom || state == record.InCall
	now.in = p.pulse.in.Swap(0)
	now.video = p.pulse.video.Swap(0) >= enoughVideo
	now.speech = time.Duration(p.pulse.spoke.Swap(0)) >= enoughSpeech
	now.secure, now.moving = p.pulse.secure.Load(), p.pulse.moving.Load()
	lastN := p.lastN()
	now.looks = !p.pulse.blank.Load() && (lastN == nil || *lastN > 0)
	h.sends = now.present && (h.sends || now.video || now.speech)
}

// add counts a participant in its room, or takes it out.
func (s *sending) add(h *hearing, n int) {
	if h.sends {
		s.members += n
	}
	if h.now.video {
		s.video += n
	}
	if h.now.speech {
		s.speech += n
	}
}

// awaits reports whether something should have come in this second.
func (h *hearing) awaits(others sending) bool {
	if !h.now.secure {
		return h.heard && others.members > 0 // who never had keys is not in the call yet
	}
	shown := h.now.moving || !h.heard && h.now.looks
	return others.speech > 0 || shown && others.video > 0
}

// isJudged reports whether nothing would be silence in a second in which
// something should have come.
func (h *hearing) isJudged(over time.Duration) bool {
	if h.heard {
		return true
	}
	h.waited += over
	return h.waited > firstPatience
}
