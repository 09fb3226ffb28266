package netio

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// pollerHears reports whether the runtime's poller is told of a datagram.
func pollerHears(t *testing.T, s *Socket) bool {
	t.Helper()
	fds := make([]unix.PollFd, 1)
	if err := s.raw.Control(func(epoll uintptr) { fds[0] = unix.PollFd{Fd: int32(epoll), Events: unix.POLLIN} }); err != nil {
		t.Fatal(err)
	}
	n, err := unix.Poll(fds, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

// TestGather: while datagrams gather nothing hears of them, and all of them are
// there at the end, in one Read if the batch has room and else in several that
// do not wait.
func TestGather(t *testing.T) {
	s, b := listen(t, Config{}), NewBatch(4)
	const each = 30 * time.Millisecond
	gather := func() (n int, took time.Duration) {
		t.Helper()
		s.Gather(each)
		begun := time.Now()
		n, err := s.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return n, time.Since(begun)
	}
	for _, datagrams := range []int{0, 1, 3, 0} {
		for range datagrams {
			send(t, s, s.LocalAddr(), []byte("x"))
		}
		n, took := gather()
		if took < each || !s.Waited() {
			t.Errorf("Read returned after %v with %d datagrams waiting", took, datagrams)
		}
		for n < datagrams { // the batch was full, and is larger next time
			more, _ := gather()
			if more == 0 || s.Waited() {
				t.Fatalf("%d of %d datagrams, then %d after waiting: %v", n, datagrams, more, s.Waited())
			}
			n += more
		}
		if n != datagrams {
			t.Errorf("%d datagrams of %d", n, datagrams)
		}
		gather() // after a full batch this looks, without waiting, whether that was all
		send(t, s, s.LocalAddr(), []byte("x"))
		if pollerHears(t, s) {
			t.Error("the poller hears of a datagram that is to wait")
		}
		readAll(t, s, 1)
	}
}

// TestGatherEnds: with the next SetDeadline datagrams end a wait again, those
// that came before included.
func TestGatherEnds(t *testing.T) {
	s, b := listen(t, Config{}), NewBatch(4)
	for range 3 {
		s.Gather(time.Millisecond)
		if n, err := s.Read(b); n != 0 || err != nil {
			t.Fatalf("Read = %d, %v", n, err)
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_ = s.WriteTo([]byte("x"), s.LocalAddr())
		}()
		readAll(t, s, 1) // before patience ends
		<-sent
		send(t, s, s.LocalAddr(), []byte("x"))
		if !pollerHears(t, s) {
			t.Error("the poller does not hear of a datagram")
		}
		readAll(t, s, 1)
	}
}

// TestGatherIsWoken: a wake ends it, whenever it comes, and Close does.
func TestGatherIsWoken(t *testing.T) {
	s, b := listen(t, Config{}), NewBatch(4)
	send(t, s, s.LocalAddr(), []byte("x"))
	for i, want := range []int{1, 0} {
		s.Gather(time.Hour)
		go s.Wake()
		if n, err := s.Read(b); n != want || err != nil {
			t.Errorf("woken Read %d = %d, %v", i, n, err)
		}
		b.os.filled = false // what is read next is not what was left
	}
	s.Gather(time.Hour)
	go s.Close()
	if _, err := s.Read(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read = %v", err)
	}
}

// TestGatherAllocs: a turn of gathering, and changing over, allocates nothing.
func TestGatherAllocs(t *testing.T) {
	s, b := listen(t, Config{}), NewBatch(4)
	turn := func() {
		s.Gather(time.Microsecond)
		_, _ = s.Read(b)
		s.SetDeadline(time.Microsecond)
		_, _ = s.Read(b)
	}
	turn()
	allocs.None(t, allocs.Many, turn)
}
