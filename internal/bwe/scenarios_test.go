package bwe

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// seeds is how often each scenario runs; SEEDS in the environment overrides.
func seeds() uint64 {
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil {
		return uint64(n)
	}
	return 5
}

// figures collects one number for each seed.
type figures map[string][]float64

func (f figures) add(name string, v float64) { f[name] = append(f[name], v) }

// log shows the median and the range; go test -v -run Simulation prints them.
func (f figures) log(t *testing.T) {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := slices.Sorted(slices.Values(f[name]))
		t.Logf("%-44s %8.2f  (%.2f to %.2f)", name, v[len(v)/2], v[0], v[len(v)-1])
	}
}

// eachSeed runs a scenario with several seeds on a path of a capacity.
func eachSeed(t *testing.T, capacity int, demand int64, run func(t *testing.T, w *world, f figures)) {
	t.Helper()
	f := figures{}
	for seed := range seeds() {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { run(t, newWorld(seed, capacity, demand), f) })
	}
	f.log(t)
}

// until lets time pass until the estimate fulfils a condition, at most d, and
// returns how long it took in seconds.
func (w *world) until(d time.Duration, cond func(estimate int64) bool) float64 {
	start := w.Now()
	w.RunUntil(d, func() bool { return cond(w.estimate()) })
	return w.Now().Sub(start).Seconds()
}

// watch is what happens over a time, looked at every 50 ms.
type watch struct {
	mean, low, high float64 // estimate
	received        float64 // bit/s that arrived
	queue           float64 // mean delay in the bottleneck in ms
	worst           float64
}

func (w *world) watch(d time.Duration) watch {
	const step = 50 * ms
	v := watch{low: 1e12}
	n, bytes := 0.0, w.client.bytes
	for t := time.Duration(0); t < d; t += step {
		w.Run(step)
		e, q := float64(w.estimate()), w.backlog()
		v.mean += e
		v.low, v.high = min(v.low, e), max(v.high, e)
		v.queue += q
		v.worst = max(v.worst, q)
		n++
	}
	v.mean /= n
	v.queue /= n
	v.received = float64(w.client.bytes-bytes) * 8 / d.Seconds()
	return v
}

// backlog is how long a packet sent now would wait, in ms.
func (w *world) backlog() float64 {
	probe := *w.down
	probe.Loss, probe.Jitter, probe.Delay, probe.Queue = 0, 0, 0, 0
	at, _ := probe.Send(w.Now(), 0)
	return max(0, (at.Sub(w.Now())-w.down.Delay).Seconds()*1000)
}

// check fails unless low <= v <= high.
func check(t *testing.T, what string, v, low, high float64) {
	t.Helper()
	if v < low || v > high {
		t.Errorf("%s is %.3g, want %.3g to %.3g", what, v, low, high)
	}
}

func TestSimulationSteady(t *testing.T) {
	eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.Run(5 * time.Second)
		v := w.watch(60 * time.Second)
		f.add("steady: mean of capacity", v.mean/(3*mbit))
		f.add("steady: least of capacity", v.low/(3*mbit))
		f.add("steady: received of capacity", v.received/(3*mbit))
		f.add("steady: mean queue, ms", v.queue)
		f.add("steady: worst queue, ms", v.worst)
		decreases := float64(w.bridge.est.State().Counters.Decreases)
		f.add("steady: decreases in 65 s", decreases)
		check(t, "decreases", decreases, 5, 42)
		check(t, "mean", v.mean/(3*mbit), 0.8, 1)
		check(t, "mean queue", v.queue, 0, 40)
	})
}

// A drop to a sixth and a rise to the fourfold of that, with a queue that
// holds more than a second after the drop.
func TestSimulationSteps(t *testing.T) {
	eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.Run(20 * time.Second)
		w.setRate(500 * kbit)
		f.add("drop 3 to 0.5: under it after, s", w.until(20*time.Second, func(e int64) bool { return e <= 500*kbit }))
		check(t, "time of the drop", f["drop 3 to 0.5: under it after, s"][len(f["drop 3 to 0.5: under it after, s"])-1], 0, 3)
		v := w.watch(2 * time.Second)
		check(t, "estimate after the drop", v.high, 0, 500*kbit)
		w.Run(3 * time.Second)
		f.add("drop 3 to 0.5: queue 5 s later, ms", w.backlog())
		v = w.watch(15 * time.Second)
		f.add("drop 3 to 0.5: mean then, of capacity", v.mean/(500*kbit))
		f.add("drop 3 to 0.5: mean queue then, ms", v.queue)
		check(t, "mean after the drop", v.mean/(500*kbit), 0.65, 1)
		check(t, "queue after the drop", v.queue, 0, 80)
		w.setRate(2 * mbit)
		took := w.until(20*time.Second, func(e int64) bool { return e >= 1600*kbit })
		f.add("rise 0.5 to 2: 80 % after, s", took)
		check(t, "time of the rise", took, 0, 10)
		v = w.watch(20 * time.Second)
		f.add("rise 0.5 to 2: mean then, of capacity", v.mean/(2*mbit))
		check(t, "mean after the rise", v.mean/(2*mbit), 0.75, 1)
	})
}

