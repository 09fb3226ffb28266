package srtp

import (
	"reflect"
	"unsafe"
)

// Opener verifies and decrypts what the remote side sent. One Opener holds
// the remote side's master key of one DTLS association.
type Opener struct {
	profile  Profile
	suite    suite
	maxSSRCs int
	rtcp     rtcpStates
	rtp      map[uint32]*received
	last     *received // of lastSSRC: runs of one SSRC are common
	lastSSRC uint32
}

// received is what is known of an SSRC's RTP packets.
type received struct {
	highest uint64
	used    [ReplayWindow / 64]uint64
}

// receivedRTCP is what is known of an SSRC's RTCP packets.
type receivedRTCP struct {
	ssrc    uint32
	highest uint64
	used    [ReplayWindowRTCP / 64]uint64
}

// rtcpStates is what is known of all SSRCs that have sent RTCP. A peer has a
// handful, each of which is heard so seldom that nothing of it is in the cache
// any more: side by side they are found with one look at the memory, where a map
// takes four. What is beyond the first ones is found by a map all the same, as a
// peer may choose any number of SSRCs.
type rtcpStates struct {
	all   []receivedRTCP
	later map[uint32]int // place of those from fewSSRCs on
}

// fewSSRCs is how many are looked for one after the other: of a browser with
// microphone, camera and screen.
const fewSSRCs = 8

// find returns what is known of an SSRC, or nil. It is valid until the next add
// or forget.
func (s *rtcpStates) find(ssrc uint32) *receivedRTCP {
	for i := range min(len(s.all), fewSSRCs) {
		if st := &s.all[i]; st.ssrc == ssrc {
			return st
		}
	}
	if i, ok := s.later[ssrc]; ok {
		return &s.all[i]
	}
	return nil
}

func (s *rtcpStates) add(st receivedRTCP) {
	s.all = append(s.all, st)
	s.place(len(s.all) - 1)
}

// place notes where a later one is.
func (s *rtcpStates) place(i int) {
	if i < fewSSRCs {
		return
	}
	if s.later == nil {
		s.later = map[uint32]int{}
	}
	s.later[s.all[i].ssrc] = i
}

// forget drops an SSRC; the last one takes its place.
func (s *rtcpStates) forget(ssrc uint32) {
	for i := range s.all {
		if s.all[i].ssrc != ssrc {
			continue
		}
		last := len(s.all) - 1
		delete(s.later, ssrc)
		delete(s.later, s.all[last].ssrc)
		s.all[i] = s.all[last]
		s.all = s.all[:last]
		if i < last {
			s.place(i)
		}
		return
	}
}

// NewOpener makes an Opener from the remote side's master key and salt
// (RFC 5764 §4.2). It keeps neither slice. Errors: ErrProfile, ErrKeyLength.
func NewOpener(p Profile, key, salt []byte) (*Opener, error) {
	s, err := newSuite(p, key, salt)
	if err != nil {
		return nil, err
	}
	return &Opener{
		profile: p, suite: s, maxSSRCs: DefaultMaxSSRCs,
		rtp: make(map[uint32]*received),
	}, nil
}

// Profile returns the profile the Opener was made for.
func (o *Opener) Profile() Profile { return o.profile }

// SetMaxSSRCs changes how many SSRCs are remembered for RTP, and again for
// RTCP. SSRCs that are already known stay known.
func (o *Opener) SetMaxSSRCs(n int) { o.maxSSRCs = n }

// SSRCs returns how many SSRCs have sent authentic RTP.
func (o *Opener) SSRCs() int { return len(o.rtp) }

// Forget drops what is known of an SSRC that is gone, to make room. Packets
// of it that were recorded can be replayed afterwards: only forget SSRCs whose
// packets are discarded anyway.
func (o *Opener) Forget(ssrc uint32) {
	delete(o.rtp, ssrc)
	o.rtcp.forget(ssrc)
	o.last = nil
}

// Ahead calls fetch with memory that the next SRTCP or SRTP packet needs, to be
// brought into the cache and for nothing else: what is known of SSRCs, for RTCP the
// first ones side by side, for RTP the last one, and the transform.
func (o *Opener) Ahead(rtcp bool, fetch func(unsafe.Pointer)) {
	if rtcp {
		fetch(unsafe.Pointer(unsafe.SliceData(o.rtcp.all)))
	} else {
		fetch(unsafe.Pointer(o.last))
	}
	fetch(data(&o.suite))
}

