package bridge

import (
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// TestIdentities: a certificate serves for a day.
func TestIdentities(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := identities{now: func() time.Time { return now }}
	get := func() *secure.Identity {
		id, err := s.get()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := get()
	now = now.Add(renewAfter - time.Second)
	if get() != first {
		t.Error("renewed too early")
	}
	now = now.Add(time.Second)
	second := get()
	if second == first || second.Fingerprint() == first.Fingerprint() || !second.Expires().After(now) {
		t.Errorf("%s expires at %v, now is %v", second.Fingerprint(), second.Expires(), now)
	}
}

// TestIdentityStays: an endpoint keeps the certificate that its client was
// told, also in an ICE restart a day later; a new one gets the new one.
func TestIdentityStays(t *testing.T) {
	n := newBench(t, 1, srtp.AEADAES128GCM)
	ep := n.sender
	before := ep.localTransport().Fingerprint.Value
	n.w.b.identities.now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	ep.connected = n.w.now
	if after := ep.restartICE().Fingerprint.Value; after != before {
		t.Errorf("%s has become %s", before, after)
	}
	m := create("eeeeeeee")
	if got := newEndpoint(ep.c, &m).localTransport().Fingerprint.Value; got == before {
		t.Error("a new endpoint got the old certificate")
	}
}

// fingerprint is that of the present certificate.
func (r *rig) fingerprint() string {
	id, err := r.identities.get()
	if err != nil {
		r.t.Fatal(err)
	}
	return id.Fingerprint()
}
