package bridge

import (
	"encoding/binary"
	"slices"
	"strconv"

	"crypto/rand"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// mediaSource is one audio or video thing that an endpoint sends, and the
// list of those who get it. Forwarding costs as much as the list is long.
type mediaSource struct {
	name      string
	number    uint64 // in the order in which the conference's sources came, from 1
	kind      media.Kind
	videoType source.VideoType
	off       bool // the sender said by SourceVideoTypeMessage that it shows nothing
	owner     *endpoint
	ssrc      uint32 // the primary SSRC, under which receivers know it
	rtx       uint32 // its retransmission SSRC, 0 if there is none
	encodings []*encoding
	audio     audioFan
	switching videoList // who gets video, but not yet the encoding it should
	demand    demand
	layers    []alloc.Layer // as offered to receivers
	rate      frameRate
}

// layout is the SSRCs of a source as signalled: what has to stay the same for
// the source to stay the same.
type layout struct {
	name      string
	kind      media.Kind
	videoType source.VideoType
	primary   []uint32
	rtx       []uint32 // parallel to primary; 0 where there is none
}

func (l *layout) equal(o *layout) bool {
	return l.kind == o.kind && slices.Equal(l.primary, o.primary) && slices.Equal(l.rtx, o.rtx)
}

// layouts sorts a set into sources by name. Whatever is in no group is a
// primary of its own; in a source with a SIM group the order is the group's.
func layouts(set *source.Set) []layout {
	var out []layout
	index := map[string]int{}
	rtxOf, isRTX, order := groupIndex(set)
	for _, s := range set.Sources {
		name := s.Name
		if name == "" {
			name = strconv.FormatUint(uint64(s.SSRC), 10)
		}
		i, ok := index[name]
		if !ok {
			i = len(out)
			index[name] = i
			out = append(out, layout{name: name, kind: s.Kind, videoType: s.VideoType})
		}
		if !isRTX[s.SSRC] {
			out[i].primary = append(out[i].primary, s.SSRC)
		}
	}
	for i := range out {
		out[i].finish(rtxOf, order)
	}
	return slices.DeleteFunc(out, func(l layout) bool { return len(l.primary) == 0 })
}

// maxEncodings is as many simulcast encodings as any client sends.
const maxEncodings = 4

func (l *layout) finish(rtxOf map[uint32]uint32, order map[uint32]int) {
	slices.SortStableFunc(l.primary, func(a, b uint32) int { return order[a] - order[b] })
	if len(l.primary) > maxEncodings {
		l.primary = l.primary[:maxEncodings]
	}
	for _, p := range l.primary {
		l.rtx = append(l.rtx, rtxOf[p])
	}
}

// groupIndex reads the groups: which SSRC repeats which, and where in its SIM
// group each stands (SSRCs outside of one come last).
func groupIndex(set *source.Set) (rtxOf map[uint32]uint32, isRTX map[uint32]bool, order map[uint32]int) {
	rtxOf, isRTX, order = map[uint32]uint32{}, map[uint32]bool{}, map[uint32]int{}
	for _, s := range set.Sources {
		order[s.SSRC] = maxEncodings
	}
	for _, g := range set.Groups {
		switch {
		case g.Semantics == source.FID && len(g.SSRCs) == 2:
			rtxOf[g.SSRCs[0]] = g.SSRCs[1]
			isRTX[g.SSRCs[1]] = true
		case g.Semantics == source.SIM:
			for i, s := range g.SSRCs {
				order[s] = i
			}
		}
	}
	return rtxOf, isRTX, order
}

// setSources makes set all that ep sends. Sources whose SSRCs stay keep their
// state and their receivers.
func (c *conference) setSources(ep *endpoint, set source.Set) {
	next := layouts(&set)
	kept := ep.sources[:0:0]
	for _, s := range ep.sources {
		i := slices.IndexFunc(next, func(l layout) bool { return l.name == s.name && l.equal(s.layout()) })
		if i < 0 {
			c.removeSource(s)
			continue
		}
		if s.videoType != next[i].videoType {
			s.videoType = next[i].videoType
			s.markWantedDirty()
		}
		kept = append(kept, s)
		next = slices.Delete(next, i, i+1)
	}
	ep.sources = kept
	var came []*mediaSource
	for i := range next {
		came = append(came, c.addSource(ep, &next[i]))
	}
	ep.sources = append(ep.sources, came...)
	c.markComing(came...)
}

func (s *mediaSource) layout() *layout {
	l := &layout{name: s.name, kind: s.kind}
	for _, e := range s.encodings {
		l.primary = append(l.primary, e.ssrc)
		l.rtx = append(l.rtx, e.rtx)
	}
	return l
}

func (c *conference) addSource(ep *endpoint, l *layout) *mediaSource {
	c.newest++
	s := &mediaSource{
		name: l.name, number: c.newest, kind: l.kind, videoType: l.videoType, owner: ep,
		ssrc: l.primary[0], rtx: l.rtx[0],
	}
	for i, ssrc := range l.primary {
		e := newEncoding(s, i, ssrc, l.rtx[i])
		s.encodings = append(s.encodings, e)
		ep.receive(e)
		c.ssrcs[ssrc] = ep
		if e.rtx != 0 {
			c.ssrcs[e.rtx] = ep
		}
	}
	if old := c.sources[s.name]; old != nil {
		c.removeSource(old) // a name moves with its newest owner
	}
	c.sources[s.name] = s
	c.ordered = append(c.ordered, s)
	if s.kind == media.Audio {
		c.addVoice(s)
		c.subscribeAudioTo(s)
	}
	return s
}

func (c *conference) removeSource(s *mediaSource) {
	for _, e := range s.encodings {
		s.owner.stopReceiving(e)
		delete(c.ssrcs, e.ssrc)
		delete(c.ssrcs, e.rtx)
	}
	if c.sources[s.name] == s {
		delete(c.sources, s.name)
	}
	s.owner.sources = slices.DeleteFunc(slices.Clone(s.owner.sources), func(o *mediaSource) bool { return o == s })
	c.ordered = slices.DeleteFunc(c.ordered, func(o *mediaSource) bool { return o == s })
	if s.kind == media.Audio {
		c.removeVoice(s)
	} else {
		s.markWantedDirty()
	}
	s.dropReceivers()
}

// randomSSRC chooses an SSRC that is not 0 (RFC 3550 §8).
func randomSSRC() uint32 {
	for {
		var b [4]byte
		rand.Read(b[:])
		if v := binary.BigEndian.Uint32(b[:]); v != 0 {
			return v
		}
	}
}
