package netio

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/plenum-conf/plenum/internal/mono"
)

const (
	// After so many refused runs without an accepted one in between, GSO is
	// not tried for some flushes. It is not given up for good: a refusal may be
	// about one destination's path MTU, and a peer must not be able to slow
	// everybody down.
	gsoRefusals = 16
	gsoPause    = 4096
	// After so many messages that did not fit the send queue, the rest of a
	// flush is dropped without asking.
	fullLimit = 8
)

// sender turns the runs of an outbox into messages for sendmmsg.
type sender struct {
	headers  []unix.Mmsghdr
	names    []sockaddr
	iovecs   []unix.Iovec
	control  []segmentControl
	runs     []int32 // the run that a message was made from
	grams    []int32 // how many datagrams it holds
	messages int
	vectors  int

	hasGSO  bool
	refused int // in a row
	paused  int // flushes for which GSO is not tried

	sent, dropped int // since the last Flush

	// Parameters and result of call.
	from, to int
	done     int
	errno    unix.Errno
	call     func(fd uintptr)
}

// segmentControl is a control message with the segment size of a run.
type segmentControl struct {
	header unix.Cmsghdr
	data   [8]byte // two bytes used; the rest is what the kernel aligns to
}

func (d *sender) init(hasGSO bool) { d.hasGSO = hasGSO }

// begin prepares for the messages of one flush.
func (d *sender) begin(o *outbox) {
	d.messages, d.vectors = 0, 0
	if n := cap(o.grams); n > len(d.headers) {
		d.allocate(n)
	}
}

// allocate makes room for so many messages.
func (d *sender) allocate(messages int) {
	d.headers = make([]unix.Mmsghdr, messages)
	d.names = make([]sockaddr, messages)
	d.iovecs = make([]unix.Iovec, messages)
	d.control = make([]segmentControl, messages)
	d.runs = make([]int32, messages)
	d.grams = make([]int32, messages)
	for i := range d.headers {
		d.headers[i].Hdr.Name = &d.names[i][0]
		c := &d.control[i].header
		c.Level = unix.IPPROTO_UDP
		c.Type = unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
	}
}

// all is the function that RawConn.Control calls.
func (d *sender) all(fd uintptr) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&d.headers[d.from])),
			uintptr(d.to-d.from), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		d.done, d.errno = int(n), errno
		return
	}
}

// single is the memory for a system call that sends one datagram. It belongs to
// whoever holds mu.
type single struct {
	mu    sync.Mutex
	call  func(fd uintptr) // send
	name  sockaddr
	len   uint32
	data  []byte
	errno unix.Errno
}

// write sends a datagram, or says what the kernel has against it. The error is
// that of a closed socket.
func (o *single) write(raw syscall.RawConn, family int, p []byte, to netip.AddrPort) (unix.Errno, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.len, o.data = o.name.set(family, to), p
	err := raw.Control(o.call)
	o.data = nil
	return o.errno, err
}

// send is the function that RawConn.Control calls.
func (o *single) send(fd uintptr) {
	for {
		_, _, o.errno = unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(o.data))), uintptr(len(o.data)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&o.name)), uintptr(o.len))
		if o.errno != unix.EINTR {
			return
		}
	}
}

// flush sends everything in the outbox, in the order in which runs began.
func (s *Socket) flush() error {
	o, d := s.out, &s.send
	if len(o.runs) == 0 {
		return nil
	}
	s.count.flushes.Add(1)
	s.flushing = mono.Now()
	gso := d.useGSO()
	d.begin(o)
	for i := range o.runs {
		if gso || o.runs[i].count == 1 {
			d.addRun(s.family, o, int32(i))
		} else {
			d.addSingles(s.family, o, int32(i))
		}
	}
	err := s.sendMessages()
	o.reset()
	s.count.gso.Store(d.hasGSO && d.paused == 0)
	return err
}

// useGSO decides for one flush.
func (d *sender) useGSO() bool {
	if d.paused > 0 {
		d.paused--
		return false
	}
	return d.hasGSO
}

