package bridge

import (
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
)

func TestPace(t *testing.T) {
	var p pace
	now := mono.Time(time.Hour)
	count := func(size int) (n int) {
		for p.allow(now, size) {
			n++
		}
		return n
	}
	if n := count(10); n != messageBurst {
		t.Errorf("%d short messages at once, want %d", n, messageBurst)
	}
	now = now.Add(time.Second)
	if n := count(10); n != messagesPerSecond {
		t.Errorf("%d more after a second, want %d", n, messagesPerSecond)
	}
	now = now.Add(time.Minute)
	if n := count(50 << 10); n != channelBurst/(50<<10) {
		t.Errorf("%d long messages at once", n)
	}
}
