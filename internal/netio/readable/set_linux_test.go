package readable

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// bell is a Waiter one can wait for.
type bell chan struct{}

func (b bell) Readable() { b <- struct{}{} }

func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if there, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if here, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

func newSet(t *testing.T) *Set {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (b bell) wait(t *testing.T) {
	t.Helper()
	select {
	case <-b:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was told")
	}
}

// watched adds one end of a new connection, unarmed.
func (s *Set) watched(t *testing.T) (here, there net.Conn, w *Watch, b bell) {
	t.Helper()
	here, there = pair(t)
	b = make(bell, 10)
	w, err := s.Add(here, b)
	if err != nil {
		t.Fatal(err)
	}
	return here, there, w, b
}

func arm(t *testing.T, w *Watch) {
	t.Helper()
	if err := w.Arm(); err != nil {
		t.Fatal(err)
	}
}

// TestTellsOncePerArm: what comes while nobody has armed is told after the next
// arming, and nothing is told twice.
func TestTellsOncePerArm(t *testing.T) {
	s := newSet(t)
	here, there, w, b := s.watched(t)
	for range 3 {
		if _, err := there.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		arm(t, w)
		b.wait(t)
		// Another connection that is told afterwards shows that all of this
		// one has been.
		if _, err := there.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		_, far, ow, ob := s.watched(t)
		arm(t, ow)
		_, _ = far.Write([]byte("z"))
		ob.wait(t)
		if len(b) != 0 {
			t.Fatal("told without being armed")
		}
		if _, err := here.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTellsTheEnd: a peer that goes makes its connection readable.
func TestTellsTheEnd(t *testing.T) {
	_, there, w, b := newSet(t).watched(t)
	arm(t, w)
	there.Close()
	b.wait(t)
}

func TestClosedAndUnsupported(t *testing.T) {
	s := newSet(t)
	here, _, w, _ := s.watched(t)
	arm(t, w)
	here.Close()
	if w.Arm() == nil {
		t.Error("a closed connection was armed")
	}
	pipe, _ := net.Pipe()
	if _, err := s.Add(pipe, make(bell, 1)); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

// TestDescriptorsComeAgain: a new connection with the number of an old one gets
// its own news.
func TestDescriptorsComeAgain(t *testing.T) {
	s := newSet(t)
	for range 50 {
		here, there, w, b := s.watched(t)
		arm(t, w)
		_, _ = there.Write([]byte("x"))
		b.wait(t)
		w.Forget()
		here.Close()
		there.Close()
	}
	for fd, w := range s.byFD {
		if w != nil {
			t.Errorf("descriptor %d is not forgotten", fd)
		}
	}
}

func TestArmAllocatesNothing(t *testing.T) {
	_, _, w, _ := newSet(t).watched(t)
	arm(t, w)
	allocs.None(t, allocs.Many, func() { arm(t, w) })
}
