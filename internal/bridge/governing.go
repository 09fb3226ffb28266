package bridge

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/bridge/stress"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
)

// governing is how a worker with too much to do forwards less video, and what
// it tells of that.
type governing struct {
	*stress.Governor
	joined  uint64    // receivers so far, for their shares
	granted []float64 // memory for one change
	short   int       // receivers that get less than without a limit
	hushed  uint64    // audio that was not forwarded because of the limit on voices, packets times receivers
	told    mono.Time // when the log was told last that there is too much to do
	warned  bool      // and not that it is over

	// What others may read, as of the last second.
	shared struct {
		stress, limit atomic.Uint64 // bits of a float64
		short, voices atomic.Int64
	}
}

// rationing is a receiver's part in that.
type rationing struct {
	share           float64 // in the limit, about 1
	granted, wanted float64 // packets a second, as allocated last
	short           bool    // it would get more if there were no limit
}

// staleAfter is how long a video packet may have waited in the socket and still
// be of use. What is older is dropped before it is opened, which costs next to
// nothing: so even a worker that was stopped for a while is at what has just
// come, and at audio, soon.
const staleAfter = 300 * time.Millisecond

// ages are from how long a wait on media is of no use any more.
type ages struct {
	video    time.Duration // in the socket
	handed   time.Duration // for the worker that it was handed over to
	repeated time.Duration // to be asked for again
}

// tellEvery is the least time between two lines of the log about stress.
const tellEvery = time.Minute

// watchStress is told what a read has brought: the last of a batch is what
// waited least.
func (w *worker) watchStress(read int) {
	idle, newest := w.busy.spare, time.Duration(0)
	w.busy.spare = 0
	if w.sock.Waited() {
		idle += w.now.Sub(w.busy.ended)
	}
	if read > 0 {
		newest = w.gathering.without(w.in.Packets[read-1].Waited, w.now)
	}
	w.stress.Read(idle, newest)
}

// govern changes what may be forwarded, if it is time for that.
func (w *worker) govern() {
	g := &w.stress
	if !g.Due(w.now) {
		return
	}
	w.askOutlets()
	action := g.Next(w.now, stress.Traffic{Forwarded: w.forwards(), Video: w.count.own[cVideoForwarded], Hushed: g.hushed})
	w.tellLoad()
	if action == stress.None {
		return
	}
	w.account()
	if !g.Apply(action, w.now, g.granted, g.short) {
		return
	}
	for _, c := range w.conferences {
		c.routeLoudest()
		for _, ep := range c.order {
			ep.budgetMoved()
		}
	}
	w.tellStress()
}

// forwards is how many packets somebody got, each counted once a receiver.
func (w *worker) forwards() uint64 {
	return w.count.own[cAudioForwarded] + w.count.own[cVideoForwarded]
}

// account adds up what receivers get, and what they would get.
func (w *worker) account() {
	g := &w.stress
	g.granted, g.short = g.granted[:0], 0
	granted, wanted := 0.0, 0.0
	for _, c := range w.conferences {
		for _, ep := range c.order {
			r := &ep.ration
			granted += r.granted
			wanted += max(r.wanted, r.granted)
			if r.granted > 0 {
				g.granted = append(g.granted, r.granted)
			}
			if r.short {
				g.short++
			}
		}
	}
	g.Account(granted, wanted)
}

// publishStress is what is due each second.
func (w *worker) publishStress() {
	g := &w.stress
	w.account()
	g.shared.stress.Store(math.Float64bits(g.Stress()))
	g.shared.limit.Store(math.Float64bits(g.Limit()))
	g.shared.short.Store(int64(g.short))
	g.shared.voices.Store(int64(g.Voices()))
	w.tellStress()
}

// tellStress logs when a worker has more to do than it can, and when that is over.
func (w *worker) tellStress() {
	g := &w.stress
	limited := g.limited()
	if limited == g.warned {
		return
	}
	switch {
	case !limited:
		g.warned = false
		w.b.opt.Log.Info("worker recovered: everything is forwarded as asked for again", "worker", w.index, "stress", g.Stress())
	case g.told == 0 || w.now.Sub(g.told) >= tellEvery:
		g.told, g.warned = w.now, true
		w.b.opt.Log.Warn("worker overloaded: less video is forwarded, so that audio does not suffer. "+
			"Give the server faster or more cores, or lower last-N for large conferences",
			"worker", w.index, "conferences", len(w.conferences), "stress", g.Stress(), "waiting", g.Wait(),
			"packets_per_second_and_receiver", math.Round(g.Limit()), "voices", g.Voices())
	}
}

// limited reports whether anything is left out that somebody asked for.
func (g *governing) limited() bool {
	return g.Limit() != stress.Unlimited || g.Voices() != stress.Unlimited
}

// leaveOut is told how many would have been sent a packet of somebody who is
// not among the loudest.
func (g *governing) leaveOut(receivers int) {
	if g.Voices() != stress.Unlimited {
		g.hushed += uint64(receivers)
	}
}

