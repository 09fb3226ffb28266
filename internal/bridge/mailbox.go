package bridge

import (
	"sync"
	"sync/atomic"
)

// event is something another goroutine asks of a worker. handle runs on the
// worker's goroutine.
type event interface{ handle(w *worker) }

// mailbox is a worker's letter box: many goroutines post, one takes. It is
// not on the path of a packet that arrives at its own worker's socket.
type mailbox struct {
	mu     sync.Mutex
	items  []event
	max    int
	closed bool
	wake   func()

	batches atomic.Int32 // of packets among the letters

	// What others had to drop on the way here.
	refused atomic.Uint64 // letters that found the box full or closed
	busy    atomic.Uint64 // messages of endpoints with too many waiting
}

// post leaves ev, unless the box is full or closed. It never blocks.
func (m *mailbox) post(ev event) bool { return m.put(ev, m.max) }

// postAlways is post for events whose loss would leave state wrong for good:
// keys, answers, ownership. Their number is bounded by what endpoints exist.
func (m *mailbox) postAlways(ev event) bool { return m.put(ev, 1<<30) }

func (m *mailbox) put(ev event, max int) bool {
	m.mu.Lock()
	if m.closed || len(m.items) >= max {
		m.mu.Unlock()
		m.refused.Add(1)
		return false
	}
	first := len(m.items) == 0
	m.items = append(m.items, ev)
	m.mu.Unlock()
	if first {
		m.wake()
	}
	return true
}

// take returns all letters and leaves spare (emptied) in their place.
func (m *mailbox) take(spare []event) []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = spare[:0]
	return items
}

func (m *mailbox) pending() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items) > 0
}

// close refuses further letters and returns those nobody has read.
func (m *mailbox) close() []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	items := m.items
	m.items = nil
	return items
}
