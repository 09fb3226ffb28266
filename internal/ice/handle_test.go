package ice

import (
	"bytes"
	"fmt"
	mrand "math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

// request makes a client's check.
func request(username, pwd string, nominate bool, extra ...uint16) []byte {
	dst := make([]byte, MaxMessage)
	w := newWriter(dst, bindingRequest, &txID{'r', byte(len(extra))})
	if local, remote, ok := strings.Cut(username, ":"); ok {
		w.username(local, remote)
	}
	w.uint32(attrPriority, learntPriority)
	w.uint64(attrControlled, 1)
	if nominate {
		w.attr(attrUseCandidate, 0)
	}
	for _, kind := range extra {
		w.attr(kind, 0)
	}
	return dst[:w.finish(newKey(pwd))]
}

// drain empties an agent and describes what it wanted to send.
func drain(a *Agent) (out []string) {
	var dst [MaxMessage]byte
	for {
		n, to, ok := a.Outgoing(dst[:])
		if !ok {
			return out
		}
		var m message
		if err := m.parse(dst[:n]); err != nil {
			return append(out, err.Error())
		}
		out = append(out, describe(&m)+" to "+to.String())
	}
}

func describe(m *message) string {
	switch m.class {
	case bindingRequest:
		s := fmt.Sprintf("check %s %v", m.username, m.role)
		if m.useCandidate {
			s += " use-candidate"
		}
		return s
	case bindingSuccess:
		return "success " + m.mapped.String()
	}
	return fmt.Sprintf("error %d", m.errorCode)
}

// TestHandle shows what the server does with each message of a client that
// arrives before or after the client's credentials.
func TestHandle(t *testing.T) {
	good := request("servr:clint", serverPwd, false)
	for _, tc := range []struct {
		name    string
		pkt     []byte
		early   bool // the credentials are not known yet
		err     error
		out     string
		learned bool
	}{
		{"check", good, false, nil,
			"success 198.51.100.5:50000 to 198.51.100.5:50000, check clint:servr controlling to 198.51.100.5:50000", true},
		{"check before credentials", good, true, nil, "success 198.51.100.5:50000 to 198.51.100.5:50000", true},
		{"unknown peer half", request("servr:other", serverPwd, false), true, nil,
			"success 198.51.100.5:50000 to 198.51.100.5:50000", true},
		{"for another", request("other:clint", serverPwd, false), false, ErrUsername, "", false},
		{"no username", request("", serverPwd, false), false, ErrUsername, "", false},
		{"wrong password", request("servr:clint", clientPwd, false), false, ErrIntegrity, "", false},
		{"no integrity", build(bindingRequest, "0006 000b 73657276723a636c696e7400"), false, ErrIntegrity, "", false},
		{"unknown attribute", request("servr:clint", serverPwd, false, 0x7777), false, ErrUnknownAttribute,
			"error 420 to 198.51.100.5:50000", false},
		{"optional attribute", request("servr:clint", serverPwd, false, 0xC070), true, nil,
			"success 198.51.100.5:50000 to 198.51.100.5:50000", true},
		{"indication", build(bindingIndication), false, ErrIndication, "", false},
		{"response to nothing", unhexed2, false, ErrUnexpected, "", false},
		{"garbage", []byte("this is not a STUN message"), false, ErrMalformed, "", false},
		{"nothing", nil, false, ErrMalformed, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAgent("servr", serverPwd, 2, true).Agent
			now := netem.Start
			if !tc.early {
				if err := a.SetRemote("clint", clientPwd, nil, now); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Handle(now, clientAddr, tc.pkt); err != tc.err {
				t.Errorf("error %v, want %v", err, tc.err)
			}
			if got := strings.Join(drain(a), ", "); got != tc.out {
				t.Errorf("sent %q, want %q", got, tc.out)
			}
			if fresh := a.TakeNewRemotes(); (len(fresh) == 1 && fresh[0] == clientAddr) != tc.learned || len(a.TakeNewRemotes()) != 0 {
				t.Errorf("new remotes %v", fresh)
			}
		})
	}
}

var unhexed2 = build(bindingSuccess, "0020 0008 0001a147e112a643")

func TestEarlyCheckIsRemembered(t *testing.T) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	if err := a.Handle(netem.Start, otherAddr, request("servr:clint", serverPwd, false)); err != nil {
		t.Fatal(err)
	}
	mapped := netip.MustParseAddrPort("[::ffff:198.51.100.5]:50000")
	if err := a.Handle(netem.Start, mapped, request("servr:clint", serverPwd, false)); err != nil {
		t.Fatal(err)
	}
	if a.State() != New || a.Deadline() != 0 {
		t.Errorf("%v, deadline %v", a.State(), a.Deadline())
	}
	drain(a)
	if err := a.SetRemote("clint", clientPwd, nil, netem.Start); err != nil {
		t.Fatal(err)
	}
	if got := drain(a); len(got) != 2 || got[1] != "check clint:servr controlling to 198.51.100.5:50000" {
		t.Errorf("sent %q", got)
	}
}

