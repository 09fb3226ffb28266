package ice

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

// peer plays the other side by hand: it answers the agent's checks from those
// of its addresses that are up, at once, and sends requests when told to.
type peer struct {
	*Agent
	t      *testing.T
	now    mono.Time
	up     map[netip.AddrPort]bool
	checks map[netip.AddrPort]int // received, also where down
	key    *key
	code   uint16 // of the answer; 0 is success
}

func newPeer(t *testing.T, controlling bool, candidates ...media.Candidate) *peer {
	t.Helper()
	p := &peer{
		Agent: newAgent("servr", serverPwd, 2, controlling).Agent, t: t, now: netem.Start, key: newKey(clientPwd),
		up: map[netip.AddrPort]bool{clientAddr: true, movedAddr: true}, checks: map[netip.AddrPort]int{},
	}
	if err := p.SetRemote("clint", clientPwd, candidates, p.now); err != nil {
		t.Fatal(err)
	}
	return p
}

// answer lets the peer answer everything that it was sent.
func (p *peer) answer() {
	var dst, out [MaxMessage]byte
	for {
		n, to, ok := p.Outgoing(dst[:])
		if !ok {
			return
		}
		var m message
		if err := m.parse(dst[:n]); err != nil {
			p.t.Fatal(err)
		}
		if m.class != bindingRequest {
			continue
		}
		p.checks[to]++
		if !p.up[to] {
			continue
		}
		c := bindingSuccess
		if p.code != 0 {
			c = bindingError
		}
		w := newWriter(out[:], c, &m.id)
		if p.code != 0 {
			w.errorCode(p.code)
		}
		if err := p.Handle(p.now+1, to, out[:w.finish(p.key)]); err != nil {
			p.t.Fatal(err)
		}
	}
}

// wait lets time pass.
func (p *peer) wait(d time.Duration) {
	end := p.now.Add(d)
	for at := p.Deadline(); at != 0 && at <= end; at = p.Deadline() {
		p.now = at
		p.Tick(at)
		p.answer()
	}
	p.now = end
}

// ask lets the peer send a check from an address whose network has a cost.
func (p *peer) ask(from netip.AddrPort, cost byte, nominate bool) {
	dst := make([]byte, MaxMessage)
	w := newWriter(dst, bindingRequest, &txID{'a'})
	w.username("servr", "clint")
	w.uint32(attrPriority, learntPriority)
	w.uint32(attrNetworkInfo, uint32(cost))
	if nominate {
		w.attr(attrUseCandidate, 0)
	}
	if err := p.Handle(p.now, from, dst[:w.finish(newKey(serverPwd))]); err != nil {
		p.t.Fatal(err)
	}
	p.answer()
}

func (p *peer) expect(want netip.AddrPort) {
	p.t.Helper()
	if got, _ := p.Selected(); got != want {
		p.t.Fatalf("after %v %v is selected, want %v", p.now.Sub(netem.Start), got, want)
	}
}

// When the selected pair does not answer, one in reserve is asked, and takes
// its place only if it answers.
func TestReserve(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	p.ask(movedAddr, 10, false)
	p.expect(clientAddr)
	p.wait(20 * time.Second)
	if n := p.checks[movedAddr]; n != 1 {
		t.Errorf("the reserve was checked %d times while all was well", n)
	}
	p.up[clientAddr] = false
	p.wait(7100 * time.Millisecond) // consent 6 s, suspicion 1 s
	p.expect(movedAddr)
	p.up[movedAddr] = false
	p.wait(7500 * time.Millisecond)
	p.expect(movedAddr)
	if p.Counters().Switches != 1 {
		t.Errorf("%d switches", p.Counters().Switches)
	}
	p.up[clientAddr] = true
	p.ask(clientAddr, 10, false)
	p.expect(clientAddr)
}

func TestReserveThatIsGoneIsNotChosen(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	p.ask(movedAddr, 10, false)
	p.up[clientAddr], p.up[movedAddr] = false, false
	p.wait(20 * time.Second)
	p.expect(clientAddr)
	if p.State() != Disconnected || p.Counters().Switches != 0 || p.checks[movedAddr] < 2 {
		t.Errorf("%v, the reserve was checked %d times", p.State(), p.checks[movedAddr])
	}
}

// A new address makes us doubt the old one at once, not when it is next due.
func TestNewAddressIsAHint(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	p.wait(time.Second)
	p.up[clientAddr] = false
	p.ask(movedAddr, 10, false)
	p.expect(clientAddr)
	p.wait(1010 * time.Millisecond)
	p.expect(movedAddr)
}

// It does so as well if the old one has just answered.
func TestNewAddressAfterConsent(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	p.wait(10 * time.Millisecond)
	p.up[clientAddr] = false
	p.ask(movedAddr, 10, false)
	p.wait(1490 * time.Millisecond)
	p.expect(clientAddr)
	p.wait(20 * time.Millisecond)
	p.expect(movedAddr)
}

