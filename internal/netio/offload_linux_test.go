package netio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

func TestSocketsShareOnePort(t *testing.T) {
	all, err := Listen(Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Sockets: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		defer s.Close()
		if s.LocalAddr() != all[0].LocalAddr() {
			t.Fatalf("%v and %v", s.LocalAddr(), all[0].LocalAddr())
		}
	}
	const clients = 64
	for range clients {
		send(t, listen(t, Config{}), all[0].LocalAddr(), []byte("x"))
	}
	b, got, used := NewBatch(DefaultMessages), 0, 0
	for _, s := range all {
		s.SetDeadline(-1)
		mine := 0
		for {
			n, err := s.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			mine += n
		}
		if mine > 0 {
			used++
		}
		got += mine
	}
	if got != clients || used < 2 {
		t.Errorf("%d of %d datagrams came, to %d sockets", got, clients, used)
	}
}

// TestPortIsNotSharedWithStrangers: sockets of others that share their port
// do not get ours with it, and not our datagrams.
func TestPortIsNotSharedWithStrangers(t *testing.T) {
	for _, sockets := range []int{1, 2} {
		theirs := listen(t, Config{Sockets: 2})
		all, err := Listen(Config{Addr: theirs.LocalAddr(), Sockets: sockets})
		if !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%d sockets joined a port that is taken: %v", sockets, err)
		}
		for _, s := range all {
			_ = s.Close()
		}
	}
}

func TestBuffersAreGrown(t *testing.T) {
	s := listen(t, Config{ReadBuffer: 1 << 20})
	if st := s.Stats(); st.ReadBuffer < 100_000 || st.WriteBuffer < 100_000 {
		t.Errorf("buffers of %d and %d bytes", st.ReadBuffer, st.WriteBuffer)
	}
}

