package bridge

import "github.com/plenum-conf/plenum/internal/mono"

// pace bounds what one endpoint may say on its bridge channel: each message
// may be relayed to everybody or make everybody's layers be chosen anew.
// Clients send a handful a minute; keys for end-to-end encryption come in
// bursts, one to each member.
type pace struct {
	messages, bytes allowance
}

const (
	messagesPerSecond, messageBurst = 50, 500
	channelRate, channelBurst       = 64 << 10, 1 << 20 // bytes
)

func (p *pace) allow(now mono.Time, size int) bool {
	return p.messages.take(now, 1, messagesPerSecond, messageBurst) && p.bytes.take(now, size, channelRate, channelBurst)
}

// allowance is a token bucket, counted by what has been taken from it.
type allowance struct {
	taken float64
	last  mono.Time
}

func (a *allowance) take(now mono.Time, n int, perSecond, burst float64) bool {
	a.taken = max(0, a.taken-now.Sub(a.last).Seconds()*perSecond)
	a.last = now
	if a.taken+float64(n) > burst {
		return false
	}
	a.taken += float64(n)
	return true
}
