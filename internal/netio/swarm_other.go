//go:build !linux

package netio

import (
	"errors"
	"net/netip"
	"time"
)

// Swarm is many UDP sockets that one goroutine serves; on this system there is
// none.
type Swarm struct{}

// Member is one socket of a swarm.
type Member struct{ Owner any }

// NewSwarm fails: load is generated on Linux only.
func NewSwarm(Config) (*Swarm, error) {
	return nil, errors.New("many sockets in one poll are implemented on Linux only")
}

// Open is never called: there is no swarm.
func (*Swarm) Open(netip.AddrPort) (*Member, error) { panic("no swarm") }

// Wait is never called: there is no swarm.
func (*Swarm) Wait(time.Duration) (int, error) { panic("no swarm") }

// Ready is never called: there is no swarm.
func (*Swarm) Ready(int) *Member { panic("no swarm") }

// Wake is never called: there is no swarm.
func (*Swarm) Wake() {}

// Close is never called: there is no swarm.
func (*Swarm) Close() {}

// LocalAddr is never called: there is no member.
func (*Member) LocalAddr() netip.AddrPort { return netip.AddrPort{} }

// Close is never called: there is no member.
func (*Member) Close() {}

// Read is never called: there is no member.
func (*Member) Read(*Batch) int { return 0 }

// Buffer is never called: there is no member.
func (*Member) Buffer(int, netip.AddrPort) []byte { panic("no swarm") }

// Commit is never called: there is no member.
func (*Member) Commit(int) {}

// Flush is never called: there is no member.
func (*Member) Flush() {}

// WriteTo is never called: there is no member.
func (*Member) WriteTo([]byte, netip.AddrPort) error { return errors.ErrUnsupported }

// KernelDrops is never called: there is no member.
func (*Member) KernelDrops() uint64 { return 0 }
