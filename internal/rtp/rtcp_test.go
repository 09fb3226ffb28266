package rtp

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// describe says what a compound contains, for comparison with text.
func describe(buf []byte) string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	c := NewCompound(buf)
	for c.Next() {
		p := c.Packet()
		if info, ok := p.SenderInfo(); ok {
			add("SR %x %+v", p.SenderSSRC(), info)
		} else if p.Type == TypeRR {
			add("RR %x", p.SenderSSRC())
		}
		for i := range p.Reports() {
			add("report %+v", p.Report(i))
		}
		p.EachSDES(func(ssrc uint32, item uint8, text []byte) bool {
			add("SDES %x %d %q", ssrc, item, text)
			return true
		})
		for i := range p.Byes() {
			add("BYE %x", p.Bye(i))
		}
		if p.NACKs() > 0 {
			var lost []uint16
			p.EachNACK(func(seq uint16) bool { lost = append(lost, seq); return true })
			add("NACK %x %x %v", p.SenderSSRC(), p.MediaSSRC(), lost)
		}
		if p.IsPLI() {
			add("PLI %x %x", p.SenderSSRC(), p.MediaSSRC())
		}
		for i := range p.FIRs() {
			ssrc, seq := p.FIR(i)
			add("FIR %x %x %d", p.SenderSSRC(), ssrc, seq)
		}
		if bitrate, ok := p.REMB(); ok {
			add("REMB %d", bitrate)
			for i := range p.REMBSSRCs() {
				add("for %x", p.REMBSSRC(i))
			}
		}
		if tcc, err := ParseTransportCC(p); err == nil {
			add("TCC %d %d", tcc.BaseSeq, tcc.Count)
			for range tcc.Count {
				tcc.Next()
			}
		}
	}
	if c.Malformed() {
		add("malformed")
	}
	return strings.Join(out, "\n")
}

