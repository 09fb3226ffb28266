package netio

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Limits and defaults.
const (
	// MaxDatagram is the largest UDP payload that IPv4 can carry, in bytes.
	MaxDatagram = 65_507
	// DefaultReadBuffer is what is asked of the kernel for each socket's
	// receive queue, in bytes.
	DefaultReadBuffer = 10 << 20
	// DefaultWriteBuffer is the same for the send queue, in bytes.
	DefaultWriteBuffer = 4 << 20
	// DefaultArena is what a socket's send arena may grow to, in bytes: about
	// 800 video packets.
	DefaultArena = 1 << 20
	// DefaultMessages is a good number of messages for NewBatch.
	DefaultMessages = 32
	// MaxMemory is what a socket and its reader's batch of DefaultMessages take
	// on the heap at most, in bytes, with DefaultArena. They begin with less
	// than a thirtieth of it.
	MaxMemory = 4 << 20

	minArena = 2 * 65_536

	// A run is at most what every kernel with UDP_SEGMENT takes: 64 segments,
	// and a total that fits one IP packet.
	maxRunSegments = 64
	maxRunBytes    = 65_000

	// maxWaited is the longest time in a socket's queue that is believed.
	maxWaited = time.Minute
)

// Config says what to listen on.
type Config struct {
	// Addr is the address to bind to. An unspecified IPv6 address listens on
	// both families (or on IPv4 alone where IPv6 is missing). Port 0 lets the
	// kernel choose one port for all sockets.
	Addr netip.AddrPort
	// Sockets is how many sockets share the port (SO_REUSEPORT), normally one
	// a worker; 0 means 1. The kernel spreads senders over them by a hash of
	// addresses and ports, so that one sender always lands on one socket.
	Sockets int
	// ReadBuffer and WriteBuffer are the kernel's queue sizes in bytes; 0
	// means the defaults above. What the kernel granted is in Stats.
	ReadBuffer, WriteBuffer int
	// Arena is what the send arena may grow to, in bytes; 0 means DefaultArena.
	Arena int
	// NoOffload turns UDP_GRO and UDP_SEGMENT off.
	NoOffload bool
}

func (c Config) withDefaults() Config {
	c.Sockets = max(c.Sockets, 1)
	if c.ReadBuffer <= 0 {
		c.ReadBuffer = DefaultReadBuffer
	}
	if c.WriteBuffer <= 0 {
		c.WriteBuffer = DefaultWriteBuffer
	}
	if c.Arena <= 0 {
		c.Arena = DefaultArena
	}
	c.Arena = max(c.Arena, minArena)
	return c
}

// Packet is one received datagram.
type Packet struct {
	// Data is the payload, in the batch's memory; its capacity ends with it.
	Data []byte
	// Addr is the sender. IPv4 addresses are plain IPv4, never mapped into
	// IPv6, and zones are dropped.
	Addr netip.AddrPort
	// Waited is how long it had been in the socket's queue when Read returned,
	// 0 where the kernel does not say. The datagrams of a run that the kernel
	// has joined (UDP_GRO) share one stamp, taken when the run was complete.
	Waited time.Duration
}

// Batch is memory for one Read. It belongs to one reader at a time.
type Batch struct {
	// Packets holds what the last Read returned, in its first n entries.
	Packets []Packet
	// Stamps says, after [Member.Read] only, when the kernel got each of the
	// packets: nanoseconds since 1970 on the wall clock, 0 if it did not say.
	Stamps []int64
	count  int
	most   int // messages it may grow to
	os     batchOS
}

// NewBatch makes a batch that takes up to this many messages from the kernel
// in one call; with UDP_GRO each may hold up to 64 datagrams, and so takes
// about 70 KB. The batch begins with memory for one, and takes twice as many
// at the next Read when a Read has filled it: a machine may have many cores,
// and with them readers, that have little to do.
func NewBatch(messages int) *Batch {
	b := &Batch{most: min(max(messages, 1), 1024)}
	b.allocate(1)
	return b
}

// allocate gives the batch new memory, for so many messages. What is in the
// old is left to those who still look at it.
func (b *Batch) allocate(messages int) {
	b.Packets = make([]Packet, messages*maxRunSegments)
	b.os.init(messages)
}

// split adds the datagrams of one received message: data is one datagram, or
// with 0 < segment < len(data) a run of them that all have that size except
// perhaps the last. It returns how many did not fit.
func (b *Batch) split(data []byte, segment int, from netip.AddrPort, waited time.Duration) (dropped int) {
	if segment <= 0 || segment > len(data) {
		segment = len(data)
	}
	for len(data) > 0 {
		n := min(segment, len(data))
		if b.count < len(b.Packets) {
			b.Packets[b.count] = Packet{Data: data[:n:n], Addr: from, Waited: waited}
			b.count++
		} else {
			dropped++
		}
		data = data[n:]
	}
	return dropped
}

