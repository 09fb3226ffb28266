package signal

import (
	"sync"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// eventKind says what a room's event is.
type eventKind uint8

const (
	evStanza  eventKind = iota // a stanza to the room or an occupant
	evService                  // a stanza to a room service
	evGone                     // a session or service is no more
	evCall                     // run a function on the room's goroutine
)

// event is one thing that happens to a room.
type event struct {
	kind eventKind
	from sender
	st   xmpp.Stanza
	host string // evService: the service's address; evGone: the status text
	call func(*room)
}

// mailbox is the bounded queue in front of a room. Clients wait when it is
// full, which stops the reading of their sockets; what cannot wait may exceed
// the limit a while.
type mailbox struct {
	mu     sync.Mutex
	space  sync.Cond
	work   sync.Cond
	queue  []event
	limit  int
	closed bool
}

// hardLimit is how many times the limit those who do not wait may fill.
const hardLimit = 16

func newMailbox(limit int) *mailbox {
	m := &mailbox{limit: max(limit, 1)}
	m.space.L, m.work.L = &m.mu, &m.mu
	return m
}

// put appends an event; false means that the room is no more, or that the
// caller would have to wait and must not.
func (m *mailbox) put(ev event, wait bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for wait && len(m.queue) >= m.limit && !m.closed {
		m.space.Wait()
	}
	tooMany := len(m.queue) >= hardLimit*m.limit && ev.kind != evGone
	if m.closed || tooMany {
		return false
	}
	m.queue = append(m.queue, ev)
	m.work.Signal()
	return true
}

// take waits for events and swaps them for the (empty) memory of buf. False
// means that the mailbox is closed.
func (m *mailbox) take(buf []event) ([]event, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.queue) == 0 && !m.closed {
		m.work.Wait()
	}
	out := m.queue
	m.queue = buf
	m.space.Broadcast()
	return out, !m.closed
}

// close refuses further events and returns those that were not taken.
func (m *mailbox) close() []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	left := m.queue
	m.queue = nil
	m.space.Broadcast()
	m.work.Broadcast()
	return left
}
