package bridge

import (
	"unsafe"

	"github.com/plenum-conf/plenum/internal/rtp"
)

// How many receivers ahead what a packet needs of them is fetched. What the
// second step asks for is found by what the first has brought.
const (
	fetchSub, fetchStreams, fetchKeys = 5, 3, 1
)

// How many packets ahead what has gathered is fetched.
// What a step asks for is found by what those before it have brought.
const fetchOpener, fetchStates, fetchLast = 8, 5, 2

// findOwners finds whose the first n packets of a read are that has gathered, and
// has what a packet needs of them brought into the cache. Each of a thousand
// people who are only there sends six packets a second, and in between the
// processor has seen everybody else's: most of what such a packet costs is
// waiting for memory. With 25 rooms of 40 at rest opening it was 22 % of the
// server's CPU time, of which a tenth was AES. That SSRCs are found without maps,
// and this, made 3.50 and 3.65 % of a core of 4.27 %. With as many who send digital silence,
// 23.2 % became 19.6 % when the same was done for RTP.
func (w *worker) findOwners(n int) {
	for i := range n {
		ep := w.byAddr[w.in.Packets[i].Addr]
		w.intake.owners = append(w.intake.owners, ep)
		if ep != nil {
			prefetch3(unsafe.Pointer(&ep.formats.ext)) // and what is behind: see outward
			prefetch3(unsafe.Pointer(&ep.opener))
		}
	}
}

// fetchAhead has what the next packets that have gathered need brought into the
// cache, when packet i is about to be handled.
func (w *worker) fetchAhead(i int) {
	if ep := w.owner(i + fetchOpener); ep != nil {
		prefetch3(unsafe.Pointer(ep.opener))
		prefetch(unsafe.Pointer(unsafe.SliceData(ep.in.ssrcs)))
		prefetch3(unsafe.Pointer(unsafe.SliceData(ep.in.of)))
	}
	if ep := w.owner(i + fetchStates); ep != nil {
		enc, rtcp := ep.encodingOf(w.in.Packets[i+fetchStates].Data)
		ep.opener.Ahead(rtcp, prefetch3)
		prefetch3(unsafe.Pointer(enc))
	}
	if ep := w.owner(i + fetchLast); ep != nil {
		enc, rtcp := ep.encodingOf(w.in.Packets[i+fetchLast].Data)
		ep.opener.AheadKeys(rtcp, prefetch3)
		if enc != nil && !rtcp {
			prefetch3(unsafe.Pointer(enc.src))
			prefetch3(unsafe.Pointer(&enc.dup))
			prefetch3(unsafe.Pointer(ep.speaker))
			ep.arrivals.Ahead(prefetch)
		}
	}
}

// encodingOf is what a packet that is still sealed says it is of, nil if that is
// nothing that is known, and whether it is RTCP.
func (ep *endpoint) encodingOf(pkt []byte) (e *encoding, rtcp bool) {
	ssrc, rtcp := rtp.PeekSenderSSRC(pkt)
	if !rtcp {
		ssrc, _ = rtp.PeekSSRC(pkt)
	}
	in, _ := ep.in.find(ssrc)
	return in.enc, rtcp
}

// owner is whose packet i is; nil if that is not to be fetched.
func (w *worker) owner(i int) *endpoint {
	if i < len(w.intake.owners) {
		if ep := w.intake.owners[i]; ep != nil && ep.opener != nil {
			return ep
		}
	}
	return nil
}

// fetchAhead has what the next packets of a list need brought into the cache,
// when receiver i is about to get his. Between two packets to a receiver the kernel
// has sent thousands, so that hardly anything of him is still there; his part of
// the keys, estimate and numbers lies in a dozen places, each found by another,
// for which the processor would wait one by one.
//
// With 8 rooms of 40 and four microphones a packet takes 5 to 6 % less CPU: 7.33
// instead of 7.83 us, and in another run 6.63 instead of 6.96, by one server that
// changed between both every 200 ms. [BenchmarkForward] shows next to nothing of
// that (721 to 702 ns with 1,000 receivers): all of its receivers have one socket,
// so that the kernel does little, and the caches keep more.
func (l *audioList) fetchAhead(i int) {
	if k := i + fetchSub; k < len(l.subs) {
		prefetch(unsafe.Pointer(l.subs[k]))
	}
	if k := i + fetchStreams; k < len(l.subs) {
		sub := l.subs[k]
		prefetch3(unsafe.Pointer(sub.audioStream))
		prefetch3(unsafe.Pointer(&sub.to.formats.ext)) // and what is behind: see outward
	}
	if k := i + fetchKeys; k < len(l.subs) {
		if sub := l.subs[k]; sub.audioStream != nil {
			prefetch3(unsafe.Pointer(sub.keyed.at))
			prefetch3(unsafe.Pointer(sub.to.bw.est))
		}
	}
}
