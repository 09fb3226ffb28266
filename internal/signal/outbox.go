package signal

import (
	"sync"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// outbox is what waits to be written to one session, in order: references to
// stanzas encoded once for everybody. It is not safe for concurrent use.
//
// A newer presence of an occupant takes the place of an older one that still
// waits. Taking its place, rather than going to the end, keeps what the
// recipient may rely on: that it knows somebody before hearing from them.
// Rooms name a presence after one stay of one occupant and give the one that
// ends the stay no name, so that it is neither replaced nor jumped over.
type outbox struct {
	to     int // length of the recipient's escaped address
	urgent []*xmpp.Shared
	queue  []*xmpp.Shared
	first  int   // queue[:first] has been taken
	loan   *loan // what queue and its index are in; nil while few wait
	bytes  int   // of everything that waits
}

// loan is memory for an outbox in which many stanzas wait. Nearly all outboxes are
// empty nearly always, so that none keeps it; and in a storm all need it again and
// again, so that it is not given back to the runtime.
type loan struct {
	queue []*xmpp.Shared // while nobody has it
	own   []*xmpp.Shared // the borrower's queue meanwhile
	index map[string]int // Shared.Replaces -> place in the borrower's queue
}

var loans = sync.Pool{New: func() any {
	return &loan{queue: make([]*xmpp.Shared, 0, 8*indexFrom), index: make(map[string]int, 8*indexFrom)}
}}

const (
	// indexFrom is the length from which a queue is worth an index.
	indexFrom = 8
	// mostLent is for how many stanzas a loan may have memory, some 80 KB. Who
	// needed more leaves it to the collector: the next one would have to clear it.
	mostLent = 2048
)

// push appends a stanza and reports whether it took the place of another.
func (o *outbox) push(sh *xmpp.Shared) (replaced bool) {
	o.bytes += sh.Size("") + o.to
	if sh.Urgent {
		o.urgent = append(o.urgent, sh)
		return false
	}
	o.compact()
	if at := o.find(sh.Replaces); at >= 0 {
		o.bytes -= o.queue[at].Size("") + o.to
		o.queue[at] = sh
		return true
	}
	if len(o.queue) == indexFrom && o.loan == nil {
		o.borrow()
	}
	o.queue = append(o.queue, sh)
	o.note(len(o.queue) - 1)
	return false
}

// note enters the stanza at a place into the index, if there is one.
func (o *outbox) note(at int) {
	if name := o.queue[at].Replaces; name != "" && o.loan != nil {
		o.loan.index[name] = at
	}
}

// find returns the place of a waiting stanza of that name, -1 if there is none.
func (o *outbox) find(name string) int {
	if name == "" {
		return -1
	}
	if o.loan != nil {
		if at, ok := o.loan.index[name]; ok && at >= o.first {
			return at
		}
		return -1
	}
	for at := o.first; at < len(o.queue); at++ {
		if o.queue[at].Replaces == name {
			return at
		}
	}
	return -1
}

// borrow moves what waits into memory for more.
func (o *outbox) borrow() {
	l := loans.Get().(*loan)
	l.own, l.queue, o.queue = o.queue[:0], nil, append(l.queue, o.queue[o.first:]...)
	clear(l.own[:cap(l.own)])
	o.loan, o.first = l, 0
	for at := range o.queue {
		o.note(at)
	}
}

// giveBack ends a loan, when nothing waits any more.
func (o *outbox) giveBack() {
	l := o.loan
	l.queue, o.queue = o.queue[:0], l.own
	l.own, o.loan = nil, nil
	if cap(l.queue) <= mostLent {
		clear(l.index)
		loans.Put(l)
	}
}

// compact gives back what was taken when it is the larger part: the queue of
// a client that is always a little behind is never empty.
func (o *outbox) compact() {
	if o.first < 1024 || o.first <= len(o.queue)/2 {
		return
	}
	n := copy(o.queue, o.queue[o.first:])
	clear(o.queue[n:])
	o.queue = o.queue[:n]
	for name, at := range o.loan.index { // which there is, with so many
		if at < o.first {
			delete(o.loan.index, name)
		} else {
			o.loan.index[name] = at - o.first
		}
	}
	o.first = 0
}

// pop takes the next stanza to write, nil if nothing waits.
func (o *outbox) pop() *xmpp.Shared {
	var sh *xmpp.Shared
	switch {
	case len(o.urgent) > 0:
		sh = o.urgent[0]
		o.urgent[0] = nil
		o.urgent = o.urgent[1:]
	case o.first < len(o.queue):
		sh = o.queue[o.first]
		o.queue[o.first] = nil
		o.first++
	default:
		return nil
	}
	o.bytes -= sh.Size("") + o.to
	if o.first == len(o.queue) {
		o.rewind()
	}
	return sh
}

// rewind makes an emptied queue begin at its beginning.
func (o *outbox) rewind() {
	o.queue, o.first = o.queue[:0], 0
	if o.loan != nil {
		o.giveBack()
	}
	if len(o.urgent) == 0 {
		o.urgent = nil
	}
}

// empty reports whether nothing waits.
func (o *outbox) empty() bool { return len(o.urgent) == 0 && o.first == len(o.queue) }

// waiting returns how many stanzas wait.
func (o *outbox) waiting() int { return len(o.urgent) + len(o.queue) - o.first }

// putBack puts stanzas that must be sent again in front of those that wait.
func (o *outbox) putBack(again []*xmpp.Shared) {
	rest := *o
	*o = outbox{to: o.to}
	for _, sh := range again {
		o.push(sh)
	}
	for sh := rest.pop(); sh != nil; sh = rest.pop() {
		o.push(sh)
	}
}