// Stats counts what a socket has done since it was opened.
type Stats struct {
	Local         netip.AddrPort `json:"local"`
	ReadBuffer    int            `json:"read_buffer"`  // bytes granted by the kernel
	WriteBuffer   int            `json:"write_buffer"` // bytes granted by the kernel
	GRO           bool           `json:"gro"`
	Stamps        bool           `json:"stamps"` // the kernel says when it took datagrams in
	GSO           bool           `json:"gso"`    // false while paused after a refusal
	Reads         uint64         `json:"reads"`
	Received      uint64         `json:"received"`       // datagrams
	ReceivedBytes uint64         `json:"received_bytes"` // payload
	ReceiveDrops  uint64         `json:"receive_drops"`  // truncated, or more than a batch holds
	KernelDrops   uint64         `json:"kernel_drops"`   // receive queue was full
	Flushes       uint64         `json:"flushes"`
	Messages      uint64         `json:"messages"` // handed to the kernel; Sent / Messages is the mean run
	Sent          uint64         `json:"sent"`     // datagrams
	SentBytes     uint64         `json:"sent_bytes"`
	FullDrops     uint64         `json:"full_drops"`  // send queue was full
	ErrorDrops    uint64         `json:"error_drops"` // unreachable, too long, not permitted
	GSORefused    uint64         `json:"gso_refused"` // runs that had to be sent one by one
	Wakes         uint64         `json:"wakes"`
}

// MeanRun is how many datagrams one message to the kernel held on average
// since an earlier snapshot (Stats{} for the beginning), 0 if none was sent.
// A run of four costs half of four sends, a run of eight a third.
func (s Stats) MeanRun(then Stats) float64 {
	if s.Messages == then.Messages {
		return 0
	}
	return float64(s.Sent-then.Sent) / float64(s.Messages-then.Messages)
}

// counters are written by the owner and read by anybody.
type counters struct {
	reads, received, receivedBytes, receiveDrops atomic.Uint64
	flushes, messages, sent, sentBytes           atomic.Uint64
	fullDrops, errorDrops, gsoRefused, wakes     atomic.Uint64
	readBuffer, writeBuffer                      atomic.Int64
	gro, gso, stamps                             atomic.Bool
}

func (c *counters) stats() Stats {
	return Stats{
		ReadBuffer: int(c.readBuffer.Load()), WriteBuffer: int(c.writeBuffer.Load()),
		GRO: c.gro.Load(), GSO: c.gso.Load(), Stamps: c.stamps.Load(),
		Reads: c.reads.Load(), Received: c.received.Load(), ReceivedBytes: c.receivedBytes.Load(),
		ReceiveDrops: c.receiveDrops.Load(),
		Flushes:      c.flushes.Load(), Messages: c.messages.Load(), Sent: c.sent.Load(),
		SentBytes: c.sentBytes.Load(), FullDrops: c.fullDrops.Load(), ErrorDrops: c.errorDrops.Load(),
		GSORefused: c.gsoRefused.Load(), Wakes: c.wakes.Load(),
	}
}

// The states of a reader as Wake sees it.
const (
	stateRunning  int32 = iota // not in a blocking Read; it will look at its mailbox first
	stateSleeping              // in a blocking Read, or about to be
	stateWoken                 // the next blocking Read returns at once
)

// sleeper is the part of a socket that decides how long a Read may wait. See
// [Socket.Wake] for why no wake is lost.
type sleeper struct {
	state    atomic.Int32
	deadline time.Time // owner's; zero means none
	poll     bool      // owner's: do not wait at all
	gather   bool      // owner's: datagrams are no reason to end a wait
	waited   bool      // owner's: the last Read did
}

// setDeadline starts a new turn of the owner.
func (w *sleeper) setDeadline(d time.Duration) {
	w.state.Store(stateRunning)
	w.poll, w.gather = d < 0, false
	w.deadline = time.Time{}
	if d > 0 {
		w.deadline = time.Now().Add(d)
	}
}

// fallAsleep reports whether the owner may block; false if it was woken
// meanwhile.
func (w *sleeper) fallAsleep() bool {
	return w.state.CompareAndSwap(stateRunning, stateSleeping) || w.state.Load() == stateSleeping
}

// wake reports whether the owner may be blocked and has to be interrupted.
func (w *sleeper) wake() bool {
	return w.state.Swap(stateWoken) == stateSleeping
}