// words tell what is left out.
func (g *governing) words() string {
	switch {
	case g.Swamped():
		return "hardly any video, one voice in each conference, and not even all of that: this is too much for audio alone"
	case g.Voices() != stress.Unlimited && g.short == 0:
		return "all video, and the microphones of those who talk"
	case g.Voices() != stress.Unlimited:
		return "less video, and the microphones of those who talk"
	case g.Limit() != stress.Unlimited && g.short > 0:
		return "less video: large pictures go first, then frames, then videos; no probing, few repeats"
	case g.Thrifty():
		return "no probing, few repeats"
	}
	return "everything is forwarded"
}

func (ep *endpoint) initRation() {
	ep.ration.share = stress.Spread(ep.w.stress.joined)
	ep.w.stress.joined++
}

// budget is what there is for the endpoint's video.
func (ep *endpoint) budget() alloc.Budget {
	b := alloc.Budget{Bits: ep.bw.budget(ep.w.now), Packets: alloc.Unlimited, Sources: ep.videoLimit()}
	if l := ep.w.stress.Limit(); l != stress.Unlimited {
		b.Packets = l * ep.ration.share
	}
	return b
}

// allocated notes what the endpoint was allocated.
func (r *rationing) allocated(res *alloc.Result) {
	r.granted, r.wanted, r.short = res.Packets, res.Packets, res.Short
	if res.Short {
		r.wanted = res.IdealPackets
	}
}

// thriftyRepeats is the part of what a receiver gets that may be sent again
// while there is little time: one that has lost more is better off without.
const thriftyRepeats = 0.05

// mayResend reports whether the endpoint may have another packet again in this
// second.
func (ep *endpoint) mayResend() bool {
	limit := repeatsPerSecond
	if ep.w.stress.Thrifty() {
		limit = min(limit, 10+int(ep.ration.granted*thriftyRepeats))
	}
	return ep.resent < limit
}

// staleAudio is the same for audio, but only while so much audio comes that not
// even one voice in each conference can be forwarded: without it all of it would
// wait for seconds, and those who want to come in with it.
const staleAudio = 150 * time.Millisecond

// stale reports whether a packet of e waited for too long.
func (e *encoding) stale() bool {
	w := e.src.owner.w
	switch {
	case w.handling.arrived == 0:
		return false
	case e.src.kind == media.Video:
		return w.now.Sub(w.handling.arrived) > w.useless.video
	}
	return w.now.Sub(w.handling.arrived) > staleAudio && w.stress.Swamped()
}

func (e *encoding) dropStale() {
	if e.src.kind == media.Video {
		e.aged = true
		e.src.owner.w.count.inc(dropStale)
	} else {
		e.src.owner.w.count.inc(dropStaleAudio)
	}
}

// packetRate is how many packets a second a layer takes: one a frame at least.
func packetRate(l *alloc.Layer, whole *load) float64 {
	frames := l.FrameRate
	switch {
	case frames == 0 && whole.seconds >= 2:
		return whole.packets.perSecond
	case frames == 0:
		frames = usualRate
	}
	return max(frames, float64(l.Bitrate)/(8*usualSize))
}

const (
	usualRate = 30   // frames of a camera in a second
	usualSize = 1100 // bytes of a packet of a picture that takes several
)

// packetCount is packets a second, smoothed like the bits of a [load].
type packetCount struct {
	now       int
	perSecond float64
}

func (c *packetCount) roll(first bool) {
	if first {
		c.perSecond = float64(c.now)
	} else {
		c.perSecond += 0.3 * (float64(c.now) - c.perSecond)
	}
	c.now = 0
}

// level is the stress published last, for any goroutine.
func (g *governing) level() float64 { return math.Float64frombits(g.shared.stress.Load()) }

// published is what a worker published last, by the names of metrics, for any
// goroutine.
func (g *governing) published() map[string]float64 {
	return map[string]float64{
		"stress":                     g.level(),
		"video_packets_a_receiver":   math.Float64frombits(g.shared.limit.Load()),
		"receivers_short_of_packets": float64(g.shared.short.Load()),
		"voices_a_conference":        float64(g.shared.voices.Load()),
	}
}

// StressState is how loaded a worker is, and what it leaves out because of that.
type StressState struct {
	Stress  float64 `json:"stress"` // 1 is full, more what it would be with everything that is left out
	Level   string  `json:"level"`
	Limit   float64 `json:"packets_per_receiver"` // of video in a second; -1 for no limit
	Short   int     `json:"receivers_short"`      // that get less video because of the limit
	Voices  int     `json:"voices"`               // of each conference that are forwarded at most, -1 for all
	Waiting string  `json:"waiting"`              // the newest packet, when it was read; much is a queue that never ends
	Cuts    uint64  `json:"cuts"`                 // of the limit
	Raises  uint64  `json:"raises"`
}

func (g *governing) state() StressState {
	return StressState{
		Stress: g.Stress(), Level: g.words(), Limit: g.Limit(), Short: g.short, Voices: g.Voices(),
		Waiting: g.Wait().String(), Cuts: g.Cuts, Raises: g.Raises,
	}
}