// addRun makes one message of a run.
func (d *sender) addRun(family int, o *outbox, run int32) {
	r := &o.runs[run]
	first, end := d.vectors, int32(-1)
	for g := r.first; g >= 0; g = o.grams[g].next {
		if o.grams[g].off == end { // neighbours in the arena become one piece
			v := &d.iovecs[d.vectors-1]
			v.SetLen(int(v.Len) + int(o.grams[g].size))
		} else {
			d.addVector(o.data(g))
		}
		end = o.grams[g].off + o.grams[g].size
	}
	d.addMessage(family, o, run, first, r.count)
	if r.count > 1 {
		m := d.messages - 1
		binary.NativeEndian.PutUint16(d.control[m].data[:], uint16(r.segment))
		h := &d.headers[m].Hdr
		h.Control = (*byte)(unsafe.Pointer(&d.control[m]))
		h.SetControllen(unix.CmsgSpace(2))
	}
}

// addSingles makes a message of each datagram of a run.
func (d *sender) addSingles(family int, o *outbox, run int32) {
	for g := o.runs[run].first; g >= 0; g = o.grams[g].next {
		d.addVector(o.data(g))
		d.addMessage(family, o, run, d.vectors-1, 1)
	}
}

func (d *sender) addVector(data []byte) {
	v := &d.iovecs[d.vectors]
	v.Base = &data[0]
	v.SetLen(len(data))
	d.vectors++
}

// addMessage makes a message of the vectors from first on.
func (d *sender) addMessage(family int, o *outbox, run int32, first int, grams int32) {
	m := d.messages
	d.runs[m], d.grams[m] = run, grams
	h := &d.headers[m].Hdr
	h.Namelen = d.names[m].set(family, o.runs[run].to)
	h.Iov = &d.iovecs[first]
	h.SetIovlen(d.vectors - first)
	h.Control = nil
	h.SetControllen(0)
	d.messages++
}

// sendMessages hands all messages to the kernel. The kernel stops at the
// first it does not take; what happens to that one depends on why.
func (s *Socket) sendMessages() error {
	d := &s.send
	full := 0
	for next := 0; next < d.messages; {
		d.from, d.to = next, d.messages
		if err := s.raw.Control(d.call); err != nil {
			s.dropAll(next)
			return s.failed("write", err)
		}
		if d.errno == 0 && d.done > 0 {
			s.account(next, d.done)
			next += d.done
			continue
		}
		if s.refuse(next, d.errno) {
			full++
		}
		next++
		if full == fullLimit {
			s.dropAll(next)
			return nil
		}
	}
	return nil
}

// account counts messages that were sent.
func (s *Socket) account(from, n int) {
	d := &s.send
	grams, bytes := 0, 0
	for i := from; i < from+n; i++ {
		grams += int(d.grams[i])
		bytes += int(d.headers[i].Len)
		if d.grams[i] > 1 {
			d.refused = 0
		}
	}
	d.sent += grams
	s.count.messages.Add(uint64(n))
	s.count.sent.Add(uint64(grams))
	s.count.sentBytes.Add(uint64(bytes))
}

// refuse deals with a message that the kernel did not take, and reports
// whether the reason was a full send queue.
func (s *Socket) refuse(m int, errno unix.Errno) (full bool) {
	d := &s.send
	grams := int(d.grams[m])
	switch {
	case errno == unix.EAGAIN || errno == unix.ENOBUFS:
		d.dropped += grams
		s.count.fullDrops.Add(uint64(grams))
		return true
	case grams > 1 && (errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE):
		// EIO: the device cannot compute checksums. EINVAL: segments are longer
		// than the path MTU. One by one they may pass.
		if !s.resend(d.runs[m]) {
			return false // it is the destination, not the offload
		}
		s.count.gsoRefused.Add(1)
		if d.refused++; d.refused >= gsoRefusals {
			d.refused, d.paused = 0, gsoPause
		}
	default: // unreachable, not permitted, too long: nobody to tell
		d.dropped += grams
		s.count.errorDrops.Add(uint64(grams))
	}
	return false
}

// resend sends a run's datagrams one by one and reports whether any was taken.
func (s *Socket) resend(run int32) (any bool) {
	o := s.out
	to := o.runs[run].to
	for g := o.runs[run].first; g >= 0; g = o.grams[g].next {
		// If the socket is closed, the next call in sendMessages says so.
		if ok, _ := s.write(o.data(g), to); ok {
			s.send.sent++
			any = true
		} else {
			s.send.dropped++
		}
	}
	return any
}

// dropAll counts the messages from one on as lost to a full queue.
func (s *Socket) dropAll(from int) {
	d := &s.send
	grams := 0
	for i := from; i < d.messages; i++ {
		grams += int(d.grams[i])
	}
	d.dropped += grams
	s.count.fullDrops.Add(uint64(grams))
}
