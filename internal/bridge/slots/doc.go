// Package slots shares out a bounded number of SSRCs among all that one
// receiver may be sent, for SSRC rewriting: to the client every slot is an
// m-line, and the number of those must not grow with the conference.
//
// A [Table] is one receiver's slots of one kind of media. [Table.Take] gives a
// source a slot when it is about to be sent, [Table.Idle] says that it is not
// sent any more, [Table.Forget] that it is gone. An idle source keeps its slot
// as long as nobody needs it, so that one who comes back soon is found where
// it was. With [Table.Prepare] slots are made before anybody needs them. A source without a slot gets, in this order: that of a source that
// has gone; a new one, while there are not many; that of whoever is idle for
// the longest time, if that is longer than [Options.Linger]; a new one, up to
// the limit; that of whoever is idle for the longest time. Of a source that is
// being sent no slot is ever taken.
//
// The bridge's endpoint owns two tables and tells its client of every change
// before it sends anything. The package is a core: it reads no clock, locks
// nothing, starts nothing and logs nothing. A Table is not safe for concurrent
// use.
//
// Limits: [Options.Limit] slots; memory for names is bounded by it. All
// operations take constant time; only a new slot allocates.
package slots
