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
	called bool // the worker has been woken for what is in it
	calm   *atomic.Bool
	wake   func()

	batches atomic.Int32 // of packets among the letters

	// What others had to drop on the way here.
	refused atomic.Uint64 // letters that found the box full or closed
	busy    atomic.Uint64 // messages of endpoints with too many waiting
}

// post leaves ev, unless the box is full or closed. It never blocks.
func (m *mailbox) post(ev event) bool { return m.put(ev, m.max, false) }

// postCalmly is post for events for which a worker that lets datagrams gather is
// not woken: it sees them when it looks for those.
func (m *mailbox) postCalmly(ev event) bool { return m.put(ev, m.max, true) }

// postAlways is post for events whose loss would leave state wrong for good:
// keys, answers, ownership. Their number is bounded by what endpoints exist.
func (m *mailbox) postAlways(ev event) bool { return m.put(ev, 1<<30, false) }

// put wakes the worker once for all that it has not taken. That it is calm is
// looked at when ev is in the box: one that stops being calm looks into the box
// after that and before it waits.
func (m *mailbox) put(ev event, max int, calmly bool) bool {
	m.mu.Lock()
	if m.closed || len(m.items) >= max {
		m.mu.Unlock()
		m.refused.Add(1)
		return false
	}
	m.items = append(m.items, ev)
	call := !m.called && !(calmly && m.calm.Load())
	m.called = m.called || call
	m.mu.Unlock()
	if call {
		m.wake()
	}
	return true
}

// take returns all letters and leaves spare (emptied) in their place.
func (m *mailbox) take(spare []event) []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items, m.called = spare[:0], false
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
