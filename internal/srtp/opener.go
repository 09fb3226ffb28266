package srtp

// Opener verifies and decrypts what the remote side sent. One Opener holds
// the remote side's master key of one DTLS association.
type Opener struct {
	profile  Profile
	suite    suite
	maxSSRCs int
	rtp      map[uint32]*received
	rtcp     map[uint32]*receivedRTCP
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
	highest uint64
	used    [ReplayWindowRTCP / 64]uint64
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
		rtp: make(map[uint32]*received), rtcp: make(map[uint32]*receivedRTCP),
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
	delete(o.rtcp, ssrc)
	o.last = nil
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
	state := o.rtcp[ssrc]
	if state != nil && !unused(state.used[:], state.highest, index) {
		return 0, ErrReplay
	}
	if state == nil && len(o.rtcp) >= o.maxSSRCs {
		return 0, ErrTooManySSRCs
	}
	n, ok := o.suite.openRTCP(pkt, ssrc)
	if !ok {
		return 0, ErrAuth
	}
	if state == nil {
		state = &receivedRTCP{highest: index}
		o.rtcp[ssrc] = state
	}
	state.highest = mark(state.used[:], state.highest, index)
	return n, nil
}