// Without checksums the kernel refuses UDP_SEGMENT with EINVAL: everything
// has to arrive all the same, and after some refusals nothing is tried.
func TestRefusedGSOIsSentSingly(t *testing.T) {
	s, r := listen(t, Config{}), listen(t, Config{})
	if !s.Stats().GSO {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	err := s.raw.Control(func(uintptr) {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	d := bytes.Repeat([]byte("a"), 1000)
	for range gsoRefusals + 3 {
		send(t, s, r.LocalAddr(), d, d, d[:10])
	}
	readAll(t, r, 3*(gsoRefusals+3))
	if st := s.Stats(); st.GSORefused != gsoRefusals || st.GSO || st.FullDrops+st.ErrorDrops != 0 {
		t.Errorf("after refusals: %+v", st)
	}
	s.send.paused = 1 // the pause ends
	send(t, s, r.LocalAddr(), d, d)
	if !s.Stats().GSO {
		t.Error("GSO is given up for good")
	}
}

// A destination that cannot be is not a reason to give up GSO.
func TestImpossibleDestinationKeepsGSO(t *testing.T) {
	s := listen(t, Config{Addr: netip.MustParseAddrPort("[::]:0")})
	for range 2 * gsoRefusals {
		for _, to := range []netip.AddrPort{{}, netip.MustParseAddrPort("192.0.2.1:0")} {
			s.Commit(len(s.Buffer(100, to)))
			s.Commit(len(s.Buffer(100, to)))
		}
		if sent, dropped, err := s.Flush(); sent != 0 || dropped != 4 || err != nil {
			t.Fatalf("Flush = %d, %d, %v", sent, dropped, err)
		}
	}
	if st := s.Stats(); st.GSORefused != 0 || st.ErrorDrops != 8*gsoRefusals {
		t.Errorf("%+v", st)
	}
}

func TestFullSendQueueDrops(t *testing.T) {
	s := listen(t, Config{})
	s.out = grown(minArena) // all goes at Flush, to the kernel of this test
	d := &s.send
	for range 3 {
		for i := range 20 { // twenty destinations, so twenty runs
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(20000+i))
			s.Commit(copy(s.Buffer(1, to), "x"))
		}
	}
	calls := 0
	d.call = func(uintptr) {
		calls++
		d.done, d.errno = -1, unix.EAGAIN
	}
	if sent, dropped, err := s.Flush(); sent != 0 || dropped != 60 || err != nil {
		t.Errorf("Flush = %d, %d, %v", sent, dropped, err)
	}
	if st := s.Stats(); st.FullDrops != 60 || calls != fullLimit {
		t.Errorf("FullDrops = %d after %d calls", st.FullDrops, calls)
	}
}

func TestControlMessages(t *testing.T) {
	message := func(size uint64, level, kind int32, data ...byte) []byte {
		b := binary.NativeEndian.AppendUint64(nil, size)
		b = binary.NativeEndian.AppendUint32(b, uint32(level))
		b = binary.NativeEndian.AppendUint32(b, uint32(kind))
		b = append(b, data...)
		return append(b, make([]byte, (8-len(data)%8)%8)...)
	}
	gro := message(20, unix.IPPROTO_UDP, unix.UDP_GRO, binary.NativeEndian.AppendUint32(nil, 1200)...)
	seconds := binary.NativeEndian.AppendUint64(nil, 3)
	stamp := message(32, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, binary.NativeEndian.AppendUint64(seconds, 5)...)
	other := message(17, unix.SOL_SOCKET, 99, 1)
	both := ancillary{segment: 1200, stamp: 3_000_000_005}
	for name, tc := range map[string]struct {
		control []byte
		want    ancillary
	}{
		"none":              {nil, ancillary{}},
		"gro":               {gro, ancillary{segment: 1200}},
		"stamp":             {stamp, ancillary{stamp: 3_000_000_005}},
		"both":              {append(bytes.Clone(stamp), gro...), both},
		"other way round":   {append(bytes.Clone(gro), stamp...), both},
		"after another one": {append(bytes.Clone(other), gro...), ancillary{segment: 1200}},
		"another one":       {other, ancillary{}},
		"cut":               {gro[:18], ancillary{}},
		"stamp cut":         {stamp[:24], ancillary{}},
		"too short":         {message(18, unix.IPPROTO_UDP, unix.UDP_GRO, 1, 2), ancillary{}},
		"half a stamp":      {message(24, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, seconds...), ancillary{}},
		"longer than all":   {message(1<<40, unix.IPPROTO_UDP, unix.UDP_GRO, 1, 2, 3, 4), ancillary{}},
		"length of nothing": {message(0, unix.IPPROTO_UDP, unix.UDP_GRO, 1, 2, 3, 4), ancillary{}},
	} {
		if got := readControl(tc.control); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestWaitedIsPlausible(t *testing.T) {
	for _, tc := range []struct {
		now, stamp int64
		want       time.Duration
	}{
		{1000, 400, 600}, {1000, 1000, 0}, {1000, 0, 0}, {1000, 1400, 0}, // the clock was set back
		{int64(time.Hour), 1, 0}, // and forth
	} {
		if got := waited(tc.now, tc.stamp); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}

// TestTimeInTheQueueCounts: what a datagram waits for its reader is told, for
// each one of a run too.
func TestTimeInTheQueueCounts(t *testing.T) {
	s, r := listen(t, Config{}), listen(t, Config{})
	if !r.Stats().Stamps {
		t.Fatal("the kernel does not stamp")
	}
	untilStamped(t, s, r)
	begin := time.Now()
	d := make([]byte, 1000)
	send(t, s, r.LocalAddr(), d, d, d[:9])
	sent := time.Now()
	time.Sleep(5 * time.Millisecond) // the time that must be told
	b, least := NewBatch(DefaultMessages), time.Since(sent)
	r.SetDeadline(patience)
	for got := 0; got < 3; {
		n, err := r.Read(b)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		most := time.Since(begin)
		for _, p := range b.Packets[:n] {
			if p.Waited < least || p.Waited > most {
				t.Errorf("waited %v, which must be %v to %v", p.Waited, least, most)
			}
		}
		got += n
	}
}

// untilStamped returns when the kernel stamps what comes. The first socket of a
// machine that wants stamps has them a moment after it has asked: the kernel patches
// its code in a task of its own, and until then stamps what is read (sock_recv_timestamp).
func untilStamped(t *testing.T, s, r *Socket) {
	t.Helper()
	const lies = time.Millisecond
	b := NewBatch(1)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		send(t, s, r.LocalAddr(), make([]byte, 100))
		time.Sleep(lies) // it has to lie there for a while
		r.SetDeadline(patience)
		if n, err := r.Read(b); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if b.Packets[0].Waited >= lies {
			return
		}
	}
	t.Fatal("the kernel does not stamp what comes")
}

func TestSockaddr(t *testing.T) {
	for _, tc := range []struct {
		family int
		to     string
		size   uint32
		back   string
	}{
		{unix.AF_INET, "192.0.2.1:10000", 16, "192.0.2.1:10000"},
		{unix.AF_INET6, "192.0.2.1:10000", 28, "192.0.2.1:10000"},
		{unix.AF_INET, "[::ffff:192.0.2.1]:1", 16, "192.0.2.1:1"},
		{unix.AF_INET6, "[2001:db8::7]:65535", 28, "[2001:db8::7]:65535"},
		{unix.AF_INET, "[2001:db8::7]:65535", 28, "[2001:db8::7]:65535"},
	} {
		var s sockaddr
		size := s.set(tc.family, netip.MustParseAddrPort(tc.to))
		if size != tc.size || s.addrPort().String() != tc.back {
			t.Errorf("%v for family %d: %d bytes, back as %v", tc.to, tc.family, size, s.addrPort())
		}
	}
	if a := new(sockaddr).addrPort(); a.IsValid() {
		t.Errorf("no family gives %v", a)
	}
}

func TestNoAllocations(t *testing.T) {
	s, r := listen(t, Config{}), listen(t, Config{})
	b, to := NewBatch(DefaultMessages), r.LocalAddr()
	exchange := func() {
		for range 8 {
			s.Buffer(1200, to)
			s.Commit(1200)
		}
		if _, _, err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		r.SetDeadline(patience)
		for got := 0; got < 8; {
			n, err := r.Read(b)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			got += n
		}
	}
	allocs.None(t, allocs.Many, exchange)
	idle := func() {
		r.SetDeadline(1)
		if n, err := r.Read(b); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		r.SetDeadline(0)
		r.Wake()
		if n, err := r.Read(b); n != 0 || err != nil {
			t.Fatal(n, err)
		}
	}
	allocs.None(t, allocs.Many, idle)
	data, before := make([]byte, 1200), s.Stats().Sent
	n := allocs.None(t, allocs.Many, func() {
		if err := s.WriteTo(data, to); err != nil {
			t.Fatal(err)
		}
	})
	if sent := s.Stats().Sent - before; sent != uint64(n) {
		t.Errorf("%d of %d datagrams sent", sent, n)
	}
}

// TestQuietReads: a reader that had to wait asks the kernel less often, and
// still gets what is there, whatever the deadline is.
func TestQuietReads(t *testing.T) {
	s, r := listen(t, Config{}), listen(t, Config{})
	b := NewBatch(DefaultMessages)
	read := func(d time.Duration) int {
		t.Helper()
		r.SetDeadline(d)
		n, err := r.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	wait := func() {
		t.Helper()
		if n := read(time.Millisecond); n != 0 || !r.Waited() {
			t.Fatalf("%d datagrams, waited %v", n, r.Waited())
		}
	}
	for name, look := range map[string]func() int{
		"passed":  func() int { return read(1) },
		"long":    func() int { return read(patience) },
		"none":    func() int { return read(0) },
		"polling": func() int { return read(-1) },
		"woken":   func() int { r.SetDeadline(0); r.Wake(); n, _ := r.Read(b); return n },
	} {
		wait()
		send(t, s, r.LocalAddr(), []byte("x"))
		if n := look(); n != 1 {
			t.Errorf("%s: %d datagrams of one", name, n)
		}
	}
	// A deadline that was armed for a wait is not armed again for the same one,
	// but for one that is earlier.
	wait()
	send(t, s, r.LocalAddr(), []byte("x"))
	read(patience)
	armed := r.armed
	send(t, s, r.LocalAddr(), []byte("x"))
	r.SetDeadline(0)
	r.deadline = armed.Add(slack / 2)
	if n, _ := r.Read(b); n != 1 || r.armed != armed {
		t.Errorf("%d datagrams; armed anew: %v", n, r.armed != armed)
	}
	wait()
}
