// Package nowait reads and writes stream sockets by system calls of which the
// scheduler is not told. Descriptors of the runtime's poller do not block, so
// that there is nothing to tell; and telling wakes the runtime's monitor, which
// then looks at everything every 20 us for as long as anything runs. On a server
// at rest that is a tenth of all there is to do.
//
// [Wrap] makes a connection that reads and writes so. Waiting is the poller's as
// ever, and deadlines hold.
//
// The package must never be given a descriptor that may block. On systems other
// than Linux connections stay what they are.
package nowait
