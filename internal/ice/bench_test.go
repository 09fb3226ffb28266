package ice

import (
	"testing"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/testkit/netem"
)

// BenchmarkRequest is one Binding request parsed, authenticated and answered.
func BenchmarkRequest(b *testing.B) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	pkt := request("servr:clint", serverPwd, false)
	var dst [MaxMessage]byte
	b.ReportAllocs()
	for b.Loop() {
		_ = a.Handle(netem.Start, clientAddr, pkt)
		a.Outgoing(dst[:])
	}
}

// BenchmarkStranger is a request with a wrong password.
func BenchmarkStranger(b *testing.B) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	pkt := request("servr:clint", clientPwd, false)
	b.ReportAllocs()
	for b.Loop() {
		_ = a.Handle(netem.Start, clientAddr, pkt)
	}
}

// BenchmarkConsent is a request answered by an agent that is connected.
func BenchmarkConsent(b *testing.B) {
	a := newAgent("servr", serverPwd, 2, true).Agent
	_ = a.SetRemote("clint", clientPwd, []media.Candidate{host(clientAddr)}, netem.Start)
	_ = a.Handle(netem.Start+1, clientAddr, response(b, a, newKey(clientPwd)))
	pkt := request("servr:clint", serverPwd, false)
	var dst [MaxMessage]byte
	b.ReportAllocs()
	for b.Loop() {
		_ = a.Handle(netem.Start+2, clientAddr, pkt)
		a.Outgoing(dst[:])
	}
}

func BenchmarkPeekUsername(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		PeekUsername(unhexed)
	}
}
