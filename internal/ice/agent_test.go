package ice

import (
	"fmt"
	mrand "math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

const (
	serverPwd = "serverPasswordOfSufficientLength"
	clientPwd = "clientPasswordOfSufficientLength/+"
)

var (
	serverAddr = netip.MustParseAddrPort("203.0.113.7:10000")
	clientAddr = netip.MustParseAddrPort("198.51.100.5:50000")
	movedAddr  = netip.MustParseAddrPort("198.51.100.5:61000")
	otherAddr  = netip.MustParseAddrPort("[2001:db8::5]:50001")
)

// node puts an agent on a simulated network and notes what it says.
type node struct {
	*Agent
	log    []string // changes of state and selection, with their time
	last   string
	errs   map[error]int
	fresh  []netip.AddrPort
	gone   []netip.AddrPort
	filter func(pkt []byte) bool // false drops what comes in
}

func (n *node) Receive(now mono.Time, from netip.AddrPort, pkt []byte) {
	if n.filter != nil && !n.filter(pkt) {
		return
	}
	if err := n.Handle(now, from, pkt); err != nil {
		n.errs[err]++
	}
	n.fresh = append(n.fresh, n.TakeNewRemotes()...)
	n.gone = append(n.gone, n.TakeGoneRemotes()...)
	n.note(now)
}

func (n *node) Tick(now mono.Time) {
	n.Agent.Tick(now)
	n.note(now)
}

func (n *node) note(now mono.Time) {
	text := n.State().String()
	if to, ok := n.Selected(); ok {
		text += " " + to.String()
	}
	if text != n.last {
		n.last = text
		n.log = append(n.log, fmt.Sprintf("%v %s", now.Sub(netem.Start).Round(time.Millisecond), text))
	}
}

// session is a server and a client on one network.
type session struct {
	*netem.Network
	server, client         *node
	serverPort, clientPort *netem.Port
}

func newAgent(ufrag, pwd string, seed byte, controlling bool) *node {
	return &node{errs: map[error]int{}, Agent: NewAgent(Config{
		Ufrag: ufrag, Pwd: pwd, TieBreaker: uint64(seed), Controlling: controlling,
		Rand: mrand.NewChaCha8([32]byte{seed}),
	})}
}

// newSession makes a controlling server and a controlled client that is told
// the server's address, 20 ms away.
func newSession(t *testing.T, seed uint64) *session {
	t.Helper()
	s := &session{
		Network: netem.New(seed),
		server:  newAgent("servr", serverPwd, 2, true),
		client:  newAgent("clint", clientPwd, 1, false),
	}
	s.serverPort, s.clientPort = s.Attach(s.server, serverAddr), s.Attach(s.client, clientAddr)
	s.clientPort.Up.Delay, s.clientPort.Down.Delay = 10*time.Millisecond, 10*time.Millisecond
	return s
}

func (s *session) startServer(t *testing.T, candidates ...media.Candidate) {
	t.Helper()
	if err := s.server.SetRemote("clint", clientPwd, candidates, s.Now()); err != nil {
		t.Fatal(err)
	}
}

func (s *session) startClient(t *testing.T) {
	t.Helper()
	if err := s.client.SetRemote("servr", serverPwd, []media.Candidate{host(serverAddr)}, s.Now()); err != nil {
		t.Fatal(err)
	}
}

func (s *session) connected() bool {
	return s.server.State() == Connected && s.client.State() == Connected &&
		s.server.Stats().Nominated && s.client.Stats().Nominated
}

func host(addr netip.AddrPort) media.Candidate {
	return media.Candidate{Component: 1, Protocol: "udp", Priority: hostPriority, Addr: addr, Type: "host"}
}

func (s *session) expectServer(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.server.log, want) {
		t.Errorf("server went through\n%q, want\n%q", s.server.log, want)
	}
}