// AheadKeys is Ahead for keys, which the transform has to be there for.
func (o *Opener) AheadKeys(rtcp bool, fetch func(unsafe.Pointer)) {
	g, ok := o.suite.(*gcm)
	if !ok {
		return
	}
	keys := &g.rtp
	if rtcp {
		keys = &g.rtcp
	}
	fetch(data(keys))
	fetch(unsafe.Add(data(keys), gcmTable))
}

// gcmTable is about where the second thing that is needed of a cipher.AEAD lies,
// behind the round keys: the products of its hash. It is 0 where there is none, since
// a pointer must not be to what is behind the memory it came from.
var gcmTable = func() uintptr {
	const behindKeys = 512
	aead, err := newAEAD(make([]byte, 16))
	if err != nil {
		return 0
	}
	if t := reflect.TypeOf(aead); t.Kind() == reflect.Pointer && t.Elem().Size() > behindKeys {
		return behindKeys
	}
	return 0
}()

// data is where what an interface holds lies.
func data[T any](iface *T) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(iface))[1]
}

// OpenRTP opens an SRTP packet in place: pkt[:n] is the plain packet
// afterwards, with its header as it was. Errors: ErrShort, ErrReplay,
// ErrTooManySSRCs, ErrAuth; after ErrAuth the content of pkt is undefined.
func (o *Opener) OpenRTP(pkt []byte) (n int, err error) {
	hdr, ok := rtpHeaderLen(pkt)
	if !ok || len(pkt)-hdr < o.profile.OverheadRTP() {
		return 0, ErrShort
	}
	ssrc, seq := rtpSSRC(pkt), rtpSeq(pkt)
	state := o.state(ssrc)
	index := uint64(seq)
	if state != nil {
		if index, ok = estimate(state.highest, seq); !ok || !unused(state.used[:], state.highest, index) {
			return 0, ErrReplay
		}
	} else if len(o.rtp) >= o.maxSSRCs {
		return 0, ErrTooManySSRCs
	}
	if n, ok = o.suite.openRTP(pkt, hdr, ssrc, index); !ok {
		return 0, ErrAuth
	}
	if state == nil {
		state = o.remember(ssrc, index)
	}
	state.highest = mark(state.used[:], state.highest, index)
	return n, nil
}

// state finds what is known of an SSRC, or nil.
func (o *Opener) state(ssrc uint32) *received {
	if o.last != nil && o.lastSSRC == ssrc {
		return o.last
	}
	state := o.rtp[ssrc]
	o.last, o.lastSSRC = state, ssrc
	return state
}

func (o *Opener) remember(ssrc uint32, index uint64) *received {
	state := &received{highest: index}
	o.rtp[ssrc] = state
	o.last, o.lastSSRC = state, ssrc
	return state
}

// OpenRTCP opens an SRTCP compound packet in place: pkt[:n] is the plain
// compound afterwards. Packets without encryption (E flag 0) are accepted if
// they are authentic (RFC 3711 §3.4). Errors as for OpenRTP.
func (o *Opener) OpenRTCP(pkt []byte) (n int, err error) {
	if len(pkt) < rtcpHeaderLen+o.profile.OverheadRTCP() || pkt[0]>>6 != 2 {
		return 0, ErrShort
	}
	ssrc := rtcpSSRC(pkt)
	index := uint64(o.suite.rtcpIndex(pkt) &^ encryptedFlag)
	state := o.rtcp.find(ssrc)
	if state != nil && !unused(state.used[:], state.highest, index) {
		return 0, ErrReplay
	}
	if state == nil && len(o.rtcp.all) >= o.maxSSRCs {
		return 0, ErrTooManySSRCs
	}
	n, ok := o.suite.openRTCP(pkt, ssrc)
	if !ok {
		return 0, ErrAuth
	}
	if state == nil {
		o.rtcp.add(receivedRTCP{ssrc: ssrc, highest: index})
		state = o.rtcp.find(ssrc)
	}
	state.highest = mark(state.used[:], state.highest, index)
	return n, nil
}