func TestSetRemoteRefuses(t *testing.T) {
	for _, tc := range []struct{ ufrag, pwd string }{
		{"abc", clientPwd}, {"clint", "too-short"}, {"cl:nt", clientPwd}, {"", ""},
		{"clint", strings.Repeat("x", 257)}, {strings.Repeat("x", 257), clientPwd},
	} {
		a := newAgent("servr", serverPwd, 2, true).Agent
		if err := a.SetRemote(tc.ufrag, tc.pwd, nil, netem.Start); err != ErrCredentials || a.State() != New {
			t.Errorf("%q: %v", tc.ufrag, err)
		}
	}
	a := newAgent("servr", serverPwd, 2, true).Agent
	for range 2 {
		if err := a.SetRemote("clint", clientPwd, nil, netem.Start); err != nil {
			t.Error(err)
		}
	}
	if err := a.SetRemote("clint", serverPwd, nil, netem.Start); err != ErrRestart {
		t.Errorf("other password: %v", err)
	}
	if err := a.SetRemote("other", clientPwd, nil, netem.Start); err != ErrRestart {
		t.Errorf("other credentials: %v", err)
	}
}

func TestCandidateLimits(t *testing.T) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	bad := []media.Candidate{
		{Protocol: "tcp", Addr: clientAddr}, {Protocol: "udp"}, {Protocol: "udp", Component: 2, Addr: clientAddr},
		{Protocol: "udp", Addr: at("0.0.0.0:5")}, {Protocol: "udp", Addr: at("192.0.2.1:0")},
		{Protocol: "udp", Addr: at("224.0.0.1:5")}, {Protocol: "udp", Addr: at("[fe80::1]:5")},
		{Protocol: "udp", Addr: at("169.254.1.1:5")},
	}
	_ = a.SetRemote("clint", clientPwd, bad, netem.Start)
	if len(a.pairs) != 0 {
		t.Errorf("%d bad candidates were taken", len(a.pairs))
	}
	var many []media.Candidate
	for i := range 100 {
		many = append(many, host(netip.AddrPortFrom(clientAddr.Addr(), uint16(1000+i))))
	}
	_ = a.SetRemote("clint", clientPwd, many, netem.Start)
	_ = a.SetRemote("clint", clientPwd, many[:10], netem.Start)
	learnt := netip.AddrPortFrom(otherAddr.Addr(), 7)
	if err := a.Handle(netem.Start, learnt, request("servr:clint", serverPwd, false)); err != nil {
		t.Fatal(err)
	}
	_ = a.SetRemote("clint", clientPwd, []media.Candidate{host(learnt)}, netem.Start)
	if p := a.lookup(learnt); p == nil || p.signalled {
		t.Error("a learnt candidate that is signalled passes the limit")
	}
	if c := a.Counters(); len(a.pairs) != maxSignalled+1 || c.TooMany != 100-maxSignalled+1 {
		t.Errorf("%d candidates, %d too many", len(a.pairs), c.TooMany)
	}
}

// Ordinary checks are paced, the best candidate first.
func TestPacing(t *testing.T) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	low, high := host(clientAddr), host(otherAddr)
	low.Priority, low.Type = 100<<24, "srflx"
	_ = a.SetRemote("clint", clientPwd, []media.Candidate{low, high}, netem.Start)
	if got := fmt.Sprint(drain(a)); got != "[check clint:servr controlling to [2001:db8::5]:50001]" {
		t.Errorf("first %s", got)
	}
	if wait := a.Deadline().Sub(netem.Start); wait != ta {
		t.Errorf("next after %v", wait)
	}
	a.Tick(a.Deadline())
	if got := fmt.Sprint(drain(a)); got != "[check clint:servr controlling to 198.51.100.5:50000]" {
		t.Errorf("then %s", got)
	}
}

