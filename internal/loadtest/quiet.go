package loadtest

import (
	"math/rand/v2"
	"time"

	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// What a browser goes on reporting while nothing is sent, as Chromium 156 does
// (docs/loadtest.md has what was measured). libwebrtc has an RTCP clock for each
// stream that has been sent, which goes on with sender reports while it is muted,
// and for each m-line that something could be received on, which goes on with
// receiver reports about nothing. None of them waits for another, so that nearly
// each report is a datagram.

// Periods of RTCP clocks. Each interval is half as long to half as long again.
const (
	quietVideo = time.Second
	quietAudio = 5 * time.Second
)

// still is a stream that has been muted.
type still struct {
	enc   lmedia.Encoding // its SSRC, and how much was sent before
	rate  uint32          // of its RTP clock, Hz
	base  uint32          // of its timestamps
	audio *lmedia.Audio   // nil unless it goes on with silence
}

// newStill is a stream that was sent for some seconds and then muted: a server
// is to take it for one that carries something.
func newStill(ssrc uint32, video bool) still {
	rate := uint32(48_000)
	if video {
		rate = 90_000
	}
	return still{enc: lmedia.Encoding{SSRC: ssrc, Packets: 250, Bytes: 25_000}, rate: rate, base: rand.Uint32()}
}

// quietClock is one RTCP clock.
type quietClock struct {
	next  mono.Time
	video bool
	sends *still // nil for an m-line
	line  int    // of those of its kind
}

// quiet is the RTCP clocks of a participant that has muted what it has. The zero
// value has none.
type quiet struct {
	clocks []quietClock
	next   mono.Time       // of the earliest
	lines  [2]int          // m-lines for audio and for video
	heard  [2]int          // streams on them that came in the last second
	known  map[uint32]bool // SSRCs that have got m-lines
}

// kind is the place of a kind of media in lines and heard.
func kind(video bool) int {
	if video {
		return 1
	}
	return 0
}

// start begins with what is sent and with the m-lines that everybody has: on
// those of its own microphone and camera something could come too.
func (q *quiet) start(streams []still, known map[uint32]announced, now mono.Time) {
	q.known = map[uint32]bool{}
	for i := range streams {
		q.add(quietClock{video: streams[i].rate != 48_000, sends: &streams[i]}, now)
	}
	q.line(false, now)
	q.line(true, now)
	q.learn(known, now)
}

// learn makes m-lines for what has been announced: one for each source, or, as
// the bridge gives each of its SSRCs a source at a time, for each SSRC.
func (q *quiet) learn(list map[uint32]announced, now mono.Time) {
	if q.known == nil {
		return
	}
	named := map[string]bool{}
	for ssrc, a := range list {
		if q.known[ssrc] {
			continue
		}
		q.known[ssrc] = true
		if !named[a.source] && len(q.clocks) < maxStreams {
			q.line(a.video, now)
		}
		named[a.source] = true
	}
}

func (q *quiet) line(video bool, now mono.Time) {
	q.add(quietClock{video: video, line: q.lines[kind(video)]}, now)
	q.lines[kind(video)]++
}

func (q *quiet) add(c quietClock, now mono.Time) {
	c.next = now.Add(time.Duration(rand.Int64N(int64(c.period()))))
	q.clocks = append(q.clocks, c)
	q.next = mono.Earliest(q.next, c.next)
}

func (c *quietClock) period() time.Duration {
	if c.video {
		return quietVideo
	}
	return quietAudio
}

// turn sets a clock that was due on.
func (c *quietClock) turn(now mono.Time) {
	c.next = c.next.Add(c.period()/2 + time.Duration(rand.Int64N(int64(c.period()))))
	if c.next <= now { // it was late by more than that
		c.next = now.Add(c.period())
	}
}

// quietDue sends the reports whose clocks are due. What comes is reported on
// with everything else, and not on a clock of its own.
func (m *peer) quietDue(now mono.Time) {
	q := &m.quiet
	if q.next == 0 || now < q.next {
		return
	}
	q.next = 0
	for i := range q.clocks {
		c := &q.clocks[i]
		if now >= c.next {
			m.quietReport(c, now)
			c.turn(now)
		}
		q.next = mono.Earliest(q.next, c.next)
	}
}

func (m *peer) quietReport(c *quietClock, now mono.Time) {
	switch s := c.sends; {
	case s == nil && c.line >= m.quiet.heard[kind(c.video)]:
		m.sendRTCP(rtp.AppendReceiverReport(m.scratch[:0], m.sources.rtcp, nil))
	case s != nil:
		ntp := rtp.NTPTime(time.Unix(0, m.w.wall))
		enc, ts := &s.enc, s.base+uint32(int64(now)/1000*int64(s.rate/1000)/1000)
		if s.audio != nil {
			enc, ts = &s.audio.Encoding, s.audio.Timestamp(now)
		}
		b := m.senderReport(m.scratch[:0], enc, ts, ntp)
		m.sendRTCP(rtp.AppendCNAME(b, enc.SSRC, m.sources.cname))
	}
}
