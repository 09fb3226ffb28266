package netio

import (
	"encoding/binary"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// slabSize is memory for one message: the largest that UDP_GRO builds.
	// The odd lines keep the heads of messages in different cache sets.
	slabSize    = 65_536 + 5*64
	controlSize = 64 // bytes for control messages, of which we expect two
)

// batchOS is the memory of a batch that the kernel writes to.
type batchOS struct {
	headers []unix.Mmsghdr
	iovecs  []unix.Iovec
	names   []sockaddr
	control [][controlSize]byte
	slab    []byte
	dirty   int  // headers that the last call has changed
	filled  bool // there was no room for more messages in the last call
}

func (b *batchOS) init(messages int) {
	b.headers = make([]unix.Mmsghdr, messages)
	b.iovecs = make([]unix.Iovec, messages)
	b.names = make([]sockaddr, messages)
	b.control = make([][controlSize]byte, messages)
	b.slab = make([]byte, messages*slabSize)
	for i := range b.headers {
		b.iovecs[i].Base = &b.slab[i*slabSize]
		b.iovecs[i].SetLen(slabSize)
		h := &b.headers[i].Hdr
		h.Name = &b.names[i][0]
		h.Iov = &b.iovecs[i]
		h.SetIovlen(1)
		h.Control = &b.control[i][0]
	}
	b.dirty, b.filled = messages, false
}

// prepare makes the batch ready for a call: larger if the last one has filled
// it, and without what that wrote into the headers.
func (b *Batch) prepare() {
	if n := len(b.os.headers); b.os.filled && n < b.most {
		b.allocate(min(2*n, b.most))
	}
	b.os.clean()
}

// clean undoes what the last call wrote into the headers.
func (b *batchOS) clean() {
	for i := range b.headers[:b.dirty] {
		h := &b.headers[i].Hdr
		h.Namelen = uint32(len(b.names[i]))
		h.SetControllen(controlSize)
		h.Flags = 0
	}
	b.dirty = 0
}

// receiver calls recvmmsg. Its functions are made once, because a closure
// made for each call would be allocated.
type receiver struct {
	batch    *Batch
	messages int
	errno    unix.Errno
	try      func(fd uintptr)
	wait     func(fd uintptr) bool
}

// once receives what is there. It does not tell the scheduler (RawSyscall):
// the call never waits, and telling costs more than it, since it wakes the
// runtime's monitor, which then looks at everything every 20 microseconds.
func (r *receiver) once(fd uintptr) {
	r.batch.prepare()
	os := &r.batch.os
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&os.headers[0])),
			uintptr(len(os.headers)), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		r.messages, r.errno = int(n), errno
		if errno != 0 {
			r.messages = 0
		}
		os.dirty, os.filled = r.messages, r.messages == len(os.headers)
		return
	}
}

// orWait is once for RawConn.Read: false makes it wait.
func (r *receiver) orWait(fd uintptr) bool {
	r.once(fd)
	return r.errno != unix.EAGAIN
}

// received takes the messages of the last call apart into packets.
func (s *Socket) received(b *Batch, messages int) int {
	b.count = 0
	var bytes, dropped int
	now := time.Now().UnixNano() // the clock the kernel stamps with
	for i := range messages {
		h := &b.os.headers[i]
		from := b.os.names[i].addrPort()
		if h.Hdr.Flags&unix.MSG_TRUNC != 0 || !from.IsValid() {
			dropped++
			continue
		}
		data := b.os.slab[i*slabSize : i*slabSize+int(h.Len)]
		told := readControl(b.os.control[i][:min(int(h.Hdr.Controllen), controlSize)])
		bytes += len(data)
		dropped += b.split(data, told.segment, from, waited(now, told.stamp))
	}
	s.count.reads.Add(1)
	s.count.received.Add(uint64(b.count))
	s.count.receivedBytes.Add(uint64(bytes))
	if dropped > 0 {
		s.count.receiveDrops.Add(uint64(dropped))
	}
	return b.count
}

// ancillary is what the kernel tells beside a message.
type ancillary struct {
	segment int   // size of the datagrams it has joined; 0 if it has not joined any
	stamp   int64 // when it took the message in, wall clock in ns; 0 if it does not say
}

// readControl reads the control messages that came with a message.
func readControl(control []byte) (a ancillary) {
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(control) {
			return a
		}
		data := control[unix.CmsgLen(0):max(size, unix.CmsgLen(0))]
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			a.segment = int(int32(binary.NativeEndian.Uint32(data)))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			a.stamp = (*unix.Timespec)(unsafe.Pointer(&data[0])).Nano()
		}
		control = control[min(unix.CmsgSpace(size-unix.CmsgLen(0)), len(control)):]
	}
	return a
}

// waited is how long a message lay in the socket. The stamp is of the wall
// clock, which may be set in between: what cannot be is no time at all.
func waited(now, stamp int64) time.Duration {
	d := time.Duration(now - stamp)
	if stamp == 0 || d < 0 || d > maxWaited {
		return 0
	}
	return d
}

// kernelDrops asks how many datagrams the kernel has thrown away because the
// socket's queue was full (SO_MEMINFO, the ninth of its numbers).
func kernelDrops(fd int) uint64 {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(unsafe.Sizeof(info)) {
		return 0
	}
	return uint64(info[8])
}