func TestLearntCandidatesAreBounded(t *testing.T) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	_ = a.SetRemote("clint", clientPwd, nil, netem.Start)
	known := map[netip.AddrPort]bool{}
	pkt := request("servr:clint", serverPwd, false)
	for i := range 100 {
		from := netip.AddrPortFrom(clientAddr.Addr(), uint16(1000+i))
		if err := a.Handle(netem.Start.Add(time.Duration(i)), from, pkt); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 { // taking late changes nothing
			for _, addr := range a.TakeNewRemotes() {
				known[addr] = true
			}
			for _, addr := range a.TakeGoneRemotes() {
				if !known[addr] {
					t.Errorf("%v is gone but was never new", addr)
				}
				delete(known, addr)
			}
		}
		if i%5 == 0 {
			drain(a)
		}
	}
	if len(a.pairs) != maxLearnt || len(known) != maxLearnt || a.Counters().Evicted != 100-maxLearnt {
		t.Errorf("%d pairs, %d known addresses, %d evicted", len(a.pairs), len(known), a.Counters().Evicted)
	}
	if n := len(drain(a)); n > maxLearnt+maxReplies {
		t.Errorf("%d messages wait", n)
	}
}

func TestTooManyRequestsAtOnce(t *testing.T) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	pkt := request("servr:clint", serverPwd, false)
	for i := range 2 * maxReplies {
		err := a.Handle(netem.Start, clientAddr, pkt)
		if want := i >= maxReplies; (err == ErrFull) != want {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if n := len(drain(a)); n != maxReplies {
		t.Errorf("%d replies", n)
	}
}

// check makes the agent send a check to addr and returns its response.
func response(t testing.TB, a *Agent, k *key) []byte {
	t.Helper()
	var dst [MaxMessage]byte
	for {
		n, _, ok := a.Outgoing(dst[:])
		if !ok {
			t.Fatal("no check")
		}
		var m message
		if m.parse(dst[:n]) == nil && m.class == bindingRequest {
			out := make([]byte, MaxMessage)
			w := newWriter(out, bindingSuccess, &m.id)
			w.xorMapped(serverAddr)
			return out[:w.finish(k)]
		}
	}
}

func TestResponses(t *testing.T) {
	k := newKey(clientPwd)
	for _, tc := range []struct {
		name  string
		from  netip.AddrPort
		pwd   string
		err   error
		again error // the second time
	}{
		{"right", clientAddr, clientPwd, nil, ErrUnexpected},
		{"wrong password", clientAddr, serverPwd, ErrIntegrity, ErrIntegrity},
		{"wrong address", otherAddr, clientPwd, ErrUnexpected, ErrUnexpected},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAgent("servr", serverPwd, 2, true).Agent
			_ = a.SetRemote("clint", clientPwd, []media.Candidate{host(clientAddr)}, netem.Start)
			pkt := response(t, a, newKey(tc.pwd))
			if err := a.Handle(netem.Start+1, tc.from, pkt); err != tc.err {
				t.Errorf("error %v, want %v", err, tc.err)
			}
			if _, ok := a.Selected(); ok != (tc.err == nil) {
				t.Errorf("selected: %v", ok)
			}
			if err := a.Handle(netem.Start+2, tc.from, pkt); err != tc.again {
				t.Errorf("again: error %v, want %v", err, tc.again)
			}
		})
	}
	t.Run("late", func(t *testing.T) {
		a := newAgent("servr", serverPwd, 2, true).Agent
		_ = a.SetRemote("clint", clientPwd, []media.Candidate{host(clientAddr)}, netem.Start)
		late := response(t, a, k)
		a.begin(a.pairs[0]) // another check replaces the first
		if err := a.Handle(netem.Start+1, clientAddr, late); err != nil || a.State() != Connected {
			t.Errorf("%v, %v", err, a.State())
		}
		if err := a.Handle(netem.Start+2, clientAddr, late); err != ErrUnexpected {
			t.Errorf("again: %v", err)
		}
	})
}

func TestNoAllocationsInSteadyState(t *testing.T) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	_ = a.SetRemote("clint", clientPwd, []media.Candidate{host(clientAddr)}, netem.Start)
	k := newKey(clientPwd)
	for a.State() != Connected || !a.selected.nominated {
		if err := a.Handle(netem.Start+1, clientAddr, response(t, a, k)); err != nil {
			t.Fatal(err)
		}
	}
	var dst [MaxMessage]byte
	drainAll := func() {
		for ok := true; ok; {
			_, _, ok = a.Outgoing(dst[:])
		}
	}
	pkt := request("servr:clint", serverPwd, false)
	now := netem.Start + 2
	allocs.None(t, allocs.Many, func() {
		now++
		if err := a.Handle(now, clientAddr, pkt); err != nil {
			t.Fatal(err)
		}
		drainAll()
	})
	var out [MaxMessage]byte
	allocs.None(t, allocs.Many, func() {
		now = a.Deadline()
		a.Tick(now)
		n, _, ok := a.Outgoing(dst[:])
		if !ok {
			return // the deadline was of another kind
		}
		var m message
		if err := m.parse(dst[:n]); err != nil {
			t.Fatal(err)
		}
		w := newWriter(out[:], bindingSuccess, &m.id)
		w.xorMapped(serverAddr)
		if err := a.Handle(now+1, clientAddr, out[:w.finish(k)]); err != nil {
			t.Fatal(err)
		}
	})
	if a.State() != Connected || a.Counters().Checks < 50 {
		t.Errorf("%v after %d checks", a.State(), a.Counters().Checks)
	}
}

