package stress

import (
	"math"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Unlimited is the limit while everything is forwarded.
const Unlimited = -1

const (
	// Target is the part of its time a worker may be busy when it is full: above
	// it the queue grows with every small burst.
	Target = 0.87

	// Between these nothing changes.
	calm, high = 0.80, 0.93
	// brisk is the part of the time above which what is cheap to leave out is.
	brisk = 0.88

	// window is the time over which is measured, standing how long the newest
	// packet of a whole window must have waited for a queue to count as one.
	window   = 100 * time.Millisecond
	standing = 10 * time.Millisecond
	full     = 0.97 // part of a window
	// burst is how long a queue may stand until something is done.
	burst = 250 * time.Millisecond
	// catchUp is the most of its time that a worker is given besides to work on
	// what waits: half of it, in a second.
	catchUp = 0.15

	// settle is how long a change takes until it can be seen.
	settle = 500 * time.Millisecond
	// raiseEvery is the least time between a change and a rise. After a rise in
	// vain, one that a cut followed within regretted, it doubles up to raiseLate,
	// and rises are smaller. When the last cut is forgotten each rise halves it.
	raiseEvery = 2 * time.Second
	raiseLate  = 30 * time.Second
	regretted  = 10 * time.Second
	forgotten  = 60 * time.Second
	// notable is the least part by which a rise that is sure by what packets cost
	// (see sure) has to be one to wait for raiseEvery only, whatever was in vain:
	// what came to be cut while hundreds came is not to be away for half a minute
	// after.
	notable = 1.1

	mostRaise = 0.25 // of the limit, at a time
	leastKept = 0.2  // of the video, by one cut
	// mostGrowth is the growth of the queue that is believed, in seconds a second.
	mostGrowth = 0.7
	// leastPart is for how much video at least a rise of the limit counts: where
	// there is little, much may follow a small one.
	leastPart = 0.4
	// leastLimit stands for no video: no picture comes with less.
	leastLimit = 1
	// noVideo is the part of video in what is forwarded below which there is
	// none that could be left out.
	noVideo = 0.02
	// louder is for how long about it is kept in mind how much audio there was.
	louder = 15 * time.Second
	// smoothing is the time constant of the busy part.
	smoothing = time.Second
)

// voices are the steps in which audio is left out: first whoever is not among
// the loudest, which nobody hears, in the end all but who has the word.
var voices = [...]int{Unlimited, 5, 2, 1}

// Governor decides for one worker. It is not safe for concurrent use.
type Governor struct {
	limit float64
	begun mono.Time // the window
	idle  time.Duration
	least time.Duration // the shortest wait in this window, -1: nothing was read
	video uint64
	all   uint64

	busy    float64       // smoothed, since settled
	weight  time.Duration // that busy and rate are the mean of
	rate    float64       // packets forwarded a second, as long as busy
	own     measured      // the last one
	beside  measured      // of workers that send for this one
	last    float64       // busy in the last window, or beside
	wait    time.Duration // the least of the last window, or beside
	part    float64       // of video in what is forwarded, smoothed
	voice   float64       // audio packets forwarded a second, smoothed
	loud    float64       // the most of them lately
	full    mono.Time     // since when there has been no end, 0 if there is
	backlog time.Duration // what waited then
	settled mono.Time     // when what was changed last can be seen
	raised  mono.Time
	cutAt   mono.Time     // the last cut
	patient time.Duration // until the next rise
	takers  int           // receivers of video at the last change, those included that wait for some
	lacking float64       // what video would be forwarded if there were no limit, 1: the same
	brisk   bool
	hushed  int     // index in voices
	quiet   uint64  // audio left out because of that, ever
	silent  float64 // what that is beside 1 for all that is forwarded, smoothed

	// Cuts and Raises count changes of the limit, and of the voices.
	Cuts, Raises uint64
}

// measured is what a worker measures in a window.
type measured struct {
	busy float64
	wait time.Duration
}

// Action is what a Governor wants to be done.
type Action uint8

// Cut and Raise change the limit; both want [Governor.Apply] to be called.
const (
	None Action = iota
	Cut
	Raise
)

// New returns a Governor that limits nothing.
func New(now mono.Time) *Governor {
	return &Governor{limit: Unlimited, begun: now, least: -1, patient: raiseEvery, lacking: 1, part: 1}
}

// Read is told that the worker has got what there was to read, after waiting
// for it for a time, and how long the newest of that had been in the socket; 0
// if there was nothing.
func (g *Governor) Read(idle, newest time.Duration) {
	g.idle += idle
	if g.least < 0 || newest < g.least {
		g.least = newest
	}
}

// Traffic is what a worker has done since its start, in packets sent to
// receivers.
type Traffic struct {
	Forwarded, Video uint64 // all, and how much of that was video
	// Hushed is audio that was not forwarded because of [Governor.Voices].
	Hushed uint64
}

// forwarded is told what the worker has forwarded by the end of a window.
func (g *Governor) forwarded(t Traffic, span time.Duration) {
	g.rate += (float64(t.Forwarded-g.all)/span.Seconds() - g.rate) * min(1, span.Seconds()/g.weight.Seconds())
	n := t.Forwarded - g.all
	if g.wait < standing && g.last < full { // else it is what had waited
		g.listen(float64(n-(t.Video-g.video))/span.Seconds(), span)
	}
	if n > 0 {
		g.part += 0.3 * (float64(t.Video-g.video)/float64(n) - g.part)
		g.silent += 0.3 * (float64(t.Hushed-g.quiet)/float64(n) - g.silent)
	}
	g.all, g.video, g.quiet = t.Forwarded, t.Video, t.Hushed
}

// listen takes how much audio was forwarded. People talk by turns, and for some
// seconds two at once: a limit that leaves no time for the second of them would be
// cut each time.
func (g *Governor) listen(rate float64, span time.Duration) {
	g.voice += (rate - g.voice) * min(1, span.Seconds()/smoothing.Seconds())
	g.loud = max(g.voice, g.loud-(g.loud-g.voice)*min(1, span.Seconds()/louder.Seconds()))
}

// peak is how busy the worker would be if as much were said as lately.
func (g *Governor) peak() float64 { return g.busy + (g.loud-g.voice)*g.cost() }

// cost is what a packet takes with everything else that a worker does, in
// seconds: one more takes less.
func (g *Governor) cost() float64 {
	if g.rate == 0 {
		return 0
	}
	return g.busy / g.rate
}

// Due reports whether it is time for [Governor.Next].
func (g *Governor) Due(now mono.Time) bool { return now.Sub(g.begun) >= window }

// Window returns what the worker itself has measured in the last window: which
// part of it it was busy, and how long the newest packet had waited at least.
func (g *Governor) Window() (busy float64, wait time.Duration) { return g.own.busy, g.own.wait }

// Beside tells, before Next, what a worker measured that does a part of the work
// for this one: whoever is more loaded counts. It may be called for several.
func (g *Governor) Beside(busy float64, wait time.Duration) {
	g.beside.busy, g.beside.wait = max(g.beside.busy, busy), max(g.beside.wait, wait)
}

// Next ends a window of measuring.
func (g *Governor) Next(now mono.Time, t Traffic) Action {
	span := max(now.Sub(g.begun), 1)
	g.roll(now, span)
	g.forwarded(t, span)
	g.watchQueue(now)
	g.thrift()
	switch {
	case now < g.settled:
		g.busy, g.weight, g.full = 0, 0, 0
	case g.full != 0: // how busy it is counts from the end of the queue
		g.busy, g.weight = 0, 0
		if g.overrun(now) {
			return Cut
		}
	case g.weight >= smoothing && g.busy > high:
		return Cut
	case g.mayRaise(now):
		return Raise
	}
	return None
}

// roll takes the measurements of a window.
func (g *Governor) roll(now mono.Time, span time.Duration) {
	g.own = measured{max(0, 1-g.idle.Seconds()/span.Seconds()), max(g.least, 0)}
	g.last, g.wait = max(g.own.busy, g.beside.busy), max(g.own.wait, g.beside.wait)
	g.beside = measured{}
	// The mean of all there is, until that is as much as smoothing.
	g.weight = min(g.weight+span, smoothing)
	g.busy += (g.last - g.busy) * min(1, span.Seconds()/g.weight.Seconds())
	g.begun, g.idle, g.least = now, 0, -1
}

// watchQueue notes since when the worker has not come to the end of its queue.
func (g *Governor) watchQueue(now mono.Time) {
	switch {
	case g.wait < standing && g.last < full:
		g.full = 0
	case g.full == 0:
		g.full, g.backlog = now, g.wait
	}
}

func (g *Governor) thrift() {
	switch {
	case g.limit != Unlimited || g.hushed > 0 || g.full != 0 || g.busy > brisk:
		g.brisk = true
	case g.busy < calm:
		g.brisk = false
	}
}

// overrun reports whether the queue has stood for too long, and will go on to.
func (g *Governor) overrun(now mono.Time) bool {
	return now.Sub(g.full) >= burst && g.demand(now) > high
}

func (g *Governor) mayRaise(now mono.Time) bool {
	if g.limit == Unlimited && g.hushed < 2 && !g.maySpeak() {
		return false
	}
	return g.weight >= smoothing && g.peak() < calm && now.Sub(g.settled) >= g.patience()-settle
}

// patience is the time from a change to the next rise.
func (g *Governor) patience() time.Duration {
	if g.limit != Unlimited && g.sure() > notable*g.limit {
		return raiseEvery
	}
	return g.patient
}

// maySpeak reports whether more voices may be let through: everybody only if
// there is time for all that is left out; who talks, if there is when video
// makes room.
func (g *Governor) maySpeak() bool {
	switch g.hushed {
	case 0:
		return false
	case 1:
		return g.busy+g.newVoices() < Target
	}
	return g.busy*(1-g.part)+g.newVoices() < calm
}

// newVoices is the most time that the voices of the next step will take, all
// that is left out at most. A worker that does much besides forwarding has more
// time than that says.
func (g *Governor) newVoices() float64 {
	left, now, next := g.busy*g.silent, voices[g.hushed], voices[g.hushed-1]
	if next == Unlimited {
		return left
	}
	return min(left, g.busy*(1-g.part)*(float64(next)/float64(now)-1))
}

// demand is how much was asked of the worker, 1 for all it can do.
func (g *Governor) demand(now mono.Time) float64 {
	if g.full == 0 {
		return g.busy
	}
	// What was done since then had come in a shorter time, or a longer one.
	grown := (g.wait - g.backlog).Seconds() / max(now.Sub(g.full), window).Seconds()
	return 1/(1-min(grown, mostGrowth)) + min(g.wait.Seconds()/2, catchUp)
}

// Apply carries out what Next wanted. granted is what each receiver of video
// is being sent, in packets a second by the allocator's account, and is sorted
// by it; short is how many would be sent more if there were no limit, who may
// be sent nothing. It reports whether the limit, or the voices, are others now.
func (g *Governor) Apply(a Action, now mono.Time, granted []float64, short int) bool {
	before, hushed := g.limit, g.hushed
	g.takers = max(len(granted), short)
	switch a {
	case Cut:
		g.cut(now, granted)
	case Raise:
		g.raise(now, granted, short)
	}
	g.settled = now.Add(settle)
	g.busy, g.weight, g.full = 0, 0, 0
	return g.limit != before || g.hushed != hushed
}

// cut leaves out video, and audio where all of the video is not enough.
func (g *Governor) cut(now mono.Time, granted []float64) {
	before, hushed := g.limit, g.hushed
	excess := 1 - Target/g.demand(now) // part of what is asked for
	g.cutVideo(min(max(1-excess/max(g.part, 0.05), leastKept), 1), granted)
	if excess > g.part || g.part < noVideo {
		g.hush()
	}
	if g.limit == before && g.hushed == hushed {
		return
	}
	g.Cuts++
	if g.raised != 0 && now.Sub(g.raised) < regretted {
		g.patient = min(2*g.patient, raiseLate)
	}
	g.cutAt = now
}

// hush lets fewer voices through. What those took who are left out now says
// nothing of how much will be said.
func (g *Governor) hush() {
	g.hushed = min(g.hushed+1, len(voices)-1)
	g.voice, g.loud = 0, 0
}

// cutVideo keeps a part of the video.
func (g *Governor) cutVideo(kept float64, granted []float64) {
	total := 0.0
	for _, p := range granted {
		total += p
	}
	if total == 0 {
		return
	}
	level := Level(granted, kept*total)
	if g.limit != Unlimited {
		level = min(level, g.limit*0.97)
	}
	g.limit = max(level, leastLimit)
}

func (g *Governor) raise(now mono.Time, granted []float64, short int) {
	g.Raises++
	if g.raised > g.cutAt && now.Sub(g.cutAt) >= forgotten {
		g.patient = max(g.patient/2, raiseEvery)
	}
	g.raised = now
	switch {
	case g.maySpeak():
		g.speak(granted)
		return
	case g.limit == Unlimited: // nothing else is left out, and there is time: maybe they fit
		g.hushed--
		return
	case short == 0:
		g.limit = Unlimited
		return
	}
	room := (Target/max(g.peak(), 0.1) - 1) / max(g.part, leastPart)
	g.limit *= 1 + min(mostRaise, room/2)*raiseEvery.Seconds()/g.patient.Seconds()
	g.limit = max(g.limit, g.sure())
}

// speak lets more voices through, and takes the room for them from video if
// there is no other.
func (g *Governor) speak(granted []float64) {
	if g.hushed > 1 {
		video := g.busy * g.part
		if room := calm - g.busy*(1-g.part) - g.newVoices(); room < video {
			g.cutVideo(room/video, granted)
		}
	}
	g.hushed--
}

// sure is a limit that is not too high even if all receivers are sent as much
// as it allows, and as much is said as lately. What was cut while hundreds came
// at once takes a few rises to come back, and not twenty.
func (g *Governor) sure() float64 {
	if g.rate == 0 || g.busy == 0 || g.takers == 0 {
		return 0
	}
	return (g.rate*g.part + (calm-g.peak())/g.cost()) / float64(g.takers)
}

// Limit is how many video packets a second a receiver with a share of 1 may be
// sent, or Unlimited.
func (g *Governor) Limit() float64 { return g.limit }

// Voices is how many microphones of each conference are forwarded at a time,
// those that talk, or Unlimited.
func (g *Governor) Voices() int { return voices[g.hushed] }

// Swamped reports whether a queue stands although nothing more can be left
// out: what has waited for long has to be thrown away, audio too.
func (g *Governor) Swamped() bool { return g.hushed == len(voices)-1 && g.wait >= standing }

// Thrifty reports whether what nobody would miss much has to be left out:
// probing for more bandwidth, and more than a few repeats.
func (g *Governor) Thrifty() bool { return g.brisk }

// Wait is how long the newest packet of the last window had waited when it was
// read.
func (g *Governor) Wait() time.Duration { return g.wait }

// Account is told what receivers are sent and what they would be if there were
// no limit, in packets a second, for Stress.
func (g *Governor) Account(granted, wanted float64) {
	g.lacking = 1
	if granted > 0 && wanted > granted {
		g.lacking = wanted / granted
	} else if wanted > granted {
		g.lacking = math.MaxUint8 // nothing of it is sent
	}
}

// Stress is how loaded the worker is: 1 is full, more is what it would be with
// everything it has to leave out.
func (g *Governor) Stress() float64 {
	busy := g.busy
	if g.weight < smoothing/2 {
		busy = g.last
	}
	if (g.limit == Unlimited || g.lacking <= 1) && g.hushed == 0 {
		return busy
	}
	return max(1, busy*(1-g.part+g.part*g.lacking+g.silent))
}
