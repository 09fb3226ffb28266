package bwe

import (
	"math"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Thresholds of the loss-based controller of draft-ietf-rmcat-gcc-02 §6.
const (
	legacyLow      = 0.02
	legacyHigh     = 0.1
	legacyFall     = 0.5
	legacyMinWait  = 300 * time.Millisecond
	legacyMaxPause = time.Second
)

// legacy is the estimate for receivers that send no transport-wide feedback:
// the receiver's own (REMB), and below it what its reports of loss allow.
type legacy struct {
	rate, remb float64 // remb is +Inf if there was none
	offered    rateMeter
	updated    mono.Time
	decreased  mono.Time
}

func (l *legacy) report(lost float64, rtt time.Duration, now mono.Time) {
	elapsed := min(now.Sub(l.updated), legacyMaxPause)
	l.updated = now
	switch {
	case lost > legacyHigh:
		if now.Sub(l.decreased) >= legacyMinWait+rtt {
			l.decreased = now
			l.rate *= 1 - legacyFall*lost
		}
	case lost <= legacyLow:
		l.increase(elapsed.Seconds())
	}
}

func (l *legacy) increase(seconds float64) {
	sent, ok := l.offered.rate()
	if !ok {
		return
	}
	limit := min(growthLimit*sent+growthSlack, l.remb)
	l.rate = max(l.rate, min(l.rate*math.Pow(increasePerSec, seconds), limit))
}

// REMB takes a receiver estimated maximum bitrate in bit/s
// (draft-alvestrand-rmcat-remb-03). It counts only for a receiver that has
// never sent transport-wide feedback.
func (e *Estimator) REMB(bps int64, now mono.Time) {
	if e.heard != 0 {
		e.count.rembIgnored++
		return
	}
	if math.IsInf(e.legacy.remb, 1) {
		e.legacy.rate = max(e.legacy.rate, float64(bps)) // it knows better than our first guess
	}
	e.legacy.remb = float64(max(bps, 0))
	e.finish(now)
}

// ReceiverReport takes what a receiver report says (RFC 3550 §6.4.2): the
// fraction lost of 256, as a mean over the streams of the report, and the
// round trip time, 0 if it is not known. The loss counts only for a receiver
// that has never sent transport-wide feedback, which is more exact.
func (e *Estimator) ReceiverReport(fractionLost uint8, rtt mono.Duration, now mono.Time) {
	if rtt > 0 && e.heard == 0 {
		e.learnRTT(rtt)
	}
	if e.heard != 0 {
		return
	}
	e.legacy.report(float64(fractionLost)/256, e.rtt, now)
	e.legacy.rate = min(max(e.legacy.rate, float64(e.opt.Min)), float64(e.opt.Max))
	e.finish(now)
}
