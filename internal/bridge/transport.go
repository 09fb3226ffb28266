package bridge

import (
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// transport is the path to one peer: ICE, DTLS, and the SRTP contexts that
// come of it.
type transport struct {
	agent      *agent // in use
	next, old  *agent // of an ICE restart: coming, going
	generation int    // of the latest restart
	identity   *secure.Identity
	session    *secure.Session
	opener     *srtp.Opener     // nil before the handshake is over
	addrs      []netip.AddrPort // bound to this peer, oldest first
	from       netip.AddrPort   // where the packet at hand came from
	elsewhere  mono.Time        // since when media comes from another address than to; 0 if it does not
	connected  mono.Time        // first time ICE was done
	heard      mono.Time        // last authenticated packet
	problem    string           // why DTLS failed
}

// datagramPath is how the DTLS goroutines reach the peer without the worker.
type datagramPath struct {
	sock *netio.Socket
	to   atomic.Pointer[netip.AddrPort]
}

func (p *datagramPath) send(datagram []byte) {
	if to := p.to.Load(); to != nil {
		// Best effort: DTLS and SCTP repeat what is lost.
		_ = p.sock.WriteTo(datagram, *to)
	}
}

func (p *datagramPath) set(to netip.AddrPort) { p.to.Store(&to) }

func (p *datagramPath) clear() { p.to.Store(nil) }

func (ep *endpoint) initTransport() {
	ep.agent = ep.newAgent(0)
	ep.identity, _ = ep.w.b.identities.get() // since New, there always is one
	ep.path = &datagramPath{sock: ep.w.sock}
	ep.session = secure.NewSession(secure.Config{
		Identity: ep.identity,
		Send:     ep.path.send,
		OnKeys:   func(k secure.Keys) { ep.w.mail.postAlways(keysReady{ep, k}) },
		OnClosed: func(err error) { ep.w.mail.postAlways(sessionEnded{ep, err}) },
		Channel:  ep.sctpChannel(),
	})
}

// describe tells an agent's half of the transport, as a client needs it.
func (ep *endpoint) describe(a *agent) *media.Transport {
	b := ep.w.b
	return &media.Transport{
		Ufrag: a.Ufrag(), Pwd: a.pwd, Generation: a.generation,
		Fingerprint: &media.Fingerprint{Hash: "sha-256", Value: ep.identity.Fingerprint(), Setup: "actpass"},
		Candidates:  slices.Clone(b.candidates),
	}
}

// localTransport describes the bridge's half for the offer.
func (ep *endpoint) localTransport() *media.Transport {
	b := ep.w.b
	t := ep.describe(ep.agent)
	if base := b.opt.channelBase(); base != "" {
		t.ChannelURL = base + "/" + ep.c.id + "/" + ep.id + "?pwd=" + ep.door.password
	}
	if ep.wantSCTP {
		t.SCTPPort = 5000
	}
	return t
}

// setRemote takes the peer's half, from session-accept or as the answer to an
// ICE restart.
func (ep *endpoint) setRemote(t *media.Transport) {
	a := ep.agentOf(t.Generation)
	if a == nil {
		ep.w.count.inc(dropStaleTransport)
		return
	}
	if f := t.Fingerprint; f != nil {
		if err := ep.session.SetRemoteFingerprint(f.Hash, f.Value); err != nil {
			ep.problem = err.Error()
			ep.log().Warn("fingerprint refused", "err", err)
		}
	}
	if t.Ufrag != "" && t.Pwd != "" {
		if err := a.SetRemote(t.Ufrag, t.Pwd, t.Candidates, ep.w.now); err != nil {
			ep.problem = err.Error()
			ep.log().Warn("ICE credentials refused", "err", err)
		}
		ep.driveICE()
	}
	if ep.accepted == 0 {
		ep.accepted = ep.w.now
		ep.w.wheel.Schedule(&ep.repeatTimer, ep.w.now.Add(repeatConstraintsAfter))
	}
}

// packet is everything that arrives from an address bound to this endpoint
// (RFC 7983 §7).
func (ep *endpoint) packet(addr netip.AddrPort, pkt []byte) {
	switch b := pkt[0]; {
	case b < 4:
		ep.stun(addr, pkt)
	case b >= 20 && b < 64:
		ep.dtls(addr, pkt)
	case b >= 128 && b < 192 && len(pkt) >= 12:
		ep.from = addr
		ep.srtpPacket(pkt)
	default:
		ep.w.count.inc(dropUnknownKind)
	}
}

func (ep *endpoint) stun(addr netip.AddrPort, pkt []byte) {
	if err := ep.agentFor(pkt).Handle(ep.w.now, addr, pkt); err != nil {
		ep.w.count.inc(dropBadSTUN)
	} else {
		ep.heard = ep.w.now
		ep.bindAddr(addr)
	}
	ep.driveICE()
}

func (ep *endpoint) dtls(addr netip.AddrPort, pkt []byte) {
	if ep.connected == 0 {
		ep.path.set(addr) // a check from there was authentic; nomination follows
	}
	ep.session.Push(pkt)
}

// driveICE carries out what the agents want after anything happened to one.
func (ep *endpoint) driveICE() {
	for _, a := range ep.agents() {
		if a != nil {
			ep.drain(a)
		}
	}
	restarted := ep.moveOn()
	if sel, ok := ep.agent.Selected(); ok && sel != ep.to {
		ep.selected(sel, restarted)
	}
	ep.scheduleICE()
	if ep.agent.State() == ice.Failed {
		ep.lostPath()
	}
}

// drain sends what an agent has to send, and lets go of what it has let go of.
func (ep *endpoint) drain(a *agent) {
	for {
		buf := ep.w.stunBuf[:]
		n, to, ok := a.Outgoing(buf)
		if !ok {
			break
		}
		ep.w.send(to, buf[:n])
	}
	for _, addr := range a.TakeGoneRemotes() {
		if addr != ep.to && !ep.proved(addr) {
			ep.forgetAddr(addr)
			ep.w.unbind(addr, ep)
		}
	}
}

func (ep *endpoint) scheduleICE() {
	var at mono.Time
	for _, a := range ep.agents() {
		if a != nil {
			at = mono.Earliest(mono.Earliest(at, a.Deadline()), a.until)
		}
	}
	ep.w.notBefore(&ep.iceTimer, at)
}

// lostPath is called when the peer has withdrawn its consent by silence:
// nothing more is sent to it (RFC 7675 §5.1). A restart that is on its way may
// still bring it back.
func (ep *endpoint) lostPath() {
	if ep.next == nil {
		ep.fail("ICE failed")
		return
	}
	ep.to = netip.AddrPort{}
	ep.path.clear()
}

func (ep *endpoint) iceTick(now mono.Time) {
	for _, a := range ep.agents() {
		if a != nil {
			a.Tick(now)
		}
	}
	ep.driveICE()
}

func (ep *endpoint) selected(to netip.AddrPort, restarted bool) {
	was := ep.to
	ep.to, ep.elsewhere = to, 0
	ep.path.set(to)
	if !was.IsValid() {
		ep.markDirty() // see takesVideo
	}
	if ep.connected != 0 {
		ep.pathChanged(restarted && was.Addr() == to.Addr())
	}
	if ep.connected == 0 {
		ep.connected = ep.w.now
		ep.log().Debug("ICE connected")
	}
}

// followAfter is how long a peer may send from another address than the one
// it is sent to, before we follow it there. It hears of our choice a moment
// after we have made one.
const followAfter = 500 * time.Millisecond

// heardMedia notes that the packet at hand was authentic. A client whose path
// has changed, be it by its own choice or by its NAT's, sends on the new one
// long before the consent on the old one has run out.
func (ep *endpoint) heardMedia() {
	now := ep.w.now
	ep.heard = now
	switch {
	case ep.from == ep.to:
		ep.elsewhere = 0
	case ep.elsewhere == 0:
		ep.elsewhere = now
	case now.Sub(ep.elsewhere) >= max(followAfter, 2*ep.agent.RTT()):
		ep.elsewhere = now
		if ep.agent.Prefer(now, ep.from) {
			ep.w.wheel.Schedule(&ep.iceTimer, now) // later in this turn: it may end the endpoint
		}
	}
}

// bindAddr makes packets from addr this endpoint's after an authentic message
// came from there.
func (ep *endpoint) bindAddr(addr netip.AddrPort) {
	if ep.w.byAddr[addr] == ep || !ep.w.bind(addr, ep) {
		return
	}
	if len(ep.addrs) >= ep.w.b.opt.Limits.AddressesPerEndpoint {
		ep.dropOldestAddr()
	}
	ep.addrs = append(ep.addrs, addr)
}

func (ep *endpoint) dropOldestAddr() {
	for i, a := range ep.addrs {
		if a != ep.to {
			ep.addrs = slices.Delete(ep.addrs, i, i+1)
			ep.w.unbind(a, ep)
			return
		}
	}
}

// forgetAddr is called when addr is not this endpoint's any more.
func (ep *endpoint) forgetAddr(addr netip.AddrPort) {
	ep.addrs = slices.DeleteFunc(ep.addrs, func(a netip.AddrPort) bool { return a == addr })
}

func (ep *endpoint) closeTransport() {
	ep.session.Close()
	for _, a := range ep.agents() {
		if a != nil {
			delete(ep.w.byUfrag, a.Ufrag())
		}
	}
	for _, a := range ep.addrs {
		ep.w.unbind(a, ep)
	}
	ep.addrs = nil
	ep.opener, ep.sealer = nil, nil
}

// maxSSRCs is from how many SSRCs an endpoint may send media in the course of
// its session. None is ever forgotten: what went before must stay known, or it
// could be replayed, and a sender that comes back with an old SSRC could not be
// understood.
const maxSSRCs = 1024

// keysReady brings the SRTP keys from the DTLS goroutine.
type keysReady struct {
	ep   *endpoint
	keys secure.Keys
}

func (e keysReady) handle(w *worker) {
	ep := e.ep
	if ep.gone {
		return
	}
	p := srtp.Profile(e.keys.Profile)
	opener, err1 := srtp.NewOpener(p, e.keys.RemoteKey, e.keys.RemoteSalt)
	sealer, err2 := srtp.NewSealer(p, e.keys.LocalKey, e.keys.LocalSalt)
	if err := errors.Join(err1, err2); err != nil {
		ep.problem = err.Error()
		return
	}
	opener.SetMaxSSRCs(maxSSRCs)
	ep.opener, ep.sealer = opener, sealer
	ep.secured(w.now)
}

// sessionEnded tells that DTLS is over: refused, timed out, or closed by the
// peer. The endpoint stays until the focus or its silence ends it, so that a
// page that is being reloaded does not look like a bridge that has failed.
type sessionEnded struct {
	ep  *endpoint
	err error
}

func (e sessionEnded) handle(*worker) {
	if e.ep.gone {
		return
	}
	e.ep.problem = e.err.Error()
	e.ep.log().Info("DTLS ended", "err", e.err)
}
