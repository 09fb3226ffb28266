package readable

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plenum-conf/plenum/internal/mono"
)

// TestSettles: a set is calm a second after what was urgent, if so many are told
// that it is worth it, and until something is urgent again.
func TestSettles(t *testing.T) {
	second := mono.Time(time.Second)
	for _, tc := range []struct {
		told   int
		urgent mono.Time
		calm   bool
	}{
		{calmFrom, 9 * second, true}, {calmFrom - 1, 9 * second, false}, {calmFrom, 9*second + 1, false}, {1000, 0, true}, {0, 0, false},
	} {
		var c calm
		c.init()
		c.begun = 9 * second
		c.hurry(tc.urgent)
		c.settle(9*second+second/2, tc.told)
		if c.is.Load() {
			t.Errorf("%+v: calm before the second has ended", tc)
		}
		if calm := c.settle(10*second, 0); calm != tc.calm {
			t.Errorf("%+v: calm is %v", tc, calm)
		}
		if c.hurry(10*second + 1); c.settle(10*second+2, 0) {
			t.Errorf("%+v: calm though something is urgent", tc)
		}
	}
}

// calmSet is a set that is calm for as long as nothing is urgent.
func calmSet(t *testing.T) *Set {
	t.Helper()
	s := newSet(t)
	// A connection that is told of all the time, until the set is calm.
	here, there, w, b := s.watched(t)
	if _, err := there.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !s.calm.is.Load(); {
		if time.Now().After(deadline) {
			t.Fatal("the set did not become calm")
		}
		arm(t, w)
		b.wait(t)
	}
	w.Forget()
	here.Close()
	return s
}

// TestCalm: a calm set tells at the next grain, with the poller hearing of
// nothing, and at once when somebody is in a hurry.
func TestCalm(t *testing.T) {
	s := calmSet(t)
	_, there, w, b := s.watched(t)
	for range 5 {
		arm(t, w)
		_, _ = there.Write([]byte("x"))
		fds := make([]unix.PollFd, 1)
		if err := s.raw.Control(func(fd uintptr) { fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN} }); err != nil {
			t.Fatal(err)
		}
		n, err := unix.Poll(fds, 0)
		if calm := s.calm.is.Load(); calm && (n != 0 || err != nil) {
			t.Errorf("the poller hears of %d, %v", n, err)
		}
		b.wait(t)
	}
	w.Hurry(mono.Now())
	arm(t, w)
	b.wait(t)
	if s.calm.is.Load() {
		t.Error("still calm, though somebody is in a hurry")
	}
}

// TestCloseWhileCalm: Close does not wait for anything.
func TestCloseWhileCalm(t *testing.T) { calmSet(t).Close() }
