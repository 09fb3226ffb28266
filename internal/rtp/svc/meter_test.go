package svc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// meter measures a capture, from the given packet on.
func meter(packets []captured) *Meter {
	var m Meter
	for i := range packets {
		m.add1(&packets[i])
	}
	return &m
}

func (m *Meter) add1(p *captured) {
	if p.av1 {
		m.AddAV1(&p.packet.av1, p.size)
	} else {
		m.AddVP9(&p.vp9, p.size)
	}
}

// What the meter says each layer takes is what a selector forwards of it, in
// the part of a capture in which nothing changes.
func TestMeterAgreesWithSelectors(t *testing.T) {
	for name, from := range map[string]int{
		"vp9_l3t3_key.txt": 400, "vp9_l3t3.txt": 472, "vp9_l2t3_key.txt": 133, "vp9_l1t3.txt": 0,
		"av1_l3t3_key.txt": 0, "av1_l3t3.txt": 360, "av1_l2t3_key.txt": 0, "av1_l1t3.txt": 0, "vp9_firefox.txt": 0,
	} {
		packets := readCapture(t, name)
		to := len(packets)
		for i := from + 1; i < to; i++ {
			if p := &packets[i]; p.vp9.HasStructure || p.packet.av1.HasActiveTargets {
				to = i
			}
		}
		packets = packets[from:to]
		m := meter(packets)
		m.Roll(time.Second)
		if len(m.Layers()) == 0 {
			t.Errorf("%s: no layers", name)
		}
		for _, l := range m.Layers() {
			if !l.Active {
				continue
			}
			v := newTap(t, packets)
			v.c.SetTarget(l.Spatial, l.Temporal)
			bytes := 0
			for i := range packets {
				before := v.packets
				v.packet(&packets[i])
				bytes += packets[i].size * (v.packets - before)
			}
			if int64(8*bytes) != l.Bitrate {
				t.Errorf("%s: %+v, but %d bit/s are forwarded", name, l, 8*bytes)
			}
		}
	}
}

func TestMeter(t *testing.T) {
	for name, want := range map[string]string{
		"vp9_l3t3_key.txt": "S0T0 320x180 7 S0T1 320x180 12 S0T2 320x180 24 S1T0 640x360 5 S1T1 640x360 9 S1T2 640x360 17 S2T0 1280x720 5 S2T1 1280x720 9 S2T2 1280x720 17",
		"av1_l3t3_key.txt": "S0T0 320x180 12 S0T1 320x180 23 S0T2 320x180 45 S1T0 640x360 12 S1T1 640x360 23 S1T2 640x360 45 S2T0 1280x720 0 inactive S2T1 1280x720 0 inactive S2T2 1280x720 0 inactive",
		"vp9_firefox.txt":  "S0T0 480x270 100",
	} {
		packets := readCapture(t, name)
		m := meter(packets[:min(100, len(packets))])
		m.Roll(time.Second)
		if got := describe(m); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func describe(m *Meter) string {
	var out []string
	for _, l := range m.Layers() {
		s := fmt.Sprintf("S%dT%d %dx%d %v", l.Spatial, l.Temporal, l.Width, l.Height, l.FrameRate)
		if !l.Active {
			s += " inactive"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// A second without packets leaves the layers, inactive; Reset forgets them.
func TestMeterForgets(t *testing.T) {
	for _, name := range []string{"vp9_l2t3_key.txt", "av1_l2t3_key.txt"} {
		m := meter(readCapture(t, name)[:50])
		m.Roll(time.Second)
		before := len(m.Layers())
		m.Roll(2 * time.Second)
		for _, l := range m.Layers() {
			if l.Active || l.Bitrate != 0 || l.FrameRate != 0 {
				t.Errorf("%s: %+v", name, l)
			}
		}
		if len(m.Layers()) != before {
			t.Errorf("%s: %d layers, then %d", name, before, len(m.Layers()))
		}
		m.Reset()
		m.Roll(time.Second)
		if len(m.Layers()) != 0 {
			t.Errorf("%s: %v", name, m.Layers())
		}
	}
	var m Meter
	m.AddAV1(&codec.AV1{}, 100) // without a structure
	m.Roll(0)
	if len(m.Layers()) != 0 {
		t.Errorf("%v", m.Layers())
	}
}

// Layers that the sender says it has stopped.
func TestMeterFollowsTheSender(t *testing.T) {
	packets := readCapture(t, "vp9_l2t3_key.txt")
	m := meter(packets[:250])
	for i := range packets[250:259] { // the last of these names one layer
		m.add1(&packets[250+i])
	}
	m.Roll(time.Second)
	if got := len(m.Layers()); got != 3 {
		t.Errorf("VP9: %d layers", got)
	}
	packets = readCapture(t, "av1_l2t3_key.txt")
	m = meter(packets[:50])
	m.AddAV1(&codec.AV1{Structure: packets[0].packet.av1.Structure, HasActiveTargets: true, ActiveTargets: 0b111}, 0)
	m.Roll(time.Second)
	for _, l := range m.Layers() {
		if l.Active != (l.Spatial == 0) {
			t.Errorf("AV1: %+v", l)
		}
	}
}

func TestMeterDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"vp9_l3t3_key.txt", "av1_l3t3_key.txt"} {
		t.Run(name, func(t *testing.T) {
			packets := readCapture(t, name)
			m, i := meter(packets), 0
			m.Roll(time.Second)
			allocs.None(t, allocs.Many, func() {
				if i++; i%100 == 0 {
					m.Roll(time.Second)
				}
				m.add1(&packets[i%len(packets)])
			})
		})
	}
}
