package srtp

// Sealer encrypts and authenticates what the local side sends. One Sealer
// holds the local side's master key of one DTLS association; no other Sealer
// may be made from the same key, or nonces would repeat.
type Sealer struct {
	profile  Profile
	suite    suite
	maxSSRCs int
	rtp      map[uint32]*sealed
	rtcp     map[uint32]uint32 // last index used
	last     *sealed           // of lastSSRC
	lastSSRC uint32
}

// sealed is which packets of an SSRC were sealed.
type sealed struct {
	highest uint64
	used    [SealWindow / 64]uint64
}

// NewSealer makes a Sealer from the local side's master key and salt
// (RFC 5764 §4.2). It keeps neither slice. Errors: ErrProfile, ErrKeyLength.
func NewSealer(p Profile, key, salt []byte) (*Sealer, error) {
	s, err := newSuite(p, key, salt)
	if err != nil {
		return nil, err
	}
	return &Sealer{
		profile: p, suite: s, maxSSRCs: DefaultMaxSealedSSRCs,
		rtp: make(map[uint32]*sealed), rtcp: make(map[uint32]uint32),
	}, nil
}

// Profile returns the profile the Sealer was made for.
func (s *Sealer) Profile() Profile { return s.profile }

// SetMaxSSRCs changes how many SSRCs may be sealed with RTP, and again with
// RTCP.
func (s *Sealer) SetMaxSSRCs(n int) { s.maxSSRCs = n }

// OverheadRTP is how many bytes SealRTP adds.
func (s *Sealer) OverheadRTP() int { return s.profile.OverheadRTP() }

// OverheadRTCP is how many bytes SealRTCP adds.
func (s *Sealer) OverheadRTCP() int { return s.profile.OverheadRTCP() }

// SealRTP writes the plain packet pkt, sealed, to dst[:n]. dst must hold
// len(pkt)+OverheadRTP bytes; it may begin at the same byte as pkt (sealing in
// place), otherwise the two must not overlap.
//
// Every (SSRC, roll-over counter, sequence number) can be sealed once only: a
// second packet under the same nonce would tell an observer the exclusive-or
// of both, and with AES-GCM let him forge packets (RFC 7714 §8.1). A packet
// must therefore be newer than all sealed before, or at most SealWindow-1
// packets older than the newest and not sealed yet (packets that arrive out of
// order). Anything else is ErrNonceReuse and dst is untouched. To repeat a
// packet, send the very bytes of the first time, or use RTX.
//
// Other errors: ErrShort, ErrBuffer, ErrTooManySSRCs, ErrKeyExhausted.
func (s *Sealer) SealRTP(dst, pkt []byte) (n int, err error) {
	hdr, ok := rtpHeaderLen(pkt)
	if !ok {
		return 0, ErrShort
	}
	if len(dst) < len(pkt)+s.profile.OverheadRTP() {
		return 0, ErrBuffer
	}
	ssrc := rtpSSRC(pkt)
	index, err := s.claim(ssrc, rtpSeq(pkt))
	if err != nil {
		return 0, err
	}
	return s.suite.sealRTP(dst, pkt, hdr, ssrc, index), nil
}

// claim finds the index of the next packet of an SSRC and marks it as used.
func (s *Sealer) claim(ssrc uint32, seq uint16) (uint64, error) {
	state := s.last
	if state == nil || s.lastSSRC != ssrc {
		if state = s.rtp[ssrc]; state == nil {
			return s.first(ssrc, seq)
		}
		s.last, s.lastSSRC = state, ssrc
	}
	index, ok := estimate(state.highest, seq)
	switch {
	case !ok && state.highest >= 1<<47:
		return 0, ErrKeyExhausted
	case !ok || !unused(state.used[:], state.highest, index):
		return 0, ErrNonceReuse
	}
	state.highest = mark(state.used[:], state.highest, index)
	return index, nil
}

func (s *Sealer) first(ssrc uint32, seq uint16) (uint64, error) {
	if len(s.rtp) >= s.maxSSRCs {
		return 0, ErrTooManySSRCs
	}
	state := &sealed{highest: uint64(seq)}
	mark(state.used[:], state.highest, state.highest)
	s.rtp[ssrc] = state
	s.last, s.lastSSRC = state, ssrc
	return uint64(seq), nil
}

// SealRTCP writes the plain RTCP compound pkt, encrypted and authenticated,
// to dst[:n]; dst must hold len(pkt)+OverheadRTCP bytes and may begin at the
// same byte as pkt. The SRTCP index is counted per sender SSRC, which is that
// of the first packet. Errors: ErrShort, ErrBuffer, ErrTooManySSRCs,
// ErrKeyExhausted.
func (s *Sealer) SealRTCP(dst, pkt []byte) (n int, err error) {
	if len(pkt) < rtcpHeaderLen || pkt[0]>>6 != 2 {
		return 0, ErrShort
	}
	if len(dst) < len(pkt)+s.profile.OverheadRTCP() {
		return 0, ErrBuffer
	}
	ssrc := rtcpSSRC(pkt)
	index, known := s.rtcp[ssrc]
	if !known && len(s.rtcp) >= s.maxSSRCs {
		return 0, ErrTooManySSRCs
	}
	if index >= maxSRTCPIndex {
		return 0, ErrKeyExhausted
	}
	s.rtcp[ssrc] = index + 1
	return s.suite.sealRTCP(dst, pkt, ssrc, (index+1)|encryptedFlag), nil
}