func TestConnect(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, s *session){
		"client unknown": func(t *testing.T, s *session) { s.startServer(t); s.startClient(t) },
		"client known":   func(t *testing.T, s *session) { s.startServer(t, host(clientAddr)); s.startClient(t) },
		"client first":   func(t *testing.T, s *session) { s.startClient(t); s.Run(100 * time.Millisecond); s.startServer(t) },
		"client late":    func(t *testing.T, s *session) { s.startServer(t); s.Run(5 * time.Second); s.startClient(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, 1)
			start(t, s)
			begin := s.Now()
			if !s.RunUntil(10*time.Second, s.connected) {
				t.Fatalf("not connected\nserver %q %v\nclient %q %v", s.server.log, s.server.errs, s.client.log, s.client.errs)
			}
			// Check, triggered check, its response, nomination, its response.
			if took := s.Now().Sub(begin); took > 80*time.Millisecond {
				t.Errorf("connected after %v", took)
			}
			if to, _ := s.server.Selected(); to != clientAddr {
				t.Errorf("server selected %v", to)
			}
			if !slices.Equal(s.server.fresh, []netip.AddrPort{clientAddr}) {
				t.Errorf("new remotes %v", s.server.fresh)
			}
			s.Run(60 * time.Second)
			if !s.connected() || len(s.server.errs)+len(s.client.errs) != 0 {
				t.Errorf("after a minute: %v %v, errors %v %v", s.server.State(), s.client.State(), s.server.errs, s.client.errs)
			}
			// Consent: once every 5 s.
			if n := s.server.Counters().Checks; n < 12 || n > 22 {
				t.Errorf("%d checks in a minute", n)
			}
			if rtt := s.server.RTT(); rtt != 20*time.Millisecond {
				t.Errorf("RTT %v", rtt)
			}
		})
	}
}