func TestUfrag(t *testing.T) {
	seen := map[string]bool{}
	for worker := range 256 {
		u := NewUfrag(uint8(worker), nil)
		if got, ok := WorkerOf(u); !ok || int(got) != worker || !iceChars(u) || seen[u] {
			t.Errorf("worker %d: %q is of worker %d, %v", worker, u, got, ok)
		}
		seen[u] = true
	}
	for _, u := range []string{"", "aaaaaaaaa", "aaaaaaaaaaa", "AAAAAAAAAA", "aaaaaaaaa1", "ia77777777", "aaaaaaaaa\x00"} {
		if w, ok := WorkerOf([]byte(u)); ok {
			t.Errorf("%q is of worker %d", u, w)
		}
	}
	pwd := NewPwd(mrand.NewChaCha8([32]byte{}))
	if !validCredentials(NewUfrag(1, nil), pwd) || len(pwd) != 26 || pwd == NewPwd(nil) {
		t.Errorf("password %q", pwd)
	}
}

// FuzzAgentHandle lets the fuzzer play the peer: it chooses messages, senders
// and how much time passes, and may sign what it sends.
func FuzzAgentHandle(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []byte("garbage"))
	f.Add([]byte{1, 0, 2, 0, 3, 0, 1, 1, 2, 1, 3, 200, 4, 200}, unhexed)
	f.Fuzz(func(t *testing.T, script, raw []byte) {
		a := newAgent("servr", serverPwd, 2, true).Agent
		now := netem.Start
		k := newKey(clientPwd)
		var last []byte // the last check, to be answered
		var dst [MaxMessage]byte
		for len(script) >= 2 {
			op, arg := script[0], script[1]
			script = script[2:]
			from := netip.AddrPortFrom(clientAddr.Addr(), uint16(arg%24)+1)
			switch op % 7 {
			case 0:
				_ = a.Handle(now, from, raw)
			case 1:
				_ = a.Handle(now, from, request("servr:clint", serverPwd, arg&32 != 0))
			case 2:
				_ = a.SetRemote("clint", clientPwd, []media.Candidate{host(from)}, now)
			case 3:
				now = now.Add(time.Duration(arg) * 50 * time.Millisecond)
				a.Tick(now)
			case 4:
				_ = a.Handle(now, from, answer(last, k, arg))
			case 5:
				if at := a.Deadline(); at > now {
					now = at
				}
				a.Tick(now)
			case 6:
				if n, _, ok := a.Outgoing(dst[:]); ok && class(uint16(dst[0])<<8|uint16(dst[1])) == bindingRequest {
					last = bytes.Clone(dst[:n])
				}
			}
			checkInvariants(t, a, now)
		}
	})
}

// answer makes a response to a check, of a kind that the fuzzer chooses.
func answer(check []byte, k *key, kind byte) []byte {
	var m message
	if m.parse(check) != nil {
		return nil
	}
	out := make([]byte, MaxMessage)
	c := bindingSuccess
	if kind&64 != 0 {
		c = bindingError
	}
	w := newWriter(out, c, &m.id)
	if c == bindingError {
		w.errorCode([]uint16{codeRoleConflict, 400}[kind>>7])
	} else {
		w.xorMapped(serverAddr)
	}
	return out[:w.finish(k)]
}

func checkInvariants(t *testing.T, a *Agent, now mono.Time) {
	t.Helper()
	pending, selected := 0, a.selected == nil
	for _, p := range a.pairs {
		if p.pending {
			pending++
			if p.tx.tries == 0 {
				t.Fatal("a check is to be sent that nobody waits for")
			}
		}
		selected = selected || p == a.selected
	}
	if pending != a.pending || !selected || len(a.pairs) > maxSignalled+maxLearnt {
		t.Fatalf("%d pending checks, counted %d; %d pairs", a.pending, pending, len(a.pairs))
	}
	if at := a.Deadline(); at != 0 && at <= now-mono.Time(time.Minute) {
		t.Fatalf("deadline a minute ago")
	}
	if a.State() == Connected && a.selected == nil {
		t.Fatal("connected to nobody")
	}
	_ = a.Stats()
}
