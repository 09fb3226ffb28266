// Package srtp protects and unprotects RTP and RTCP packets: SRTP (RFC 3711)
// with AES-CM and HMAC-SHA1, and with AES-GCM (RFC 7714).
//
// An [Opener] holds the keys of the remote side, a [Sealer] those of the local
// side; a media worker owns one of each per peer and calls them for every
// packet. Both work in the caller's memory and allocate only when they meet an
// SSRC for the first time.
//
// The package is a core: it must never open a socket, start a goroutine, hold
// a lock, read a clock or log. Values are not safe for concurrent use.
//
// # Limits
//
//   - Headers and header extensions are authenticated, never encrypted
//     (neither RFC 6904 nor RFC 9335 is spoken). There is no MKI and no key
//     derivation rate: DTLS-SRTP uses neither (RFC 5764 §4.1.2).
//   - A packet of an SSRC must lie at most [ReplayWindow] packets behind the
//     newest one that was authenticated. RTCP: [ReplayWindowRTCP].
//   - An Opener remembers [DefaultMaxSSRCs] SSRCs for RTP and as many for RTCP
//     (about 160 and 32 bytes each); packets of further ones are refused
//     before any cryptography is done. SSRCs are only remembered once a packet
//     of theirs was authentic.
//   - A Sealer remembers [DefaultMaxSealedSSRCs] SSRCs (about 130 bytes each)
//     and never forgets one, since a forgotten SSRC could be sealed again
//     under a nonce that was used before.
//   - The roll-over counter of an SSRC starts at 0. Senders should start
//     sequence numbers below 2^15, so that a receiver that misses the first
//     packets still guesses it (RFC 3711 §3.3.1).
package srtp