// Where the peer sends from is where it is sent to, if it answers there.
func TestPrefer(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	p.ask(movedAddr, 10, false)
	if p.Prefer(p.now, clientAddr) || p.Prefer(p.now, netip.MustParseAddrPort("192.0.2.99:1")) {
		t.Error("something to send for the selected or an unknown address")
	}
	p.prefer(movedAddr)
	p.expect(movedAddr)
	p.wait(20 * time.Second)
	p.prefer(clientAddr) // which was not asked for long
	p.expect(movedAddr)
	p.wait(500 * time.Millisecond)
	p.prefer(clientAddr)
	p.expect(clientAddr)
	if s := p.Stats(); !s.Nominated || p.Counters().Switches != 2 {
		t.Errorf("nominated: %v, %d switches", s.Nominated, p.Counters().Switches)
	}
}

// An address from which the peer sends, but does not answer, is tried once.
func TestPreferInVain(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	p.ask(movedAddr, 10, false)
	p.up[movedAddr] = false
	p.prefer(movedAddr)
	p.expect(movedAddr)
	p.wait(1300 * time.Millisecond)
	p.expect(clientAddr)
	for range 60 {
		p.wait(500 * time.Millisecond)
		p.prefer(movedAddr)
		p.expect(clientAddr)
	}
	if p.State() != Connected || p.checks[movedAddr] > 20 {
		t.Errorf("%v, %d checks", p.State(), p.checks[movedAddr])
	}
}

// An address of old does not make the agent fail, although nothing was heard
// from there for longer than a peer may be silent; and the controlled side
// does not choose.
func TestPreferOld(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	p.ask(movedAddr, 10, false)
	p.wait(2 * failAfter)
	p.up[movedAddr] = false
	p.prefer(movedAddr)
	p.expect(clientAddr)
	if p.State() != Connected {
		t.Error(p.State())
	}
	p = newPeer(t, false)
	p.ask(clientAddr, 10, true)
	p.ask(movedAddr, 10, false)
	p.prefer(movedAddr)
	p.expect(clientAddr)
}

// prefer tells the agent where media comes from.
func (p *peer) prefer(addr netip.AddrPort) {
	p.Prefer(p.now, addr)
	p.answer()
}

// A response is recognised until it has come, whoever has sent it.
func TestAwaits(t *testing.T) {
	p := newPeer(t, true, media.Candidate{Component: 1, Protocol: "udp", Priority: 1, Addr: clientAddr, Type: "host"})
	var dst, out [MaxMessage]byte
	n, to, ok := p.Outgoing(dst[:])
	if !ok || to != clientAddr || p.Holds(to) {
		t.Fatalf("a check to %v: %v", to, ok)
	}
	var m message
	if err := m.parse(dst[:n]); err != nil {
		t.Fatal(err)
	}
	w := newWriter(out[:], bindingSuccess, &m.id)
	response := out[:w.finish(p.key)]
	if !p.Awaits(response) || p.Awaits(response[:19]) || p.Awaits(nil) {
		t.Error("the response is not recognised, or half of one is")
	}
	if err := p.Handle(p.now, clientAddr, response); err != nil {
		t.Fatal(err)
	}
	if p.Awaits(response) || !p.Holds(clientAddr) || p.Holds(movedAddr) {
		t.Error("the response is awaited again, or its sender not known")
	}
}

// A phone that comes home to its Wi-Fi is followed there, but not at once.
func TestCheaperNetwork(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 200, false) // cellular
	p.wait(5 * time.Second)
	p.ask(movedAddr, 10, false)
	p.expect(clientAddr)
	p.wait(4 * time.Second)
	p.ask(movedAddr, 10, false)
	p.expect(clientAddr)
	p.wait(3 * time.Second)
	p.ask(movedAddr, 110, false) // not much cheaper
	p.expect(clientAddr)
	p.wait(3 * time.Second)
	p.ask(movedAddr, 10, false)
	p.expect(movedAddr)
	p.wait(20 * time.Second)
	p.ask(clientAddr, 200, false)
	p.expect(movedAddr)
}

// The controlled side goes where it was last told to.
func TestFollowNomination(t *testing.T) {
	p := newPeer(t, false)
	p.ask(clientAddr, 10, false)
	p.expect(clientAddr)
	p.ask(movedAddr, 10, false)
	p.expect(clientAddr)
	for i, to := range []netip.AddrPort{movedAddr, clientAddr, movedAddr} {
		p.wait(time.Second)
		p.ask(to, 10, true)
		p.expect(to)
		if !p.Stats().Nominated {
			t.Errorf("%d: not nominated", i)
		}
	}
}

// An address in reserve is not checked for each of the peer's requests.
func TestRequestsInReserve(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	for range 100 {
		p.ask(movedAddr, 10, false)
		p.wait(100 * time.Millisecond)
	}
	if n := p.checks[movedAddr]; n != 4 {
		t.Errorf("%d checks in 10 s", n)
	}
}

