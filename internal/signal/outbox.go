package signal

import "github.com/plenum-conf/plenum/internal/xmpp"

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
	first  int            // queue[:first] has been taken
	index  map[string]int // Shared.Replaces -> place in queue; nil while that is short
	bytes  int            // of everything that waits
}

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
	if sh.Replaces != "" && o.index != nil {
		o.index[sh.Replaces] = len(o.queue)
	}
	o.queue = append(o.queue, sh)
	return false
}

// indexFrom is the length from which a queue is worth an index.
const indexFrom = 8

// find returns the place of a waiting stanza of that name, -1 if there is none.
func (o *outbox) find(name string) int {
	switch {
	case name == "":
		return -1
	case o.index == nil && len(o.queue) < indexFrom:
		for at := o.first; at < len(o.queue); at++ {
			if o.queue[at].Replaces == name {
				return at
			}
		}
		return -1
	case o.index == nil:
		o.index = make(map[string]int)
		for at := o.first; at < len(o.queue); at++ {
			if has := o.queue[at].Replaces; has != "" {
				o.index[has] = at
			}
		}
	}
	if at, ok := o.index[name]; ok && at >= o.first {
		return at
	}
	return -1
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
	for name, at := range o.index {
		if at < o.first {
			delete(o.index, name)
		} else {
			o.index[name] = at - o.first
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

// rewind reuses the memory of a queue that has been emptied, unless it is more
// than a session should hold while nothing happens.
func (o *outbox) rewind() {
	o.queue, o.first, o.index = o.queue[:0], 0, nil
	if cap(o.queue) > 8 {
		o.queue = nil
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
