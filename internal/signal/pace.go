package signal

import "time"

// pace holds a client to a rate of frames and of bytes. It reads no clock.
type pace struct {
	frames, bytes bucket
}

// burst is how many seconds' worth may come at once.
const burst = 4

func newPace(frames, bytes int, now time.Time) pace {
	return pace{newBucket(frames, now), newBucket(bytes, now)}
}

// take counts one frame of n bytes and returns how long to wait before the
// next thing is done for this client.
func (p *pace) take(now time.Time, n int) time.Duration {
	return max(p.frames.take(now, 1), p.bytes.take(now, n))
}

// bucket is a token bucket that may go into debt by one request, so that a
// frame longer than the burst passes too.
type bucket struct {
	rate   float64 // tokens per second, 0: no limit
	tokens float64
	last   time.Time
}

func newBucket(rate int, now time.Time) bucket {
	return bucket{float64(rate), float64(rate * burst), now}
}

func (b *bucket) take(now time.Time, n int) time.Duration {
	if b.rate <= 0 {
		return 0
	}
	b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*b.rate, b.rate*burst)
	b.last = now
	b.tokens -= float64(n)
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}
