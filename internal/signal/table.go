package signal

import (
	"hash/maphash"
	"sync"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// sessions finds sessions by address and by resumption id. It is split into
// shards so that a storm of connections does not queue for one lock.
type sessions struct {
	seed   maphash.Seed
	shards [32]shard
}

type shard struct {
	mu     sync.RWMutex
	byJID  map[xmpp.JID]*session
	bySMID map[string]*session
}

func newSessions() *sessions {
	t := &sessions{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].byJID = make(map[xmpp.JID]*session)
		t.shards[i].bySMID = make(map[string]*session)
	}
	return t
}

func (t *sessions) shard(key string) *shard {
	return &t.shards[maphash.String(t.seed, key)%uint64(len(t.shards))]
}

func (t *sessions) add(s *session) {
	sh := t.shard(s.jid.Local)
	sh.mu.Lock()
	sh.byJID[s.jid] = s
	sh.mu.Unlock()
}

// index lets a session be found by its resumption id.
func (t *sessions) index(s *session, smID string) {
	sh := t.shard(smID)
	sh.mu.Lock()
	sh.bySMID[smID] = s
	sh.mu.Unlock()
}

func (t *sessions) remove(s *session) {
	sh := t.shard(s.jid.Local)
	sh.mu.Lock()
	delete(sh.byJID, s.jid)
	sh.mu.Unlock()
	if s.smID != "" {
		sh = t.shard(s.smID)
		sh.mu.Lock()
		delete(sh.bySMID, s.smID)
		sh.mu.Unlock()
	}
}

// byJID returns the session bound to a full address, nil if there is none.
func (t *sessions) byJID(j xmpp.JID) *session {
	sh := t.shard(j.Local)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.byJID[j]
}

// bySMID returns the session of a resumption id, nil if there is none. Ids are
// random: comparing their hash first tells a guesser nothing.
func (t *sessions) bySMID(id string) *session {
	if id == "" {
		return nil
	}
	sh := t.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.bySMID[id]
}

// all returns every session.
func (t *sessions) all() []*session {
	var list []*session
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		for _, s := range sh.byJID {
			list = append(list, s)
		}
		sh.mu.RUnlock()
	}
	return list
}

// stopTimers ends hibernation clocks when the process ends.
// count returns how many there are.
func (t *sessions) count() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += len(s.byJID)
		s.mu.RUnlock()
	}
	return n
}

func (t *sessions) stopTimers() {
	for _, s := range t.all() {
		s.mu.Lock()
		if s.expiry != nil {
			s.expiry.Stop()
		}
		s.mu.Unlock()
	}
}
