//go:build !linux

package readable

import (
	"net"

	"github.com/plenum-conf/plenum/internal/mono"
)

// Set is the connections of one server: of none, on this system.
type Set struct{}

// Watch is one connection of a Set.
type Watch struct{}

// New makes a set that watches nothing.
func New() (*Set, error) { return &Set{}, nil }

// Close ends nothing.
func (s *Set) Close() {}

// Add says no.
func (s *Set) Add(net.Conn, Waiter) (*Watch, error) { return nil, ErrUnsupported }

// Arm is never called: there is no Watch.
func (w *Watch) Arm() error { return ErrUnsupported }

// Hurry is never called either.
func (w *Watch) Hurry(mono.Time) {}

// Forget is never called either.
func (w *Watch) Forget() {}
