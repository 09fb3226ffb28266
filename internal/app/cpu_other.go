//go:build !unix

package app

import "time"

// cpuTime is unknown here.
func cpuTime() time.Duration { return 0 }
