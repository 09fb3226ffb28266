package rtp

import (
	"encoding/binary"
	"time"
)

// SenderInfo is what a sender report says about the sender's stream
// (RFC 3550 §6.4.1).
type SenderInfo struct {
	NTP     uint64 // 32.32 fixed-point seconds since 1900
	RTPTime uint32 // the same instant on the stream's clock
	Packets uint32
	Octets  uint32
}

// ReportBlock is what a receiver says about one stream (RFC 3550 §6.4.1).
type ReportBlock struct {
	SSRC           uint32
	FractionLost   uint8  // of 256, since the last report
	CumulativeLost int32  // 24 bits; negative if duplicates came
	HighestSeq     uint32 // extended with the number of wraps
	Jitter         uint32 // in units of the stream's clock
	LSR            uint32 // middle 32 bits of the last sender report's NTP time, 0 if none
	DLSR           uint32 // delay since then in 1/65536 s
}

// SenderInfo decodes a sender report.
func (p RTCP) SenderInfo() (SenderInfo, bool) {
	if p.Type != TypeSR || len(p.Body) < 4+senderInfoLen {
		return SenderInfo{}, false
	}
	return SenderInfo{
		NTP:     binary.BigEndian.Uint64(p.Body[4:]),
		RTPTime: binary.BigEndian.Uint32(p.Body[12:]),
		Packets: binary.BigEndian.Uint32(p.Body[16:]),
		Octets:  binary.BigEndian.Uint32(p.Body[20:]),
	}, true
}

// Reports is how many report blocks a sender or receiver report holds
// completely.
func (p RTCP) Reports() int {
	return min(int(p.Count), len(p.reports())/reportBlockLen)
}

func (p RTCP) reports() []byte {
	start := 4
	switch p.Type {
	case TypeSR:
		start += senderInfoLen
	case TypeRR:
	default:
		return nil
	}
	if len(p.Body) < start {
		return nil
	}
	return p.Body[start:]
}

// Report returns the i-th report block, 0 <= i < Reports.
func (p RTCP) Report(i int) ReportBlock {
	b := p.reports()[i*reportBlockLen:]
	lost := binary.BigEndian.Uint32(b[4:])
	return ReportBlock{
		SSRC:           binary.BigEndian.Uint32(b),
		FractionLost:   uint8(lost >> 24),
		CumulativeLost: int32(lost<<8) >> 8,
		HighestSeq:     binary.BigEndian.Uint32(b[8:]),
		Jitter:         binary.BigEndian.Uint32(b[12:]),
		LSR:            binary.BigEndian.Uint32(b[16:]),
		DLSR:           binary.BigEndian.Uint32(b[20:]),
	}
}

// AppendSenderReport appends a sender report with up to 31 report blocks;
// further ones are left out.
func AppendSenderReport(dst []byte, ssrc uint32, info SenderInfo, reports []ReportBlock) []byte {
	reports = reports[:min(len(reports), maxReportBlocks)]
	dst = appendRTCP(dst, TypeSR, uint8(len(reports)), 4+senderInfoLen+len(reports)*reportBlockLen)
	dst = binary.BigEndian.AppendUint32(dst, ssrc)
	dst = binary.BigEndian.AppendUint64(dst, info.NTP)
	dst = appendWords(dst, info.RTPTime, info.Packets, info.Octets)
	return appendReports(dst, reports)
}

// AppendReceiverReport appends a receiver report with up to 31 report blocks;
// further ones are left out.
func AppendReceiverReport(dst []byte, ssrc uint32, reports []ReportBlock) []byte {
	reports = reports[:min(len(reports), maxReportBlocks)]
	dst = appendRTCP(dst, TypeRR, uint8(len(reports)), 4+len(reports)*reportBlockLen)
	return appendReports(binary.BigEndian.AppendUint32(dst, ssrc), reports)
}

func appendReports(dst []byte, reports []ReportBlock) []byte {
	for i := range reports {
		r := &reports[i]
		lost := min(max(r.CumulativeLost, -1<<23), 1<<23-1) // RFC 3550 A.3 clamps
		dst = appendWords(dst, r.SSRC, uint32(r.FractionLost)<<24|uint32(lost)&0xffffff,
			r.HighestSeq, r.Jitter, r.LSR, r.DLSR)
	}
	return dst
}

// SDES item types (RFC 3550 §6.5).
const SDESCNAME uint8 = 1

// EachSDES calls f for every item of a source description until it returns
// false. The text lies in the packet's memory.
func (p RTCP) EachSDES(f func(ssrc uint32, item uint8, text []byte) bool) {
	if p.Type != TypeSDES {
		return
	}
	b := p.Body
	for n := 0; n < int(p.Count) && len(b) >= 4; n++ {
		ssrc := binary.BigEndian.Uint32(b)
		pos := 4
		for pos+2 <= len(b) && b[pos] != 0 {
			end := pos + 2 + int(b[pos+1])
			if end > len(b) || !f(ssrc, b[pos], b[pos+2:end]) {
				return
			}
			pos = end
		}
		pos = pos&^3 + 4 // at least one zero byte ends the chunk
		if pos > len(b) {
			return
		}
		b = b[pos:]
	}
}

// AppendCNAME appends a source description with the canonical name of one
// SSRC, cut at 255 bytes.
func AppendCNAME(dst []byte, ssrc uint32, cname string) []byte {
	cname = cname[:min(len(cname), 255)]
	items := (2+len(cname))&^3 + 4
	dst = appendRTCP(dst, TypeSDES, 1, 4+items)
	dst = binary.BigEndian.AppendUint32(dst, ssrc)
	dst = append(dst, SDESCNAME, byte(len(cname)))
	dst = append(dst, cname...)
	for range items - 2 - len(cname) {
		dst = append(dst, 0)
	}
	return dst
}

// Byes is how many SSRCs a goodbye lists.
func (p RTCP) Byes() int {
	if p.Type != TypeBYE {
		return 0
	}
	return min(int(p.Count), len(p.Body)/4)
}

// Bye returns the i-th SSRC that leaves, 0 <= i < Byes.
func (p RTCP) Bye(i int) uint32 { return p.word(i) }

// AppendBye appends a goodbye of one SSRC.
func AppendBye(dst []byte, ssrc uint32) []byte {
	return appendWords(appendRTCP(dst, TypeBYE, 1, 4), ssrc)
}

// ntpEpoch is the difference between the epochs of NTP and Unix in seconds
// (RFC 5905 §6).
const ntpEpoch = 2208988800

// NTPTime converts wall-clock time to the format of sender reports.
func NTPTime(t time.Time) uint64 {
	seconds := uint64(t.Unix() + ntpEpoch)
	return seconds<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// compactNTP is the middle of an NTP time, as LSR holds it.
func compactNTP(ntp uint64) uint32 { return uint32(ntp >> 16) }

// compactDuration converts to and from units of 1/65536 s, as DLSR holds them.
func compactDuration(d time.Duration) uint32 {
	return uint32((max(d, 0) << 16) / time.Second) // wraps after 18 hours, as the field does
}

func fromCompact(v uint32) time.Duration {
	return time.Duration(v) * time.Second >> 16
}
