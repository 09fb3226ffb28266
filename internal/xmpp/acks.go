package xmpp

// Acks is the counting half of XEP-0198 for one session: what the client has
// confirmed and what would have to be sent again. Both counters run modulo
// 2^32. The zero Acks counts nothing until Enable is called.
type Acks struct {
	enabled bool
	in      uint32 // stanzas of the client we have handled
	acked   uint32 // stanzas of ours the client has handled
	queue   []*Shared
	first   int // queue[:first] is acknowledged
	bytes   int
	to      string
}

// Enable starts counting. to is the session's escaped full JID, needed to know
// how long a stanza is.
func (a *Acks) Enable(to string) { a.enabled, a.to = true, to }

// Enabled reports whether stanzas are counted.
func (a *Acks) Enabled() bool { return a.enabled }

// Received counts one stanza of the client as handled.
func (a *Acks) Received() {
	if a.enabled {
		a.in++
	}
}

// In returns how many of the client's stanzas were handled.
func (a *Acks) In() uint32 { return a.in }

// Sent remembers a stanza that is being put on the wire.
func (a *Acks) Sent(sh *Shared) {
	if a.enabled {
		a.queue = append(a.queue, sh)
		a.bytes += sh.Size(a.to)
	}
}

// Pending returns how many stanzas, and bytes, wait for acknowledgement.
func (a *Acks) Pending() (stanzas, bytes int) { return len(a.queue) - a.first, a.bytes }

// Ack takes the client's count. A count that goes back, or beyond what was
// sent, is a stream error (XEP-0198 §4).
func (a *Acks) Ack(h uint32) error {
	n := h - a.acked
	if pending := len(a.queue) - a.first; uint64(n) > uint64(pending) {
		return &StreamError{Condition: "undefined-condition", Text: "acknowledged more stanzas than were sent"}
	}
	for range n {
		sh := a.queue[a.first]
		a.bytes -= sh.Size(a.to)
		a.queue[a.first] = nil
		a.first++
	}
	a.acked = h
	a.compact()
	return nil
}

// compact gives back the acknowledged part when it is the larger one. Memory for
// more than a few stanzas is kept only while it is needed: most sessions are silent
// most of the time, and in a storm each is told much again and again.
func (a *Acks) compact() {
	if a.first == len(a.queue) {
		if cap(a.queue) > 8 && len(a.queue) < cap(a.queue)/4 {
			a.queue = nil
		}
		a.queue, a.first = a.queue[:0], 0
	} else if a.first > 64 && a.first > len(a.queue)/2 {
		n := copy(a.queue, a.queue[a.first:])
		clear(a.queue[n:])
		a.queue, a.first = a.queue[:n], 0
	}
}

// Unsent takes back everything not acknowledged, oldest first, to be sent (and
// counted) again on a resumed stream.
func (a *Acks) Unsent() []*Shared {
	out := append([]*Shared(nil), a.queue[a.first:]...)
	a.queue, a.first, a.bytes = nil, 0, 0
	return out
}
