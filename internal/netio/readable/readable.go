package readable

import "errors"

// Waiter is told that its connection can be read: there are bytes, the end, or
// an error. It may be told so without need. Readable must not block.
type Waiter interface{ Readable() }

// ErrUnsupported is the answer to connections that cannot be watched.
var ErrUnsupported = errors.New("readable: connection cannot be watched")