func TestSimulationStartOnNarrowPath(t *testing.T) {
	eachSeed(t, 500*kbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.setCapacity(500*kbit, time.Second)
		took := w.until(20*time.Second, func(e int64) bool { return e <= 500*kbit })
		f.add("start on 0.5: under it after, s", took)
		check(t, "time", took, 0, 1.1)
		w.Run(4 * time.Second)
		v := w.watch(20 * time.Second)
		f.add("start on 0.5: mean then, of capacity", v.mean/(500*kbit))
		check(t, "mean", v.mean/(500*kbit), 0.65, 1)
	})
}

func TestSimulationStartOnWidePath(t *testing.T) {
	eachSeed(t, 12*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		took := w.until(20*time.Second, func(e int64) bool { return e >= 8*mbit })
		f.add("start on 12: demand of 8 met after, s", took)
		check(t, "time", took, 0, 2)
		check(t, "estimate", w.watch(20*time.Second).low, 7.5*mbit, 12*mbit)
	})
}

func TestSimulationRandomLoss(t *testing.T) {
	for _, tc := range []struct{ loss, least, most float64 }{
		{0.01, 0.8, 1.02}, {0.05, 0.8, 1.02}, {0.1, 0.6, 1.02}, {0.2, 0.3, 1},
	} {
		eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
			w.down.Loss = tc.loss
			w.Run(5 * time.Second)
			v := w.watch(60 * time.Second)
			f.add(fmt.Sprintf("%2.0f %% loss: mean of capacity", tc.loss*100), v.mean/(3*mbit))
			f.add(fmt.Sprintf("%2.0f %% loss: least of capacity", tc.loss*100), v.low/(3*mbit))
			check(t, "mean", v.mean/(3*mbit), tc.least, tc.most)
		})
	}
}

// Room is found in spite of losses.
func TestSimulationRiseWithLoss(t *testing.T) {
	eachSeed(t, 500*kbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.down.Loss = 0.05
		w.Run(20 * time.Second)
		w.setCapacity(2*mbit, 200*ms)
		took := w.until(20*time.Second, func(e int64) bool { return e >= 1600*kbit })
		f.add("rise 0.5 to 2 with 5 % loss: 80 % after, s", took)
		check(t, "time", took, 0, 10)
	})
}

// Where there is no queue, losses are all there is.
func TestSimulationPolicer(t *testing.T) {
	eachSeed(t, 1*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.down.Queue = 6000
		took := w.until(20*time.Second, func(e int64) bool { return e <= 1100*kbit })
		f.add("policer of 1: at it after, s", took)
		check(t, "time", took, 0, 6)
		w.Run(5 * time.Second)
		lost, sent := w.down.Overflowed, w.down.Sent
		v := w.watch(30 * time.Second)
		share := float64(w.down.Overflowed-lost) / float64(w.down.Sent-sent)
		f.add("policer of 1: mean of capacity", v.mean/(1*mbit))
		f.add("policer of 1: share lost", share)
		check(t, "mean", v.mean/(1*mbit), 0.6, 1.15)
		check(t, "loss", share, 0, 0.15)
	})
}

func TestSimulationDelayAndJitter(t *testing.T) {
	for _, tc := range []struct {
		delay, jitter time.Duration
		least         float64
	}{{200 * ms, 0, 0.75}, {20 * ms, 10 * ms, 0.8}, {20 * ms, 30 * ms, 0.75}, {200 * ms, 30 * ms, 0.7}} {
		eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
			w.down.Delay, w.down.Jitter = tc.delay, tc.jitter
			w.Run(10 * time.Second)
			v := w.watch(60 * time.Second)
			name := fmt.Sprintf("delay %v jitter %v: ", tc.delay, tc.jitter)
			f.add(name+"mean of capacity", v.mean/(3*mbit))
			f.add(name+"mean queue, ms", v.queue)
			check(t, "mean", v.mean/(3*mbit), tc.least, 1)
			w.setRate(1 * mbit)
			took := w.until(20*time.Second, func(e int64) bool { return e <= 1*mbit })
			f.add(name+"drop to 1 after, s", took)
			check(t, "drop", took, 0, 3)
		})
	}
}

