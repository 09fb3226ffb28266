package loadtest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/loadtest/dial"
	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/shape"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// peer is the media of one participant in one session. All but what is marked
// belongs to its worker.
type peer struct {
	w       *worker
	ctx     context.Context // of its participant; immutable
	living  *sync.WaitGroup // of the run, for its goroutines
	story   *story
	failed  func()       // set before it is added; called in a goroutine of its own when ICE gives up
	offer   *offer       // immutable
	sources *mySources   // immutable
	pwd     string       // immutable
	began   mono.Time    // of the room's conversation; immutable
	conn    *dial.Conn   // immutable once ICE has a pair
	to      atomic.Value // netip.AddrPort of the selected pair; for any goroutine

	member *netio.Member
	line   *line // nil unless the role has a bad network
	agent  *ice.Agent
	remote netip.AddrPort // selected, for the worker
	opener *srtp.Opener
	sealer *srtp.Sealer

	audio  *lmedia.Audio
	videos []*lmedia.Video
	up     *bwe.Estimator
	nextCC uint16 // transport-wide number of the next packet

	streams map[uint32]*lmedia.Stream
	order   []*lmedia.Stream // as they came
	newest  *lmedia.Stream   // of the last packet: the next is often of it too
	rtxOf   map[uint32]uint32
	known   map[uint32]announced
	tcc     rtp.Recorder
	rtt     rtp.RTT
	quiet   quiet

	forwarded map[string]bool // nil: not told
	muted     map[string]bool // sources that are
	count     record.Media
	delay     *record.Histogram

	pulse           *pulse // of its participant; immutable
	told            beat
	toldIn, toldOut uint64 // bytes, at the last EndpointStats
	sendT, houseT   mono.Timer
	nextHouse       mono.Time
	nextReport      mono.Time
	nextBudget      mono.Time
	closed          bool
	strange         bool // something came from where nothing may go
	scratch         [1500]byte
	nacks           []uint16
	blocks          []rtp.ReportBlock
}

// announced is a stream that signalling has told of.
type announced struct {
	source  string
	owner   string
	video   bool
	desktop bool
	rtx     uint32
}

const (
	housePeriod  = 50 * time.Millisecond
	reportPeriod = time.Second
	// consentPeriod is how often a browser checks the way to the bridge
	// (libwebrtc's interval for connections that are strong and stable).
	consentPeriod = 2500 * time.Millisecond
	keyFrameWait  = 700 * time.Millisecond // before a first key frame is asked for, again and again
	dtlsTimeout   = 20 * time.Second
)

