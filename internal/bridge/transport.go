package bridge

import (
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"

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
	ufrag, pwd string
	agent      *ice.Agent
	session    *secure.Session
	opener     *srtp.Opener // nil before the handshake is over
	sealer     *srtp.Sealer
	addrs      []netip.AddrPort // bound to this peer, oldest first
	to         netip.AddrPort   // where media goes; zero before ICE is done
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

func (ep *endpoint) initTransport() {
	ep.ufrag, ep.pwd = ice.NewUfrag(uint8(ep.w.index), nil), ice.NewPwd(nil)
	ep.agent = ice.NewAgent(ice.Config{Ufrag: ep.ufrag, Pwd: ep.pwd, Controlling: true, Rand: ep.w.random})
	ep.path = &datagramPath{sock: ep.w.sock}
	ep.session = secure.NewSession(secure.Config{
		Identity: ep.w.b.identity,
		Send:     ep.path.send,
		OnKeys:   func(k secure.Keys) { ep.w.mail.postAlways(keysReady{ep, k}) },
		OnClosed: func(err error) { ep.w.mail.postAlways(sessionEnded{ep, err}) },
		Channel:  ep.sctpChannel(),
	})
	ep.w.byUfrag[ep.ufrag] = ep
}

// localTransport describes the bridge's half for the offer.
func (ep *endpoint) localTransport() *media.Transport {
	b := ep.w.b
	t := &media.Transport{
		Ufrag: ep.ufrag, Pwd: ep.pwd,
		Fingerprint: &media.Fingerprint{Hash: "sha-256", Value: b.identity.Fingerprint(), Setup: "actpass"},
		Candidates:  slices.Clone(b.candidates),
	}
	if base := b.opt.channelBase(); base != "" {
		t.ChannelURL = base + "/" + ep.c.id + "/" + ep.id + "?pwd=" + ep.door.password
	}
	if ep.wantSCTP {
		t.SCTPPort = 5000
	}
	return t
}

// setRemote takes the peer's half, from session-accept.
func (ep *endpoint) setRemote(t *media.Transport) {
	if f := t.Fingerprint; f != nil {
		if err := ep.session.SetRemoteFingerprint(f.Hash, f.Value); err != nil {
			ep.problem = err.Error()
			ep.log().Warn("fingerprint refused", "err", err)
		}
	}
	if t.Ufrag != "" && t.Pwd != "" {
		if err := ep.agent.SetRemote(t.Ufrag, t.Pwd, t.Candidates, ep.w.now); err != nil {
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
		ep.srtpPacket(pkt)
	default:
		ep.w.count.inc(dropUnknownKind)
	}
}

func (ep *endpoint) stun(addr netip.AddrPort, pkt []byte) {
	if err := ep.agent.Handle(ep.w.now, addr, pkt); err != nil {
		ep.w.count.inc(dropBadSTUN)
	} else {
		ep.heard = ep.w.now
		ep.bindAddr(addr)
	}
	ep.driveICE()
}

func (ep *endpoint) dtls(addr netip.AddrPort, pkt []byte) {
	if !ep.to.IsValid() {
		ep.path.set(addr) // a check from there was authentic; nomination follows
	}
	ep.session.Push(pkt)
}

// driveICE carries out what the agent wants after anything happened to it.
func (ep *endpoint) driveICE() {
	for {
		buf := ep.w.stunBuf[:]
		n, to, ok := ep.agent.Outgoing(buf)
		if !ok {
			break
		}
		ep.w.send(to, buf[:n])
	}
	for _, addr := range ep.agent.TakeGoneRemotes() {
		ep.forgetAddr(addr)
		ep.w.unbind(addr, ep)
	}
	if sel, ok := ep.agent.Selected(); ok && sel != ep.to {
		ep.selected(sel)
	}
	ep.w.wheel.Schedule(&ep.iceTimer, ep.agent.Deadline())
	if ep.agent.State() == ice.Failed {
		ep.fail("ICE failed")
	}
}

func (ep *endpoint) iceTick(now mono.Time) {
	ep.agent.Tick(now)
	ep.driveICE()
}

func (ep *endpoint) selected(to netip.AddrPort) {
	ep.to = to
	ep.path.set(to)
	if ep.connected == 0 {
		ep.connected = ep.w.now
		ep.log().Debug("ICE connected")
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
	delete(ep.w.byUfrag, ep.ufrag)
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
