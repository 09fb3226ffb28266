// Package netio is the ground the media path stands on: UDP sockets that
// receive and send in batches, with the kernel's offloads where they exist.
//
// The main type is [Socket]. A worker of the bridge (or of the load
// generator) owns one: it alone calls Read, SetDeadline, Gather, Waited,
// Buffer, Commit, Pending, Flush and Flushes, and so none of those takes a lock.
// Wake, WriteTo (which takes one), LocalAddr, Stats and Close may be called from
// any goroutine.
//
// # Ownership of memory
//
// What [Socket.Read] puts into a [Batch] lies in the batch's memory and is
// valid until the next Read into the same batch; the reader may overwrite it
// in place. What [Socket.Buffer] returns lies in the socket's send arena and
// belongs to the caller until the next Buffer or Flush. Nothing is allocated
// per packet or per batch. Batches and arenas begin small and double, when they
// are empty, after they were full, up to [MaxMemory] together; they do not
// shrink.
//
// # Offload
//
// On Linux one system call receives many datagrams (recvmmsg) and one call
// sends many (sendmmsg). With UDP_GRO the kernel hands over runs of datagrams
// of one sender as one piece, which Read takes apart again; with UDP_SEGMENT
// (GSO) a run of datagrams to one destination travels down the stack as one.
// Datagrams are grouped by destination at Flush, whatever order they were
// written in; their order per destination is kept. A kernel or a device that
// refuses an offload costs speed and nothing else.
//
// # Time
//
// The kernel stamps what it takes in (SO_TIMESTAMPNS), and [Packet.Waited] says
// how long a datagram then lay in the queue, so that a reader which is late
// shows in what it measures. Stamps are of the wall clock: nobody outside sees
// them, and around a change of the clock nothing is said rather than nonsense.
// [Alarm] sleeps for less than the runtime's millisecond.
//
// # Waking up
//
// A reader that waits is woken by the runtime's poller, for which a datagram
// that comes alone costs some 20 us: more than anything a server that is at
// rest does with it. So there is a gate between the poller and a socket (package
// gate), which is shut while [Socket.Gather] lets datagrams wait for a timer. What
// waits has to fit into the kernel's queue.
//
// Elsewhere a plain implementation with the same contract is built, for
// development only.
//
// # Limits
//
// Queues are the kernel's and are bounded by Config.ReadBuffer and
// Config.WriteBuffer; the send arena is bounded by Config.Arena. A send that
// would block is dropped and counted: media that waits is worth nothing. A
// wildcard socket answers from the address that routing chooses, so a host
// whose secondary addresses must be reachable binds to one address.
//
// The package must never look into a datagram.
package netio
