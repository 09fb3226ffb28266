package nowait

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// pair is the two ends of a connection, of which the first is wrapped.
func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		defer l.Close()
		there, err = net.Dial("tcp", l.Addr().String())
	}
	if err == nil {
		here, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	if here = Wrap(here); here.(*conn) == nil {
		t.Fatal("not wrapped")
	}
	return here, there
}

// TestStream: what is read and written is what an ordinary connection reads and
// writes, also where one has to wait for the other.
func TestStream(t *testing.T) {
	here, there := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcde\n"), 1<<20) // more than the kernel takes
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		written := make(chan error, 1)
		go func() {
			n, err := way[0].Write(sent)
			if err == nil && n != len(sent) {
				err = io.ErrShortWrite
			}
			written <- err
		}()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("read something else, %v", err)
		}
		if err := <-written; err != nil {
			t.Fatal(err)
		}
	}
	if n, err := here.Read(nil); n != 0 || err != nil {
		t.Errorf("Read of nothing = %d, %v", n, err)
	}
	if err := here.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := there.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end read %v", err)
	}
	there.Close()
	if n, err := here.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read at the end = %d, %v", n, err)
	}
}

// TestEnds: deadlines and Close end what waits.
func TestEnds(t *testing.T) {
	here, there := pair(t)
	here.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := here.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read after its deadline: %v", err)
	}
	here.SetWriteDeadline(time.Now().Add(time.Millisecond))
	n, err := here.Write(make([]byte, 64<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 64<<20 {
		t.Errorf("Write after its deadline: %d, %v", n, err)
	}
	here.SetDeadline(time.Time{})
	closed := make(chan error, 1)
	go func() {
		_, err := here.Read(make([]byte, 1))
		closed <- err
	}()
	here.Close()
	if err := <-closed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read of a closed connection: %v", err)
	}
	if _, err := here.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write to a closed connection: %v", err)
	}
	there.Close()
}

// TestReset: an error of the connection is told.
func TestReset(t *testing.T) {
	here, there := pair(t)
	there.(*net.TCPConn).SetLinger(0)
	there.Close()
	if _, err := here.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read = %v", err)
	}
	if _, err := here.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write = %v", err)
	}
}

// TestTryWrite: it takes what there is room for, and does not wait for more.
func TestTryWrite(t *testing.T) {
	here, there := pair(t)
	raw, err := here.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for {
		n, err := TryWrite(raw, make([]byte, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n == 0 {
			break
		}
	}
	if n, err := io.CopyN(io.Discard, there, int64(total)); err != nil {
		t.Fatal(n, err)
	}
	if n, err := TryWrite(raw, []byte("x")); n != 1 || err != nil {
		t.Errorf("TryWrite with room = %d, %v", n, err)
	}
}

// TestUnsupported: what stands for no descriptor stays what it is.
func TestUnsupported(t *testing.T) {
	pipe, _ := net.Pipe()
	if Wrap(pipe) != pipe {
		t.Error("a pipe was wrapped")
	}
}
