// Package gate stands between a descriptor and the runtime's poller, so that
// the poller need not hear of everything that comes: most of what a server at
// rest costs is to be woken, and nobody waits for what comes then.
//
// The main type is [Gate]: an epoll instance with the descriptor as its only
// member, of which the poller is told that it is readable when the descriptor
// is. The poller keeps what it has been given for good and wakes up for all that
// arrives there, whether somebody waits for it or not; behind a gate that is
// shut it hears of nothing. The descriptor may be an epoll instance itself.
//
// The package must never read from the descriptor, nor close it. It exists on
// Linux only.
package gate