// Somebody who knows the password can make us send to a victim, but not much.
func TestVictimIsSparedRepetitions(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	p.ask(otherAddr, 10, false) // not up
	p.wait(60 * time.Second)
	if n := p.checks[otherAddr]; n != maxTriesLearnt {
		t.Errorf("%d checks", n)
	}
}

// Signalled candidates that were not needed are left alone.
func TestCandidatesAfterNomination(t *testing.T) {
	p := newPeer(t, true, host(clientAddr), host(movedAddr), host(otherAddr))
	p.answer() // the first is valid before the second is due
	p.wait(20 * time.Second)
	p.expect(clientAddr)
	if p.checks[movedAddr]+p.checks[otherAddr] != 0 {
		t.Errorf("checks: %v", p.checks)
	}
	p.up[clientAddr] = false
	p.wait(8 * time.Second)
	p.expect(movedAddr)
}

func TestErrorResponse(t *testing.T) {
	p := newPeer(t, true, host(clientAddr))
	p.code = 400
	p.answer()
	p.wait(20 * time.Second)
	if c := p.Counters(); p.State() != Checking || p.Role() != Controlling || c.ErrorResponses != 1 || p.pairs[0].state != failed {
		t.Errorf("%v %v %+v", p.State(), p.Role(), c)
	}
	p.code = 0
	p.ask(clientAddr, 10, false)
	p.expect(clientAddr)
	p.code = 400 // the peer withdraws its consent
	p.wait(40 * time.Second)
	if p.State() != Failed {
		t.Errorf("%v", p.State())
	}
}

func TestRoleConflictResponse(t *testing.T) {
	p := newPeer(t, true, host(clientAddr))
	old := p.tieBreaker
	p.code = codeRoleConflict
	p.answer()
	if p.Role() != Controlled || p.tieBreaker == old {
		t.Errorf("%v, tie-breaker changed: %v", p.Role(), p.tieBreaker != old)
	}
	p.code = 0
	p.wait(time.Second)
	p.expect(clientAddr)
}

// The round-trip time of a check that was repeated is not known.
func TestRTTOfRepeatedCheck(t *testing.T) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	_ = a.SetRemote("clint", clientPwd, []media.Candidate{host(clientAddr)}, netem.Start)
	pkt := response(t, a, newKey(clientPwd))
	a.Tick(a.Deadline())
	if err := a.Handle(netem.Start.Add(time.Second), clientAddr, pkt); err != nil || a.RTT() != 0 {
		t.Errorf("%v, RTT %v", err, a.RTT())
	}
}

func TestOrderOfPairs(t *testing.T) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	for _, tc := range []struct {
		controlling bool
		priority    uint32
		want        uint64 // 2^32 min + 2 max + (controlling side's is larger)
	}{
		{true, 100, 100<<32 + 2*hostPriority + 1},
		{false, 100, 100<<32 + 2*hostPriority},
		{true, 1 << 31, hostPriority<<32 + 1<<32},
		{false, 1 << 31, hostPriority<<32 + 1<<32 + 1},
		{true, hostPriority, hostPriority<<32 + 2*hostPriority},
	} {
		a.role = Controlled
		if tc.controlling {
			a.role = Controlling
		}
		if got := a.order(&pair{priority: tc.priority}); got != tc.want {
			t.Errorf("%+v: %d", tc, got)
		}
	}
}

// Learnt candidates make room for others, the oldest first, but never the
// selected one.
func TestEviction(t *testing.T) {
	p := newPeer(t, true)
	p.ask(clientAddr, 10, false)
	at := func(i int) netip.AddrPort { return netip.AddrPortFrom(otherAddr.Addr(), uint16(i)) }
	for i := 1; i < maxLearnt; i++ {
		p.now++
		p.ask(at(i), 10, false)
	}
	p.now++
	p.ask(at(1), 10, false) // not the oldest any more
	if n := len(p.TakeNewRemotes()); n != maxLearnt || len(p.TakeGoneRemotes()) != 0 {
		t.Fatalf("%d new remotes", n)
	}
	p.now++
	p.ask(at(100), 10, false)
	if gone := p.TakeGoneRemotes(); !slices.Equal(gone, []netip.AddrPort{at(2)}) {
		t.Errorf("gone %v, want %v", gone, at(2))
	}
	for i := range maxLearnt { // new ones push out new ones before they are taken
		p.now++
		p.ask(at(200+i), 10, false)
	}
	p.expect(clientAddr)
	if fresh, gone := p.TakeNewRemotes(), p.TakeGoneRemotes(); len(fresh) != maxLearnt-1 || slices.Contains(gone, at(100)) {
		t.Errorf("new %v, gone %v", fresh, gone)
	}
	p.pairs[1].signalled = true // as if the peer had told it: no longer learnt
	if a := p.pairs[1].addr; p.SetRemote("clint", clientPwd, []media.Candidate{host(a)}, p.now) != nil || p.lookup(a).kind != "host" {
		t.Error("a candidate learnt first and told later is not what was told")
	}
}
