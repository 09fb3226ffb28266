package quota

import (
	"net/netip"
	"sync"
)

// Quota counts. It is safe for concurrent use.
type Quota struct {
	total, each int

	mu  sync.Mutex
	has int
	by  map[string]int
}

// New returns a quota of total in all, each for one client. An each of 0 or
// less is no limit.
func New(total, each int) *Quota { return &Quota{total: total, each: each, by: make(map[string]int)} }

// Take books one for a client and reports false if there is none left. The
// client "" is bounded only by what there is in all.
func (q *Quota) Take(client string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.left(client) {
		return false
	}
	q.has++
	if client != "" {
		q.by[client]++
	}
	return true
}

// Left reports whether Take would succeed now.
func (q *Quota) Left(client string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.left(client)
}

func (q *Quota) left(client string) bool {
	return q.has < q.total && (client == "" || q.each <= 0 || q.by[client] < q.each)
}

// Give returns what Take has booked for the same client.
func (q *Quota) Give(client string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.has--
	if client == "" {
		return
	}
	if q.by[client]--; q.by[client] <= 0 {
		delete(q.by, client)
	}
}

// Client names the client behind an address, "ip:port": the IPv4 address, or
// the /64 network that an IPv6 host has to itself at least (RFC 6177 §2). It
// is "" for this machine, and for what is no address.
func Client(remote string) string {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return ""
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(ip, bits).Masked().String()
}