// start opens the socket and begins ICE. It runs in the worker.
func (m *peer) start() {
	bind := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	for _, c := range m.offer.transport.Candidates {
		if c.Addr.Addr().Is6() && !c.Addr.Addr().Is4In6() {
			bind = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		}
	}
	member, err := m.w.swarm.Open(bind)
	if err != nil && bind.Addr().Is6() {
		member, err = m.w.swarm.Open(netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	}
	if err != nil {
		m.story.wrong(record.ICE, "no UDP socket: "+err.Error(), true)
		return
	}
	member.Owner = m
	m.member = member
	if m.sources.network != (shape.Profile{}) {
		m.line = newLine(m, m.sources.network, m.sources.seed)
	}
	m.agent = ice.NewAgent(ice.Config{Ufrag: m.sources.ufrag, Pwd: m.pwd, Consent: consentPeriod})
	m.streams, m.rtxOf, m.known = map[uint32]*lmedia.Stream{}, map[uint32]uint32{}, map[uint32]announced{}
	m.sendT.Owner, m.houseT.Owner = sendTimer{m}, houseTimer{m}
	m.w.peers[m] = struct{}{}
	t := m.offer.transport
	if err := m.agent.SetRemote(t.Ufrag, t.Pwd, usable(m.sources.reachable(t.Candidates), bind), m.w.now); err != nil {
		m.story.wrong(record.ICE, "the offer's transport is of no use: "+err.Error(), false)
	}
	m.drive()
	m.scheduleHouse(m.w.now)
}

// scheduleHouse lets house be called a period after it was due the last time:
// seen from when it was called, all that were late together would be together
// from then on.
func (m *peer) scheduleHouse(now mono.Time) {
	last := m.nextHouse
	m.nextHouse = last.Add(housePeriod)
	if last == 0 || m.nextHouse <= now {
		m.nextHouse = now.Add(m.phase(housekeeping, housePeriod))
	}
	m.w.wheel.Schedule(&m.houseT, m.nextHouse)
}

// usable leaves out candidates that a socket of the family cannot reach.
func usable(all []media.Candidate, bind netip.AddrPort) []media.Candidate {
	if bind.Addr().Is6() {
		return all
	}
	var out []media.Candidate
	for _, c := range all {
		if c.Addr.Addr().Unmap().Is4() {
			out = append(out, c)
		}
	}
	return out
}

// drive carries out what the ICE agent wants.
func (m *peer) drive() {
	for {
		n, to, ok := m.agent.Outgoing(m.scratch[:])
		if !ok {
			break
		}
		m.commit(copy(m.buffer(n, to), m.scratch[:n]))
	}
	m.flush()
	m.agent.TakeNewRemotes()
	addr, ok := m.agent.Selected()
	if !ok || addr == m.remote {
		return
	}
	first := !m.remote.IsValid()
	m.remote = addr
	m.to.Store(addr)
	if first {
		m.story.stepAt(record.ICE, m.w.now)
		m.conn = dial.New(dial.Config{
			Identity: m.sources.identity, Remote: m.offer.transport.Fingerprint, Profiles: m.sources.profiles,
			KeepOpen: m.offer.sctp, Send: m.datagram,
		})
		m.living.Go(m.handshake)
	}
}

// datagram sends for DTLS, from any goroutine.
func (m *peer) datagram(b []byte) {
	to, ok := m.to.Load().(netip.AddrPort)
	switch {
	case !ok:
	case m.line == nil:
		_ = m.member.WriteTo(b, to)
	default:
		b = slices.Clone(b)
		m.w.do(func() {
			if !m.closed {
				m.line.out.Push(m.w.now, b, to)
				m.lineDue()
			}
		})
	}
}

// handshake runs DTLS, in a goroutine of its own.
func (m *peer) handshake() {
	ctx, cancel := context.WithTimeout(m.ctx, dtlsTimeout)
	defer cancel()
	keys, err := m.conn.Handshake(ctx)
	if m.ctx.Err() != nil {
		return
	}
	if err != nil {
		m.w.do(func() { // a participant that has left meanwhile did not fail
			if !m.closed {
				m.story.wrong(record.DTLS, "DTLS: "+err.Error(), false)
				m.living.Go(m.failed)
			}
		})
		return
	}
	at := mono.Now()
	m.w.do(func() { m.secured(keys, at) })
}

// secured begins media.
func (m *peer) secured(keys dial.Keys, at mono.Time) {
	if m.closed {
		return
	}
	var err, err2 error
	m.opener, err = srtp.NewOpener(keys.Profile, keys.RemoteKey, keys.RemoteSalt)
	m.sealer, err2 = srtp.NewSealer(keys.Profile, keys.LocalKey, keys.LocalSalt)
	if err := errors.Join(err, err2); err != nil {
		m.story.wrong(record.DTLS, err.Error(), true)
		return
	}
	m.opener.SetMaxSSRCs(4096)
	m.count.Profile = keys.Profile.String()
	m.story.stepAt(record.DTLS, at)
	m.begin()
	if m.sources.onSecured != nil {
		m.living.Go(func() { m.sources.onSecured(m.conn) })
	}
}

// house does what is due now and then.
func (m *peer) house() {
	if m.closed {
		return
	}
	now := m.w.now
	if d := m.agent.Deadline(); d != 0 && now >= d {
		m.agent.Tick(now)
		m.drive()
		if m.agent.State() == ice.Failed {
			m.iceFailed()
			return
		}
	}
	if m.sealer != nil {
		m.rtcpDue(now)
		m.flush()
	}
	m.scheduleHouse(now)
}

func (m *peer) iceFailed() {
	if m.remote.IsValid() {
		m.story.wrong(record.ICE, "the bridge has not answered for 30 s", false)
	} else {
		m.story.wrong(record.ICE, "the bridge answers on none of its candidates", false)
	}
	m.close()
	m.living.Go(m.failed)
}

// close ends the peer. It runs in the worker.
func (m *peer) close() {
	if m.closed {
		return
	}
	m.closed = true
	m.tellPulse()
	m.w.wheel.Cancel(&m.sendT)
	m.w.wheel.Cancel(&m.houseT)
	if m.line != nil {
		m.w.wheel.Cancel(&m.line.timer)
	}
	for _, s := range m.order {
		m.w.gone.stream(s)
	}
	delete(m.w.peers, m)
	conn, member := m.conn, m.member
	if conn != nil {
		m.living.Go(conn.Close)
	}
	if member != nil {
		m.w.total.kernelDrops += member.KernelDrops()
		member.Close()
	}
}
