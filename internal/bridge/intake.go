package bridge

import (
	"net/netip"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
)

// Intake. Most of a turn is the system call that sends what came of it, and a
// turn under load is that of many packets: if all of it left together at the
// end, the first packet of a read would wait until the last one's copies are
// sent. What makes it worth to wait at all are runs, datagrams to one receiver
// that the kernel takes as one; and no run goes beyond a conference. So what a
// read has brought is handled conference by conference, and what came of one
// goes out before the next one's turn, if it is [muchWaiting]. Runs are as long
// as they would be at the end of the turn.
//
// A conference so large that its packets fill a turn gains nothing: it would
// lose its runs. To flush after so many copies, whosever they are, took 13 %
// more CPU for each packet with 300 people and 30 cameras in a room (256 copies,
// mean run 1.28 to 1.03), and 2 to 3 % more with ten rooms of 40 (64 copies).

// muchWaiting is how many datagrams are flushed before the next conference's
// packets are handled. Added delay in ms, p50 and p99, with one core 80 to 85 %
// busy; each line is one server that changed its bound every 200 ms, and the
// medians of these. CPU per packet was the same to 1 %, which is less than could
// be told from noise.
//
//	                  none        64          32          16          8           1
//	66 rooms of 10    0.54 2.01   0.55 1.92   0.44 1.71   0.34 1.49
//	                  0.44 1.86                           0.27 1.09   0.27 1.21   0.31 1.58
//	10 rooms of 40    0.51 1.81   0.48 1.38   0.42 1.35   0.43 1.51
//	300 in one room   2.02 4.95                           1.99 5.02
//
// With a core 53 % busy, 66 rooms of 10 had 0.19 0.68 with 16, 0.17 0.66 with 8, and
// 1.3 % more CPU with 8.
const muchWaiting = 16

// intake is the order in which the packets of a read are handled.
type intake struct {
	first  []int32 // packet of each conference, in the order in which they came
	next   []int32 // by packet: the next one of its conference, -1 after the last
	reads  uint64
	nobody thread      // packets of nobody who is known
	owners []*endpoint // by packet, nil for nobody; of what has gathered only
}

// thread is the packets of one conference in a read.
type thread struct {
	read uint64 // by its number, which it is of
	last int32
}

// begin forgets the last read. A read brings so many packets at most.
func (in *intake) begin(most int) {
	if len(in.next) < most {
		in.first, in.next, in.owners = make([]int32, 0, most), make([]int32, most), make([]*endpoint, 0, most)
	}
	in.first, in.owners = in.first[:0], in.owners[:0]
	in.reads++
}

// forget lets go of everybody the last read was from.
func (in *intake) forget() { clear(in.owners[:cap(in.owners)]) }

// add puts the next packet at the end of a thread.
func (in *intake) add(i int32, t *thread) {
	in.next[i] = -1
	if t.read == in.reads {
		in.next[t.last] = i
	} else {
		t.read = in.reads
		in.first = append(in.first, i)
	}
	t.last = i
}

// arrange orders the first n packets of the last read by conference. Who comes
// to an address while they are handled changes nothing: what comes from one
// address stays in order. What has gathered (gather.go) is in no hurry, and stays
// as it came.
func (w *worker) arrange(n int) {
	w.intake.begin(len(w.in.Packets))
	var from netip.AddrPort
	t := &w.intake.nobody
	if w.gathering.now {
		w.findOwners(n)
	}
	for i := range n {
		if addr := w.in.Packets[i].Addr; addr != from && !w.gathering.now { // else one of a run that the kernel joined
			from, t = addr, w.threadOf(addr)
		}
		w.intake.add(int32(i), t)
	}
}

func (w *worker) threadOf(addr netip.AddrPort) *thread {
	if ep := w.byAddr[addr]; ep != nil {
		return &ep.c.thread
	}
	return &w.intake.nobody
}

// takeIn handles the n packets of a read, and sends what came of them but for the
// last conference, which may go with what else the turn sends.
func (w *worker) takeIn(n int) {
	w.arrange(n)
	taken := 0
	for _, first := range w.intake.first {
		if taken > 0 && w.sock.Pending() >= muchWaiting {
			w.now = w.sendOut()
		}
		for i := first; i >= 0; i = w.intake.next[i] {
			if taken++; taken%packetsPerClock == 0 {
				w.now = mono.Now()
			}
			w.fetchAhead(int(i))
			w.takeOne(&w.in.Packets[i])
		}
	}
}

func (w *worker) takeOne(p *netio.Packet) {
	w.count.inc(cPacketsIn)
	w.count.add(cBytesIn, uint64(len(p.Data)))
	w.arrive(p.Addr, p.Data, false, w.read.Add(-p.Waited))
}
