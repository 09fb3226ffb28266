package focus

import "sync"

// maxMail bounds a mailbox, in events. A conference handles some hundred
// thousand events a second; one that is this far behind is beyond help.
const maxMail = 1 << 16

// mailbox hands events to the one goroutine that reads it. Posting never
// blocks.
type mailbox[E any] struct {
	wake   chan struct{} // holds one token while there is mail
	mu     sync.Mutex
	mail   []E
	closed bool
}

func newMailbox[E any]() *mailbox[E] { return &mailbox[E]{wake: make(chan struct{}, 1)} }

// post reports false when the mailbox is closed or full.
func (m *mailbox[E]) post(ev E) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.mail) >= maxMail {
		return false
	}
	m.mail = append(m.mail, ev)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns everything that waits.
func (m *mailbox[E]) take() []E {
	m.mu.Lock()
	defer m.mu.Unlock()
	mail := m.mail
	m.mail = nil
	return mail
}

// close refuses further mail and returns what waits.
func (m *mailbox[E]) close() []E {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	return m.take()
}