// The bytes follow the figures of the sections named.
func TestReadRTCP(t *testing.T) {
	for _, c := range []struct{ name, packet, want string }{
		{"sender report, RFC 3550 §6.4.1",
			"81 c8 000c 00000001 83aa7e80 80000000 00000064 00000002 000000c8 00000009 40fffffe 00010005 00000007 7e808000 00010000",
			"SR 1 {NTP:9487534655377768448 RTPTime:100 Packets:2 Octets:200}\n" +
				"report {SSRC:9 FractionLost:64 CumulativeLost:-2 HighestSeq:65541 Jitter:7 LSR:2122350592 DLSR:65536}"},
		{"receiver report without blocks, RFC 3550 §6.4.2", "80 c9 0001 000000aa", "RR aa"},
		{"a block is missing", "82 c9 0007 000000aa 00000009 00000000 00000000 00000000 00000000 00000000",
			"RR aa\nreport {SSRC:9 FractionLost:0 CumulativeLost:0 HighestSeq:0 Jitter:0 LSR:0 DLSR:0}"},
		{"source description, RFC 3550 §6.5", "82 ca 0006 00000001 01 02 6162 03 01 63 00 00000002 01 01 64 00",
			`malformed`},
		{"source description of two", "82 ca 0006 00000001 01 02 6162 03 01 63 00 00000002 01 01 64 00 00000000",
			"SDES 1 1 \"ab\"\nSDES 1 3 \"c\"\nSDES 2 1 \"d\""},
		{"description beyond the end", "81 ca 0002 00000001 01 09 6162", ""},
		{"goodbye with a reason, RFC 3550 §6.6", "82 cb 0003 00000001 00000002 03 616263", "BYE 1\nBYE 2"},
		{"goodbye that counts too many", "9f cb 0001 00000001", "BYE 1"},
		{"NACK, RFC 4585 §6.2.1", "81 cd 0004 00000001 00000002 fffe 8003 0010 0000",
			"NACK 1 2 [65534 65535 0 14 16]"},
		{"PLI, RFC 4585 §6.3.1", "81 ce 0002 00000001 00000002", "PLI 1 2"},
		{"PLI too short", "81 ce 0001 00000001", ""},
		{"FIR, RFC 5104 §4.3.1.1", "84 ce 0006 00000001 00000000 00000002 07000000 00000003 08000000", "FIR 1 2 7\nFIR 1 3 8"},
		{"REMB, draft-alvestrand-rmcat-remb-03 §2.2", "8f ce 0005 00000001 00000000 52454d42 01 0bffff 00000002",
			"REMB 1048572\nfor 2"},
		{"REMB that overflows", "8f ce 0004 00000001 00000000 52454d42 00 ffffff", ""},
		{"REMB that counts too many", "8f ce 0004 00000001 00000000 52454d42 09 000001", "REMB 1"},
		{"another application's message", "8f ce 0004 00000001 00000000 58454d42 00 000001", ""},
		{"an estimate in the wrong place", "8f cd 0004 00000001 00000000 52454d42 00 000001", ""},
		{"padding, RFC 3550 §6.4.1", "a1 ce 0003 00000001 00000002 00000004", "PLI 1 2"},
		{"padding beyond the packet", "a1 ce 0002 00000001 00000009", "malformed"},
		{"padding 0", "a1 ce 0002 00000001 00000000", "malformed"},
		{"compound", "80 c9 0001 000000aa 81 ce 0002 00000001 00000002 81 cb 0001 000000aa", "RR aa\nPLI 1 2\nBYE aa"},
		{"length beyond the end", "80 c9 0001 000000aa 81 ce 0003 00000001 00000002", "RR aa\nmalformed"},
		{"version", "00 c9 0001 000000aa", "malformed"},
		{"rest too short", "80 c9 0001 000000aa 80", "RR aa\nmalformed"},
	} {
		if got := describe(unhex(t, c.packet)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// What the builders write must read as what they were given.
func TestWriteRTCP(t *testing.T) {
	block := ReportBlock{SSRC: 9, FractionLost: 64, CumulativeLost: -2, HighestSeq: 65541, Jitter: 7, LSR: 8, DLSR: 9}
	blockText := "\nreport {SSRC:9 FractionLost:64 CumulativeLost:-2 HighestSeq:65541 Jitter:7 LSR:8 DLSR:9}"
	many := slices.Repeat([]ReportBlock{block}, 40)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"SR", AppendSenderReport(nil, 0xaa, SenderInfo{1 << 40, 2, 3, 4}, many[:1]),
			"SR aa {NTP:1099511627776 RTPTime:2 Packets:3 Octets:4}" + blockText},
		{"RR", AppendReceiverReport(nil, 0xaa, many[:2]), "RR aa" + blockText + blockText},
		{"RR with too many blocks", AppendReceiverReport(nil, 0xaa, many), "RR aa" + strings.Repeat(blockText, 31)},
		{"loss beyond 24 bits", AppendReceiverReport(nil, 1, []ReportBlock{{CumulativeLost: math.MaxInt32}}),
			"RR 1\nreport {SSRC:0 FractionLost:0 CumulativeLost:8388607 HighestSeq:0 Jitter:0 LSR:0 DLSR:0}"},
		{"CNAME", AppendCNAME(nil, 7, "ab"), `SDES 7 1 "ab"`},
		{"CNAME of other lengths", AppendCNAME(AppendCNAME(AppendCNAME(nil, 7, ""), 7, "abc"), 7, "abcdef"),
			"SDES 7 1 \"\"\nSDES 7 1 \"abc\"\nSDES 7 1 \"abcdef\""},
		{"BYE", AppendBye(nil, 7), "BYE 7"},
		{"NACK of nothing", AppendNACK(nil, 1, 2, nil), ""},
		{"NACK", AppendNACK(nil, 1, 2, []uint16{10, 11, 26, 27, 65000}), "NACK 1 2 [10 11 26 27 65000]"},
		{"NACK that wraps", AppendNACK(nil, 1, 2, []uint16{65535, 0, 15}), "NACK 1 2 [65535 0 15]"},
		{"PLI", AppendPLI(nil, 1, 2), "PLI 1 2"},
		{"FIR", AppendFIR(nil, 1, 2, 3), "FIR 1 2 3"},
		{"REMB", AppendREMB(nil, 1, 262143, []uint32{5, 6}), "REMB 262143\nfor 5\nfor 6"},
		{"REMB rounded down", AppendREMB(nil, 1, 1<<19-1, nil), "REMB 524286"},
		{"REMB of everything", AppendREMB(nil, 1, math.MaxUint64, nil), "REMB 18446673704965373952"},
	} {
		if got := describe(c.got); got != c.want {
			t.Errorf("%s: %x\n%s\nwant\n%s", c.name, c.got, got, c.want)
		}
	}
	if got := AppendNACK(nil, 1, 2, []uint16{10, 11, 26, 27}); !bytes.Equal(got[12:], unhex(t, "000a 8001 001b 0000")) {
		t.Errorf("pairs: %x", got[12:])
	}
	prefix := []byte{1, 2, 3}
	for _, got := range [][]byte{AppendNACK(slices.Clone(prefix), 1, 2, []uint16{5}), AppendCNAME(slices.Clone(prefix), 1, "x")} {
		if !bytes.Equal(got[:3], prefix) || describe(got[3:]) == "malformed" {
			t.Errorf("appended wrongly: %x", got)
		}
	}
}

func TestNTPTime(t *testing.T) {
	if got := NTPTime(time.Unix(0, 5e8)); got != 2208988800<<32|1<<31 {
		t.Errorf("%x", got)
	}
	for _, d := range []time.Duration{0, time.Second, 1500 * time.Millisecond, time.Hour} {
		if got := fromCompact(compactDuration(d)); got != d {
			t.Errorf("%v: %v", d, got)
		}
	}
	if compactDuration(-time.Second) != 0 {
		t.Error("negative duration")
	}
}

func TestRTCPAllocations(t *testing.T) {
	buf := make([]byte, 0, 1500)
	lost := []uint16{1, 2, 3}
	allocs.None(t, allocs.Many, func() {
		buf = AppendPLI(AppendNACK(AppendReceiverReport(buf[:0], 1, []ReportBlock{{SSRC: 2}}), 1, 2, lost), 1, 2)
		for c := NewCompound(buf); c.Next(); {
			p := c.Packet()
			p.EachNACK(func(uint16) bool { return true })
			p.Reports()
		}
	})
}

func FuzzRTCP(f *testing.F) {
	f.Add(AppendSenderReport(nil, 1, SenderInfo{}, make([]ReportBlock, 2)))
	f.Add(AppendCNAME(AppendREMB(AppendFIR(AppendBye(nil, 1), 1, 2, 3), 1, 99, []uint32{1}), 1, "abc"))
	f.Add(AppendNACK(AppendPLI(nil, 1, 2), 1, 2, []uint16{1, 5}))
	var r Recorder
	r.Add(1, at(0))
	r.Add(9, at(9))
	f.Add(r.Build(nil, 1, 2, at(10)))
	f.Fuzz(func(t *testing.T, buf []byte) { describe(buf) })
}

// FuzzTransportCC compares the two decoders on what the parser accepts.
func FuzzTransportCC(f *testing.F) {
	var r Recorder
	r.Add(1, at(0))
	r.Add(9, at(900))
	r.Add(7, at(1))
	f.Add(r.Build(nil, 1, 2, at(10))[4:])
	f.Fuzz(func(t *testing.T, body []byte) {
		tcc, err := ParseTransportCC(RTCP{Type: TypeRTPFB, Count: FormatTransportCC, Body: body})
		if err != nil {
			return
		}
		all := walk(t, tcc)
		if len(all) != int(tcc.Count) {
			t.Errorf("%d statuses of %d", len(all), tcc.Count)
		}
	})
}
