//go:build !amd64 && !arm64

package bridge

import "unsafe"

// prefetch and prefetch3 would make later reads from p faster on other processors.
func prefetch(unsafe.Pointer) {}

func prefetch3(unsafe.Pointer) {}
