package bridge

import (
	"github.com/plenum-conf/plenum/internal/mono"
)

// closing numbers what is forwarded of a stream so that nothing of what was
// left out on purpose looks like a loss, while what was lost still does. A
// number is never given to two packets: under one key that would break the
// cipher.
type closing struct {
	begun   bool
	resumed bool   // something was left out since the newest packet with a number
	newest  uint16 // of the packets that came
	closed  uint16 // up to here nothing more gets a number
	dropped uint16 // how many numbers were closed up
}

// maxReorder is how many packets late one may be and still get its number.
const maxReorder = 1024

func (c *closing) begin(seq uint16) {
	if !c.begun {
		c.begun, c.newest, c.closed = true, seq-1, seq-1
	}
}

// leaveOut closes up the number of a packet, and those of what was missing
// before it. False means that the packet was late: others behind it have got
// their numbers, and its own stays unused.
func (c *closing) leaveOut(seq uint16) bool {
	c.begin(seq)
	n := seq - c.newest
	if int16(n) <= 0 {
		return false
	}
	c.dropped += n
	c.newest, c.closed, c.resumed = seq, seq, true
	return true
}

// number gives a packet its number, and tells whether it is the first one
// after some that were left out. False means that it is too late to have one.
func (c *closing) number(seq uint16) (n uint16, first, ok bool) {
	c.begin(seq)
	if int16(seq-c.closed) <= 0 {
		return 0, false, false
	}
	if int16(seq-c.newest) > 0 {
		c.newest = seq
		first, c.resumed = c.resumed, false
	}
	if c.newest-c.closed > maxReorder {
		c.closed = c.newest - maxReorder
	}
	return seq - c.dropped, first, true
}

// reopen takes back that all packets from seq on were left out, as they were
// without an exception.
func (c *closing) reopen(seq uint16) {
	n := c.newest - seq + 1
	c.dropped -= n
	c.newest -= n
	c.closed = c.newest
}

// kept is the last packets of an audio source that is not being forwarded: if
// it turns out that a word has begun in them they are sent after all. It takes
// some packets to tell a word from a click, and who is louder from who is not;
// just as many are kept, 60 ms of what nearly all clients send. That is no
// more than receivers make up for within a second by playing a little faster,
// and they have to: what is kept for longer is delay for who listens.
//
// The memory is a few hundred bytes a source, and is used again.
type kept struct {
	packets [keptPackets]keptPacket
	n       int // the newest n of packets hold something
	next    int
}

type keptPacket struct {
	raw []byte
	seq uint16
	at  mono.Time
}

// add copies a packet, decrypted and newer than all before.
func (k *kept) add(raw []byte, seq uint16, now mono.Time) {
	p := &k.packets[k.next]
	p.raw = append(p.raw[:0], raw...)
	p.seq, p.at = seq, now
	k.next = (k.next + 1) % keptPackets
	k.n = min(k.n+1, keptPackets)
}

func (k *kept) clear() { k.n = 0 }

// oldest returns the oldest packet that is recent enough, and lets go of those
// that are not; nil if there is none.
func (k *kept) oldest(now mono.Time) *keptPacket {
	for ; k.n > 0; k.n-- {
		p := &k.packets[(k.next+keptPackets-k.n)%keptPackets]
		if now.Sub(p.at) <= keptFor {
			return p
		}
	}
	return nil
}