func TestSimulationBufferbloat(t *testing.T) {
	eachSeed(t, 2*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.setCapacity(2*mbit, time.Second)
		w.Run(5 * time.Second)
		v := w.watch(40 * time.Second)
		f.add("bufferbloat: mean of capacity", v.mean/(2*mbit))
		f.add("bufferbloat: mean queue, ms", v.queue)
		f.add("bufferbloat: worst queue, ms", v.worst)
		check(t, "mean", v.mean/(2*mbit), 0.75, 1)
		check(t, "mean queue", v.queue, 0, 50)
		w.setCapacity(600*kbit, time.Second)
		took := w.until(20*time.Second, func(e int64) bool { return e <= 600*kbit })
		f.add("bufferbloat: drop to 0.6 after, s", took)
		check(t, "drop", took, 0, 3)
		empty := w.Now()
		w.RunUntil(20*time.Second, func() bool { return w.backlog() < 50 })
		f.add("bufferbloat: queue empty again after, s", w.Now().Sub(empty).Seconds())
		check(t, "time to empty the queue", w.Now().Sub(empty).Seconds(), 0, 5)
	})
}

// A link that carries little for a minute is not taken for a narrow one.
func TestSimulationApplicationLimited(t *testing.T) {
	eachSeed(t, 3*mbit, 100*kbit, func(t *testing.T, w *world, f figures) {
		w.Run(60 * time.Second)
		if w.bridge.padding != 0 {
			t.Errorf("%d bytes of padding while nothing was wanted", w.bridge.padding)
		}
		f.add("quiet: estimate after a minute, Mbit/s", float64(w.estimate())/mbit)
		w.bridge.setDemand(2 * mbit)
		took := w.until(20*time.Second, func(e int64) bool { return e >= 2*mbit })
		f.add("quiet: demand of 2 met after, s", took)
		check(t, "time", took, 0, 5)
		v := w.watch(10 * time.Second)
		f.add("quiet: mean then, Mbit/s", v.mean/mbit)
		check(t, "received", v.received, 1.8*mbit, 2.3*mbit)
	})
}

// The same, when the path was narrow before, widens in the quiet minute, and
// has jitter that looks like overuse now and then.
func TestSimulationApplicationLimitedAfterDrop(t *testing.T) {
	eachSeed(t, 400*kbit, 2*mbit, func(t *testing.T, w *world, f figures) {
		w.down.Jitter = 20 * ms
		w.Run(20 * time.Second)
		w.bridge.setDemand(100 * kbit)
		w.Run(5 * time.Second)
		w.setCapacity(3*mbit, 200*ms)
		w.Run(60 * time.Second)
		f.add("quiet, narrow before: estimate, Mbit/s", float64(w.estimate())/mbit)
		w.bridge.setDemand(2 * mbit)
		took := w.until(20*time.Second, func(e int64) bool { return e >= 2*mbit })
		f.add("quiet, narrow before: demand met after, s", took)
		check(t, "time", took, 0, 5)
	})
}

// A source has few layers: what is sent is far below the estimate, and still
// the next layer is reached, and kept.
func TestSimulationLayers(t *testing.T) {
	eachSeed(t, 4*mbit, 2600*kbit, func(t *testing.T, w *world, f figures) {
		w.bridge.layers = []int64{100 * kbit, 250 * kbit, 750 * kbit, 2600 * kbit}
		w.Run(10 * time.Second)
		w.setCapacity(900*kbit, 200*ms)
		w.Run(5 * time.Second)
		v := w.watch(20 * time.Second)
		f.add("layers, 0.9: received, Mbit/s", v.received/mbit)
		f.add("layers, 0.9: mean queue, ms", v.queue)
		check(t, "received", v.received, 600*kbit, 900*kbit)
		w.setCapacity(4*mbit, 200*ms)
		took := w.until(20*time.Second, func(e int64) bool { return e >= 2600*kbit })
		f.add("layers, 4: top layer after, s", took)
		check(t, "time", took, 0, 10)
		v = w.watch(20 * time.Second)
		f.add("layers, 4: received, Mbit/s", v.received/mbit)
		check(t, "received", v.received, 2500*kbit, 2900*kbit)
		padding := w.bridge.padding
		w.Run(20 * time.Second)
		check(t, "padding with all that is wanted", float64(w.bridge.padding-padding), 0, 0)
	})
}

