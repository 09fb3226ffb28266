//go:build amd64 || arm64

package bridge

import "unsafe"

// prefetch asks the processor to fetch the cache line at p, and does not wait for
// it. It reads nothing: p may be any address, nil as well.
//
//go:noescape
func prefetch(p unsafe.Pointer)

// prefetch3 is prefetch of three lines.
//
//go:noescape
func prefetch3(p unsafe.Pointer)
