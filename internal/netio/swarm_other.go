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

// The methods of both are never called.
func (*Swarm) Open(netip.AddrPort) (*Member, error)  { panic("no swarm") }
func (*Swarm) Wait(time.Duration) (int, error)       { panic("no swarm") }
func (*Swarm) Ready(int) *Member                     { panic("no swarm") }
func (*Swarm) Wake()                                 {}
func (*Swarm) Close()                                {}
func (*Member) LocalAddr() netip.AddrPort            { return netip.AddrPort{} }
func (*Member) Close()                               {}
func (*Member) Read(*Batch) int                      { return 0 }
func (*Member) Buffer(int, netip.AddrPort) []byte    { panic("no swarm") }
func (*Member) Commit(int)                           {}
func (*Member) Flush()                               {}
func (*Member) WriteTo([]byte, netip.AddrPort) error { return errors.ErrUnsupported }