// TestTranscript is everything that a server and a client that tells no
// candidates say to each other until both have a nominated pair.
func TestTranscript(t *testing.T) {
	s := newSession(t, 1)
	var got []string
	s.Tap = func(now mono.Time, from, _ netip.AddrPort, pkt []byte) {
		who := "client"
		if from == serverAddr {
			who = "server"
		}
		var m message
		_ = m.parse(pkt)
		got = append(got, fmt.Sprintf("%v %s: %s", now.Sub(netem.Start), who, describe(&m)))
	}
	s.startServer(t)
	s.startClient(t)
	s.Run(time.Second)
	want := []string{
		"0s client: check servr:clint controlled",
		"10ms server: success 198.51.100.5:50000",
		"10ms server: check clint:servr controlling",
		"20ms client: success 203.0.113.7:10000",
		"30ms server: check clint:servr controlling use-candidate",
		"40ms client: success 203.0.113.7:10000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestConsentPeriod: an agent asks for consent as often as it is told to, the
// other as often as by default.
func TestConsentPeriod(t *testing.T) {
	s := newSession(t, 1)
	s.client.consent = NewAgent(Config{Consent: 2500 * time.Millisecond}).consent
	s.startServer(t)
	s.startClient(t)
	s.Run(5 * time.Second)
	client, server := s.client.Counters().Checks, s.server.Counters().Checks
	s.Run(100 * time.Second)
	if n := s.client.Counters().Checks - client; n < 37 || n > 43 {
		t.Errorf("the client checked %d times in 100 s, not about 40 times", n)
	}
	if n := s.server.Counters().Checks - server; n < 18 || n > 22 {
		t.Errorf("the server checked %d times in 100 s, not about 20 times", n)
	}
}

// TestRestingConsent: an agent that has nothing to send asks seldom, and is not
// disconnected for it; who is gone loses the consent as ever.
func TestRestingConsent(t *testing.T) {
	s := newSession(t, 1)
	s.startServer(t)
	s.startClient(t)
	s.Run(5 * time.Second)
	checks := func(d time.Duration) uint64 {
		before := s.server.Counters().Checks
		s.Run(d)
		return s.server.Counters().Checks - before
	}
	s.server.Rest(true)
	before := len(s.server.log)
	if n := checks(150 * time.Second); n < 8 || n > 13 || len(s.server.log) != before {
		t.Errorf("checked %d times in 150 s at rest, not about 10 times; %q", n, s.server.log)
	}
	s.server.Rest(false)
	s.Run(20 * time.Second)
	if n := checks(150 * time.Second); n < 26 || n > 34 || len(s.server.log) != before {
		t.Errorf("checked %d times in 150 s afterwards, not about 30 times; %q", n, s.server.log)
	}
	s.server.Rest(true)
	s.Run(20 * time.Second)
	s.clientPort.Down.Loss = 1
	if s.Run(31 * time.Second); s.server.State() != Failed {
		t.Errorf("%v half a minute after the last answer; %q", s.server.State(), s.server.log)
	}
}

func TestConnectWithLoss(t *testing.T) {
	var took []time.Duration
	for seed := range uint64(100) {
		s := newSession(t, seed)
		for _, l := range []*netem.Link{s.clientPort.Up, s.clientPort.Down} {
			l.Loss, l.Jitter = 0.3, 40*time.Millisecond
		}
		s.startServer(t)
		s.startClient(t)
		if !s.RunUntil(20*time.Second, s.connected) {
			t.Fatalf("seed %d: not connected: %q %q", seed, s.server.log, s.client.log)
		}
		took = append(took, s.Now().Sub(netem.Start))
		s.Run(time.Minute)
		if s.server.State() == Failed || s.client.State() == Failed {
			t.Fatalf("seed %d: lost: %q %q", seed, s.server.log, s.client.log)
		}
	}
	slices.Sort(took)
	if took[50] > time.Second || took[90] > 4*time.Second {
		t.Errorf("100 connects with 30 %% loss each way took %v, %v, %v, %v", took[10], took[50], took[90], took[99])
	}
}

func TestConsentLost(t *testing.T) {
	s := newSession(t, 1)
	s.startServer(t)
	s.startClient(t)
	s.Run(20 * time.Second)
	s.clientPort.Up.Loss, s.clientPort.Down.Loss = 1, 1
	s.Run(40 * time.Second)
	if len(s.server.log) != 4 || s.server.State() != Failed || s.client.State() != Failed {
		t.Fatalf("server went through %q, client through %q", s.server.log, s.client.log)
	}
	if _, ok := s.server.Selected(); ok || s.server.Deadline() != 0 {
		t.Error("a failed agent still wants something")
	}
	s.clientPort.Up.Loss, s.clientPort.Down.Loss = 0, 0
	s.Inject(clientAddr, serverAddr, request("servr:clint", serverPwd, false))
	s.Run(time.Second)
	if s.server.State() != Failed || s.server.errs[ErrFailed] != 1 || s.server.SetRemote("clint", clientPwd, nil, s.Now()) != ErrFailed {
		t.Errorf("a failed agent came back: %v", s.server.errs)
	}
}

func TestDisconnectedReturns(t *testing.T) {
	s := newSession(t, 1)
	s.startServer(t)
	s.startClient(t)
	s.Run(10 * time.Second)
	s.clientPort.Down.Loss = 1
	if !s.RunUntil(16*time.Second, func() bool { return s.server.State() == Disconnected }) {
		t.Fatalf("server went through %q", s.server.log)
	}
	s.Run(5 * time.Second)
	s.clientPort.Down.Loss = 0
	if !s.RunUntil(2*time.Second, s.connected) {
		t.Errorf("server went through %q, client through %q", s.server.log, s.client.log)
	}
}

func TestNobodyThere(t *testing.T) {
	s := newSession(t, 1)
	s.clientPort.Up.Loss = 1
	s.startServer(t, host(clientAddr), host(otherAddr))
	s.Run(31 * time.Second)
	s.expectServer(t, "50ms checking", "30s failed")
	if c := s.server.Counters(); c.Checks != 2*maxTries {
		t.Errorf("%d checks, want %d", c.Checks, 2*maxTries)
	}
}

// A NAT forgets the mapping: the client does not know, its packets come from
// another port and ours to the old one are lost.
func TestNATRebinding(t *testing.T) {
	for seed := range uint64(20) {
		testRebinding(t, seed)
	}
}

func testRebinding(t *testing.T, seed uint64) {
	s := newSession(t, seed)
	s.server.rnd = mrand.NewChaCha8([32]byte{byte(seed), 's'})
	s.client.rnd = mrand.NewChaCha8([32]byte{byte(seed), 'c'})
	s.startServer(t)
	s.startClient(t)
	s.Run(20 * time.Second)
	s.clientPort.Rebind(movedAddr)
	moved := s.Now()
	if !s.RunUntil(10*time.Second, func() bool { to, _ := s.server.Selected(); return to == movedAddr }) {
		t.Fatalf("server went through %q", s.server.log)
	}
	// The client's next consent check shows it; then the old pair has a second.
	if took := s.Now().Sub(moved); took > 7500*time.Millisecond {
		t.Errorf("moved after %v", took)
	}
	s.Run(20 * time.Second)
	if !s.connected() || s.server.Counters().Switches != 1 || s.client.Counters().Switches != 0 {
		t.Errorf("server went through %q, client through %q", s.server.log, s.client.log)
	}
	if !slices.Equal(s.server.fresh, []netip.AddrPort{clientAddr, movedAddr}) {
		t.Errorf("new remotes %v", s.server.fresh)
	}
}

// A client with two networks loses the one in use.
func TestSecondNetwork(t *testing.T) {
	s := newSession(t, 1)
	s.startServer(t)
	s.startClient(t)
	s.clientPort.Also = []netip.AddrPort{otherAddr}
	s.Run(5 * time.Second)
	first, _ := s.server.Selected()
	if len(s.server.fresh) != 2 || s.server.Counters().Switches != 0 {
		t.Fatalf("new remotes %v, server went through %q", s.server.fresh, s.server.log)
	}
	if first == otherAddr {
		s.clientPort.Also = nil
	} else {
		s.clientPort.Rebind(otherAddr)
	}
	if !s.RunUntil(9*time.Second, func() bool { to, _ := s.server.Selected(); return to != first }) {
		t.Fatalf("server went through %q", s.server.log)
	}
	s.Run(40 * time.Second)
	if !s.connected() || s.server.Counters().Switches != 1 {
		t.Errorf("server went through %q", s.server.log)
	}
}

func TestRelayedPairWaits(t *testing.T) {
	relay := host(clientAddr)
	relay.Type, relay.Priority = "relay", 255
	t.Run("alone", func(t *testing.T) {
		s := newSession(t, 1)
		s.startServer(t, relay)
		s.startClient(t)
		s.Run(2 * time.Second)
		s.expectServer(t, "10ms checking", "800ms connected "+clientAddr.String())
	})
	t.Run("direct one comes", func(t *testing.T) {
		s := newSession(t, 1)
		s.startServer(t, relay, host(otherAddr))
		s.startClient(t)
		s.After(300*time.Millisecond, func() { s.clientPort.Also = []netip.AddrPort{otherAddr} })
		s.Run(2 * time.Second)
		s.expectServer(t, "10ms checking", "770ms connected "+otherAddr.String())
	})
	t.Run("direct one comes late", func(t *testing.T) {
		s := newSession(t, 1)
		s.startServer(t, relay, host(otherAddr))
		s.startClient(t)
		s.After(2*time.Second, func() { s.clientPort.Also = []netip.AddrPort{otherAddr} })
		s.Run(5 * time.Second)
		s.expectServer(t, "10ms checking", "800ms connected "+clientAddr.String(), "3.77s connected "+otherAddr.String())
	})
}

func TestRoleConflict(t *testing.T) {
	for _, tc := range []struct {
		name              string
		server, client    uint64 // tie-breakers
		bothControlling   bool
		serverControlling bool // in the end
	}{
		{"both controlling, server wins", 9, 3, true, true},
		{"both controlling, client wins", 3, 9, true, false},
		{"both controlled, server wins", 9, 3, false, true},
		{"both controlled, client wins", 3, 9, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSession(t, 1)
			role := Controlled
			if tc.bothControlling {
				role = Controlling
			}
			s.server.role, s.client.role = role, role
			s.server.tieBreaker, s.client.tieBreaker = tc.server, tc.client
			s.startServer(t)
			s.startClient(t)
			if !s.RunUntil(2*time.Second, s.connected) {
				t.Fatalf("server went through %q, client through %q", s.server.log, s.client.log)
			}
			s.Run(time.Second)
			if (s.server.Role() == Controlling) != tc.serverControlling || s.client.Role() == s.server.Role() {
				t.Errorf("server is %v, client is %v", s.server.Role(), s.client.Role())
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	s := newSession(t, 1)
	s.startServer(t)
	if err := s.client.SetRemote("servr", "notThePasswordOfTheServer", []media.Candidate{host(serverAddr)}, s.Now()); err != nil {
		t.Fatal(err)
	}
	s.Run(40 * time.Second)
	if c := s.server.Counters(); c.BadIntegrity != maxTries || c.Replies+c.Checks != 0 || len(s.server.fresh) != 0 {
		t.Errorf("%+v, new remotes %v", c, s.server.fresh)
	}
	if s.server.State() != Failed || s.client.State() != Failed {
		t.Errorf("%v, %v", s.server.State(), s.client.State())
	}
}

// A peer that refuses every check with 487 must not make us spin.
func TestEndlessRoleConflict(t *testing.T) {
	s := newSession(t, 1)
	s.startServer(t, host(clientAddr))
	var m message
	s.client.filter = func(pkt []byte) bool {
		if m.parse(pkt) == nil && m.class == bindingRequest {
			var dst [MaxMessage]byte
			w := newWriter(dst[:], bindingError, &m.id)
			w.errorCode(codeRoleConflict)
			s.Inject(clientAddr, serverAddr, dst[:w.finish(newKey(clientPwd))])
		}
		return false
	}
	s.Run(31 * time.Second)
	if c := s.server.Counters(); s.server.State() != Failed || c.Checks > 600 || c.RoleConflicts < 100 {
		t.Errorf("%v, %+v", s.server.State(), c)
	}
}

func TestDeadlineIsNeverPast(t *testing.T) {
	s := newSession(t, 4)
	s.clientPort.Up.Loss, s.clientPort.Down.Loss = 0.5, 0.5
	s.startServer(t, host(clientAddr), host(otherAddr), host(movedAddr))
	s.startClient(t)
	s.RunUntil(2*time.Minute, func() bool {
		for _, n := range []*node{s.server, s.client} {
			if at := n.Deadline(); at != 0 && at <= n.now {
				t.Errorf("deadline %v before the time of the call", n.now.Sub(at))
			}
			if at := n.Deadline(); at == 0 && n.State() != Failed {
				t.Error("no deadline")
			}
		}
		return t.Failed()
	})
}
