package srtp

// Sealer encrypts and authenticates what the local side sends. One Sealer
// holds the local side's master key of one DTLS association; no other Sealer
// may be made from the same key, or nonces would repeat.
type Sealer struct {
	profile  Profile
	suite    suite
	maxSSRCs int
	rtp      map[uint32]*Stream
	rtcp     map[uint32]uint32 // last index used
}

// Stream seals the RTP packets of one SSRC with the keys of one [Sealer]. There
// is one of it for each SSRC, whoever asks for it: which numbers were used is
// known in one place.
type Stream struct {
	sealer  *Sealer // only compared: another piece of memory would cost as much as a short packet
	suite   suite
	ssrc    uint32
	profile Profile
	begun   bool // highest is that of a packet
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
		rtp: make(map[uint32]*Stream), rtcp: make(map[uint32]uint32),
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

// Stream returns what seals the packets of an SSRC. Who sends many keeps it for
// as long as the Sealer is in use. It touches nothing that sealing does, so that
// the owner of a Sealer may call it while somebody else seals for him, with
// other Streams or RTCP. Errors: ErrTooManySSRCs.
func (s *Sealer) Stream(ssrc uint32) (*Stream, error) {
	st := s.rtp[ssrc]
	if st == nil {
		if len(s.rtp) >= s.maxSSRCs {
			return nil, ErrTooManySSRCs
		}
		st = &Stream{sealer: s, suite: s.suite, profile: s.profile, ssrc: ssrc}
		s.rtp[ssrc] = st
	}
	return st, nil
}

// SealRTP is Seal of the packet's Stream, for who sends little. Errors: those of
// Seal but ErrSSRC, and ErrTooManySSRCs.
func (s *Sealer) SealRTP(dst, pkt []byte) (n int, err error) {
	if _, ok := rtpHeaderLen(pkt); !ok {
		return 0, ErrShort
	}
	st, err := s.Stream(rtpSSRC(pkt))
	if err != nil {
		return 0, err
	}
	return st.Seal(dst, pkt)
}

// Of reports whether the Stream is one of a Sealer: with other keys there is
// another.
func (st *Stream) Of(s *Sealer) bool { return st.sealer == s }

// Seal writes the plain packet pkt, sealed, to dst[:n]. dst must hold
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
// Other errors: ErrShort, ErrSSRC, ErrBuffer, ErrKeyExhausted.
func (st *Stream) Seal(dst, pkt []byte) (n int, err error) {
	hdr, ok := rtpHeaderLen(pkt)
	switch {
	case !ok:
		return 0, ErrShort
	case rtpSSRC(pkt) != st.ssrc:
		return 0, ErrSSRC
	case len(dst) < len(pkt)+st.profile.OverheadRTP():
		return 0, ErrBuffer
	}
	index, err := st.claim(rtpSeq(pkt))
	if err != nil {
		return 0, err
	}
	return st.suite.sealRTP(dst, pkt, hdr, st.ssrc, index), nil
}

// claim finds the index of the next packet and marks it as used.
func (st *Stream) claim(seq uint16) (uint64, error) {
	if !st.begun {
		st.begun, st.highest = true, uint64(seq)
	}
	index, ok := estimate(st.highest, seq)
	switch {
	case !ok && st.highest >= 1<<47:
		return 0, ErrKeyExhausted
	case !ok || !unused(st.used[:], st.highest, index):
		return 0, ErrNonceReuse
	}
	st.highest = mark(st.used[:], st.highest, index)
	return index, nil
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
