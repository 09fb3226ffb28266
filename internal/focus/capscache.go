package focus

import (
	"container/list"
	"sync"
)

// capsKey names a set of capabilities as a presence does (XEP-0115 §4).
type capsKey struct{ node, ver string }

// capsCache remembers the features of client versions, the most recently used
// ones. It is shared by all conferences and safe for concurrent use. Only
// answers whose hash is right may be put in: otherwise one client could spoil
// the offers of all others.
type capsCache struct {
	mu    sync.Mutex
	limit int
	order *list.List // of capsEntry, most recently used first
	byKey map[capsKey]*list.Element
}

type capsEntry struct {
	key      capsKey
	features features
}

func newCapsCache(limit int) *capsCache {
	return &capsCache{limit: max(limit, 1), order: list.New(), byKey: make(map[capsKey]*list.Element)}
}

func (c *capsCache) get(key capsKey) (features, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.byKey[key]
	if !ok {
		return 0, false
	}
	c.order.MoveToFront(el)
	return el.Value.(capsEntry).features, true
}

func (c *capsCache) put(key capsKey, f features) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byKey[key]; ok {
		el.Value = capsEntry{key, f}
		c.order.MoveToFront(el)
		return
	}
	c.byKey[key] = c.order.PushFront(capsEntry{key, f})
	if c.order.Len() > c.limit {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.byKey, last.Value.(capsEntry).key)
	}
}

func (c *capsCache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
