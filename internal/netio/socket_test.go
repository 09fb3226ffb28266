package netio

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen; it is never spent
// when things work.
const patience = 30 * time.Second

func listen(t testing.TB, cfg Config) *Socket {
	t.Helper()
	if !cfg.Addr.IsValid() {
		cfg.Addr = netip.MustParseAddrPort("127.0.0.1:0")
	}
	all, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range all {
			_ = s.Close()
		}
	})
	return all[0]
}

func at(host string, s *Socket) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(host), s.LocalAddr().Port())
}

// readAll reads until n datagrams have come, and copies them.
func readAll(t testing.TB, s *Socket, n int) (data [][]byte, from []netip.AddrPort) {
	t.Helper()
	b := NewBatch(DefaultMessages)
	s.SetDeadline(patience)
	for len(data) < n {
		k, err := s.Read(b)
		if err != nil || k == 0 {
			t.Fatalf("Read = %d, %v after %d of %d datagrams", k, err, len(data), n)
		}
		for _, p := range b.Packets[:k] {
			data = append(data, bytes.Clone(p.Data))
			from = append(from, p.Addr)
		}
	}
	return data, from
}

func send(t testing.TB, s *Socket, to netip.AddrPort, data ...[]byte) {
	t.Helper()
	for _, d := range data {
		s.Commit(copy(s.Buffer(len(d), to), d))
	}
	sent, dropped, err := s.Flush()
	if sent != len(data) || dropped != 0 || err != nil {
		t.Fatalf("Flush = %d, %d, %v; want %d, 0, nil", sent, dropped, err, len(data))
	}
}

func TestBothFamiliesOnOneSocket(t *testing.T) {
	server := listen(t, Config{Addr: netip.MustParseAddrPort("[::]:0")})
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			client := listen(t, Config{Addr: netip.AddrPortFrom(netip.MustParseAddr(host), 0)})
			send(t, client, at(host, server), []byte("ping"))
			data, from := readAll(t, server, 1)
			if string(data[0]) != "ping" || from[0] != client.LocalAddr() {
				t.Fatalf("got %q from %v, want ping from %v", data[0], from[0], client.LocalAddr())
			}
			send(t, server, from[0], []byte("pong"))
			data, from = readAll(t, client, 1)
			if string(data[0]) != "pong" || from[0] != at(host, server) {
				t.Fatalf("got %q from %v", data[0], from[0])
			}
			if err := server.WriteTo([]byte("loose"), client.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			if data, _ = readAll(t, client, 1); string(data[0]) != "loose" {
				t.Fatalf("got %q", data[0])
			}
		})
	}
}

// TestRunsArriveWhole sends random datagrams to several receivers, in every
// combination of offloads, and expects each receiver to get its own in order.
func TestRunsArriveWhole(t *testing.T) {
	for _, senderPlain := range []bool{false, true} {
		for _, receiverPlain := range []bool{false, true} {
			t.Run(fmt.Sprintf("plain sender %v, plain receiver %v", senderPlain, receiverPlain), func(t *testing.T) {
				sender := listen(t, Config{NoOffload: senderPlain, Arena: minArena})
				receivers := make([]*Socket, 3)
				want := make([][][]byte, len(receivers))
				for i := range receivers {
					receivers[i] = listen(t, Config{NoOffload: receiverPlain})
				}
				rng := rand.New(rand.NewPCG(1, 2))
				total := 0
				for range 400 {
					i := rng.IntN(len(receivers))
					d := make([]byte, []int{1200, 1200, 1200, 1200, 1199, 80, 1400, 1}[rng.IntN(8)])
					for j := range d {
						d[j] = byte(rng.Uint32())
					}
					want[i] = append(want[i], d)
					sender.Commit(copy(sender.Buffer(len(d)+rng.IntN(20), receivers[i].LocalAddr()), d))
					total++
				}
				sent, dropped, err := sender.Flush()
				if sent != total || dropped != 0 || err != nil {
					t.Fatalf("Flush = %d, %d, %v; want %d", sent, dropped, err, total)
				}
				for i, r := range receivers {
					data, _ := readAll(t, r, len(want[i]))
					for j := range data {
						if !bytes.Equal(data[j], want[i][j]) {
							t.Fatalf("receiver %d, datagram %d: got %d bytes, want %d", i, j, len(data[j]), len(want[i][j]))
						}
					}
				}
				st := sender.Stats()
				if runs := st.Messages < st.Sent; runs == senderPlain && st.GSO {
					t.Errorf("%d datagrams in %d messages", st.Sent, st.Messages)
				}
			})
		}
	}
}

func TestUncommittedIsNotSent(t *testing.T) {
	s := listen(t, Config{})
	to := s.LocalAddr()
	copy(s.Buffer(7, to), "nothing")
	copy(s.Buffer(4, to), "zero")
	s.Commit(0)
	send(t, s, to, []byte("this"))
	if data, _ := readAll(t, s, 1); string(data[0]) != "this" {
		t.Fatalf("got %q", data[0])
	}
}

