package ice

import (
	"net/netip"
	"time"
)

// Counters counts messages and events since an agent was made.
type Counters struct {
	Requests       uint64 `json:"requests"`        // authentic ones
	Replies        uint64 `json:"replies"`         // to them
	RepliesDropped uint64 `json:"replies_dropped"` // too many were waiting
	Checks         uint64 `json:"checks"`          // sent, repetitions included
	Repeated       uint64 `json:"repeated"`        // of these
	Responses      uint64 `json:"responses"`       // to our checks
	ErrorResponses uint64 `json:"error_responses"` // of these, role conflicts apart
	Malformed      uint64 `json:"malformed"`
	BadUsername    uint64 `json:"bad_username"`
	BadIntegrity   uint64 `json:"bad_integrity"`
	Unexpected     uint64 `json:"unexpected"` // responses that nothing asked for
	Asymmetric     uint64 `json:"asymmetric"` // responses from another address than the one asked
	RoleConflicts  uint64 `json:"role_conflicts"`
	Switches       uint64 `json:"switches"` // changes of the selected pair, its first choice apart
	TooMany        uint64 `json:"too_many"` // candidates beyond the limit
	Evicted        uint64 `json:"evicted"`  // learnt candidates that made room
	AfterFailure   uint64 `json:"after_failure"`
}

// Stats describes an agent for the debug tree.
type Stats struct {
	Ufrag     string         `json:"ufrag"`
	State     string         `json:"state"`
	Role      string         `json:"role"`
	Selected  netip.AddrPort `json:"selected"`
	Nominated bool           `json:"nominated"`
	RTT       time.Duration  `json:"rtt"`     // of the selected pair, smoothed; 0 if unknown
	Silence   time.Duration  `json:"silence"` // since the last response on the selected pair
	Resting   bool           `json:"resting"` // consent is asked for seldom
	Pairs     []PairStats    `json:"pairs"`
	Counters
}

// PairStats describes one pair. Ages are those of the last call of the agent,
// zero if there never was such a message.
type PairStats struct {
	Addr      netip.AddrPort `json:"addr"`
	Type      string         `json:"type"`
	Priority  uint32         `json:"priority"`
	Signalled bool           `json:"signalled"`
	Cost      int            `json:"cost"` // of the peer's network, -1 if unknown
	State     string         `json:"state"`
	RTT       time.Duration  `json:"rtt"`
	Heard     time.Duration  `json:"heard"`    // ago
	Answered  time.Duration  `json:"answered"` // ago
}

// RTT returns the smoothed round-trip time of the selected pair, 0 if unknown.
func (a *Agent) RTT() time.Duration {
	if a.selected == nil {
		return 0
	}
	return a.selected.rtt
}

// Counters returns the counters alone; it allocates nothing.
func (a *Agent) Counters() Counters { return a.count }

// Stats describes the agent; it allocates and is not for the media path.
func (a *Agent) Stats() Stats {
	s := Stats{
		Ufrag: a.ufrag, State: a.state.String(), Role: a.role.String(), RTT: a.RTT(), Resting: a.resting, Counters: a.count,
	}
	if p := a.selected; p != nil {
		s.Selected, s.Nominated, s.Silence = p.addr, p.nominated || p.nominatedAt != 0, a.age(p.answered)
	}
	for _, p := range a.pairs {
		s.Pairs = append(s.Pairs, PairStats{
			Addr: p.addr, Type: p.kind, Priority: p.priority, Signalled: p.signalled, Cost: p.cost,
			State: p.state.String(), RTT: p.rtt, Heard: a.age(p.heard), Answered: a.age(p.answered),
		})
	}
	return s
}
