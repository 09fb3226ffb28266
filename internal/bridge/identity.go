package bridge

import (
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
)

// renewAfter is the age from which on a certificate is used for no new
// endpoint. Those who have it keep it: their clients know its fingerprint, and
// look at nothing else in it.
const renewAfter = 24 * time.Hour

// identities gives endpoints their certificate: one for all, made anew each
// day, so that a key that leaks opens little. It is safe for concurrent use.
type identities struct {
	now func() time.Time

	mu      sync.Mutex
	current *secure.Identity
}

// get returns the certificate for a new endpoint. Should it not be possible to
// make another one, the old one goes on: clients ignore the dates in it.
func (s *identities) get() (*secure.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.current != nil && now.Before(s.current.Expires().Add(renewAfter-secure.Validity)) {
		return s.current, nil
	}
	fresh, err := secure.NewIdentity(now)
	if err == nil {
		s.current = fresh
	}
	if s.current == nil {
		return nil, err
	}
	return s.current, nil
}