func TestUnreachableIsDropped(t *testing.T) {
	s := listen(t, Config{})
	v6 := netip.MustParseAddrPort("[2001:db8::1]:9")
	s.Commit(copy(s.Buffer(1, v6), "x"))
	s.Commit(copy(s.Buffer(4, s.LocalAddr()), "mine"))
	if sent, dropped, err := s.Flush(); sent != 1 || dropped != 1 || err != nil {
		t.Fatalf("Flush = %d, %d, %v", sent, dropped, err)
	}
	readAll(t, s, 1)
	if st := s.Stats(); st.ErrorDrops != 1 {
		t.Fatalf("ErrorDrops = %d", st.ErrorDrops)
	}
}

// A port where nobody listens answers with ICMP errors; they must neither end
// a Read nor lose the next send.
func TestRefusedByPeerIsIgnored(t *testing.T) {
	gone := listen(t, Config{})
	to := gone.LocalAddr()
	_ = gone.Close()
	s := listen(t, Config{})
	for range 5 {
		s.Commit(copy(s.Buffer(1, to), "x"))
		_, _, _ = s.Flush()
	}
	send(t, s, s.LocalAddr(), []byte("still here"))
	readAll(t, s, 1)
}

func TestDeadlines(t *testing.T) {
	s := listen(t, Config{})
	b := NewBatch(4)
	read := func(d time.Duration) (int, time.Duration) {
		s.SetDeadline(d)
		start := time.Now()
		n, err := s.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return n, time.Since(start)
	}
	if n, took := read(30 * time.Millisecond); n != 0 || took < 30*time.Millisecond {
		t.Errorf("Read = %d after %v, want 0 after 30 ms", n, took)
	}
	if n, _ := read(-1); n != 0 {
		t.Errorf("Read without waiting = %d", n)
	}
	send(t, s, s.LocalAddr(), []byte("x"))
	if n, _ := read(-1); n != 1 {
		t.Errorf("Read without waiting = %d, want what is there", n)
	}
	send(t, s, s.LocalAddr(), []byte("x"))
	if n, _ := read(time.Nanosecond); n != 1 {
		t.Errorf("Read with a deadline that has passed = %d, want what is there", n)
	}
}

func TestWakeBetweenSetDeadlineAndRead(t *testing.T) {
	s := listen(t, Config{})
	b := NewBatch(4)
	s.SetDeadline(0)
	s.Wake()
	for range 2 { // until the next SetDeadline
		if n, err := s.Read(b); n != 0 || err != nil {
			t.Fatalf("Read = %d, %v", n, err)
		}
	}
	send(t, s, s.LocalAddr(), []byte("x"))
	s.SetDeadline(0)
	s.Wake()
	if n, err := s.Read(b); n != 1 || err != nil {
		t.Fatalf("woken Read = %d, %v; want what is there", n, err)
	}
	s.SetDeadline(30 * time.Millisecond)
	start := time.Now()
	if n, err := s.Read(b); n != 0 || err != nil || time.Since(start) < 30*time.Millisecond {
		t.Fatalf("Read = %d, %v after %v: an old wake was not forgotten", n, err, time.Since(start))
	}
}

// TestNoWakeIsLost plays a worker with a mailbox and no deadline: if one wake
// were lost, the last letters would never be read.
func TestNoWakeIsLost(t *testing.T) {
	s := listen(t, Config{})
	const posters, letters = 4, 3000
	var mu sync.Mutex
	mailbox := 0
	for range posters {
		go func() {
			for range letters {
				mu.Lock()
				mailbox++
				mu.Unlock()
				s.Wake()
			}
		}()
	}
	watchdog := time.AfterFunc(patience, func() { _ = s.Close() })
	defer watchdog.Stop()
	b := NewBatch(1)
	for got := 0; got < posters*letters; {
		s.SetDeadline(0)
		mu.Lock()
		n := mailbox
		mailbox = 0
		mu.Unlock()
		if got += n; n > 0 {
			continue
		}
		if _, err := s.Read(b); err != nil {
			t.Fatalf("asleep with %d of %d letters read", got, posters*letters)
		}
	}
}

func TestCloseEndsRead(t *testing.T) {
	s := listen(t, Config{})
	done := make(chan error)
	go func() {
		s.SetDeadline(0)
		_, err := s.Read(NewBatch(1))
		done <- err
	}()
	_ = s.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read = %v", err)
	}
	s.Commit(copy(s.Buffer(1, s.LocalAddr()), "x"))
	if _, dropped, err := s.Flush(); !errors.Is(err, net.ErrClosed) || dropped != 1 {
		t.Errorf("Flush = %d dropped, %v", dropped, err)
	}
	if err := s.WriteTo([]byte("x"), s.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteTo = %v", err)
	}
	if err := s.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close = %v", err)
	}
	s.Wake()
	_ = s.Stats()
}

func TestListenRefusesTakenPort(t *testing.T) {
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	addr := other.LocalAddr().(*net.UDPAddr).AddrPort()
	if _, err := Listen(Config{Addr: addr, Sockets: 2}); err == nil {
		t.Error("Listen on a port in use succeeded")
	}
}