// Audio alone keeps the estimate alive, and finds that the path became too
// narrow even for it.
func TestSimulationAudioOnly(t *testing.T) {
	eachSeed(t, 1*mbit, 40*kbit, func(t *testing.T, w *world, f figures) {
		w.bridge.muted = true
		w.Run(30 * time.Second)
		check(t, "estimate", float64(w.estimate()), 1*mbit, 3*mbit)
		w.setCapacity(35*kbit, time.Second)
		took := w.until(20*time.Second, func(e int64) bool { return e <= 60*kbit })
		f.add("audio only: noticed 35 kbit/s after, s", took)
		check(t, "time", took, 0, 10)
	})
}

func TestSimulationCrossTraffic(t *testing.T) {
	eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		cross, _, _ := w.rivals()
		w.Run(10 * time.Second)
		cross.set(w.Now(), 1500*kbit)
		took := w.until(20*time.Second, func(e int64) bool { return e <= 1500*kbit })
		f.add("cross traffic of half: room made after, s", took)
		check(t, "time", took, 0, 3)
		w.Run(3 * time.Second)
		v := w.watch(20 * time.Second)
		f.add("cross traffic of half: mean of the rest", v.mean/(1500*kbit))
		f.add("cross traffic of half: mean queue, ms", v.queue)
		check(t, "mean", v.mean/(1500*kbit), 0.7, 1.05)
		check(t, "queue", v.queue, 0, 80)
		cross.set(w.Now(), 0)
		took = w.until(20*time.Second, func(e int64) bool { return e >= 2400*kbit })
		f.add("cross traffic of half: 80 % again after, s", took)
		check(t, "time", took, 0, 10)
	})
}

// Two of us share; neither starves.
func TestSimulationTwoShare(t *testing.T) {
	eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.Run(10 * time.Second)
		other := w.second(uint64(w.Now())+uint64(w.bridge.seq), 8*mbit)
		w.Run(10 * time.Second)
		var a, b float64
		for range 600 {
			w.Run(100 * ms)
			a += float64(w.estimate()) / 600
			b += float64(other.est.Estimate()) / 600
		}
		f.add("two share: the weaker one's part", min(a, b)/(a+b))
		f.add("two share: sum of capacity", (a+b)/(3*mbit))
		check(t, "smaller part", min(a, b)/(a+b), 0.25, 0.5)
		check(t, "sum", (a+b)/(3*mbit), 0.75, 1.05)
	})
}

// A download fills every queue it finds; something must be left.
func TestSimulationDownload(t *testing.T) {
	for _, queue := range []time.Duration{200 * ms, time.Second} {
		eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
			w.setCapacity(3*mbit, queue)
			_, tcp, _ := w.rivals()
			w.Run(10 * time.Second)
			tcp.start(w.Now())
			w.Run(20 * time.Second)
			v := w.watch(60 * time.Second)
			f.add(fmt.Sprintf("download, queue of %v: mean, kbit/s", queue), v.mean/kbit)
			f.add(fmt.Sprintf("download, queue of %v: least, kbit/s", queue), v.low/kbit)
			check(t, "mean", v.mean, 150*kbit, 2*mbit)
			tcp.on = false
			took := w.until(20*time.Second, func(e int64) bool { return e >= 2400*kbit })
			f.add(fmt.Sprintf("download, queue of %v: 80 %% again after, s", queue), took)
			check(t, "time", took, 0, 10)
		})
	}
}

// Feedback that is lost must not matter, as long as some comes.
func TestSimulationFeedbackLoss(t *testing.T) {
	eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.up.Loss = 0.3
		w.Run(10 * time.Second)
		v := w.watch(30 * time.Second)
		f.add("30 % of feedback lost: mean of capacity", v.mean/(3*mbit))
		check(t, "mean", v.mean/(3*mbit), 0.65, 1)
	})
}

// Nothing comes back at all: less and less is sent, and all of it again soon
// after.
func TestSimulationBlackout(t *testing.T) {
	eachSeed(t, 3*mbit, 8*mbit, func(t *testing.T, w *world, f figures) {
		w.Run(10 * time.Second)
		w.down.Loss = 1
		w.Run(4 * time.Second)
		f.add("blackout: estimate after 4 s, Mbit/s", float64(w.estimate())/mbit)
		check(t, "estimate", float64(w.estimate()), 30*kbit, 1.5*mbit)
		w.Run(30 * time.Second)
		check(t, "estimate", float64(w.estimate()), 30*kbit, 30*kbit)
		w.down.Loss = 0
		took := w.until(20*time.Second, func(e int64) bool { return e >= 2400*kbit })
		f.add("blackout: 80 % again after, s", took)
		check(t, "time", took, 0, 2)
	})
}
