package svc

import (
	"math/bits"
	"time"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

// Layer is one quality in which a scalable stream can be forwarded: what a
// selector with that target lets pass.
type Layer struct {
	Spatial, Temporal int     // as for SetTarget
	Width, Height     int     // pixels; 0 if the stream does not say
	FrameRate         float64 // frames per second
	Bitrate           int64   // bit/s
	Active            bool    // it is being sent
}

// Meter finds out which layers a stream has and what each of them takes. The
// owner of the stream gives it every packet that came, calls Roll about once a
// second, and Layers whenever it has to know. The zero value is ready. It takes
// 2 KiB, and allocates for the list of layers only.
type Meter struct {
	layers []Layer

	// Bytes and frames since the last Roll by spatial and temporal layer. own
	// is what belongs to a spatial layer only, shared what the ones above need
	// as well.
	own, shared, frames [MaxSpatial][MaxTemporal]uint32
	targets             [codec.MaxAV1DecodeTargets]uint32 // bytes, AV1 only

	av1           *codec.AV1Structure // nil for VP9
	active        uint32              // decode targets being produced, AV1 only
	spatial       uint8               // spatial layers there are, VP9 only
	temporal      uint8               // temporal layers seen ever, VP9 only
	width, height [MaxSpatial]uint32  // VP9 only
}

// MaxSpatial and MaxTemporal are the most layers that any stream has.
const (
	MaxSpatial  = 8
	MaxTemporal = 8
)

// Reset forgets everything, for instance because the sender changed its codec.
func (m *Meter) Reset() { *m = Meter{layers: m.layers[:0]} }

// Layers returns the layers in ascending order of spatial, then of temporal
// layer, as of the last Roll. The slice is valid until the next one.
func (m *Meter) Layers() []Layer { return m.layers }

// AddVP9 counts a packet of size bytes.
func (m *Meter) AddVP9(d *codec.VP9, size int) {
	m.av1 = nil
	if d.HasStructure {
		m.sizes(&d.Structure)
	}
	m.spatial, m.temporal = max(m.spatial, d.SID+1), max(m.temporal, d.TID+1)
	if d.NotForUpper {
		m.own[d.SID][d.TID] += uint32(size)
	} else {
		m.shared[d.SID][d.TID] += uint32(size)
	}
	if d.StartOfFrame {
		m.frames[d.SID][d.TID]++
	}
}

// AddTemporal counts a packet of size bytes of a stream with one spatial layer,
// such as an encoding of VP8 simulcast, where the layers are only measured
// here; start says that a frame begins with it.
func (m *Meter) AddTemporal(temporal uint8, start bool, size int) {
	t := min(temporal, MaxTemporal-1)
	m.av1, m.spatial, m.temporal = nil, 1, max(m.temporal, t+1)
	m.own[0][t] += uint32(size)
	if start {
		m.frames[0][t]++
	}
}

func (m *Meter) sizes(s *codec.VP9Structure) {
	m.spatial = s.SpatialLayers
	for i := range m.width {
		m.width[i], m.height[i] = uint32(s.Width[i]), uint32(s.Height[i])
	}
}

// AddAV1 counts a packet of size bytes with what codec.ParseAV1 returned.
func (m *Meter) AddAV1(d *codec.AV1, size int) {
	if d.Structure == nil {
		return
	}
	m.av1 = d.Structure
	if d.HasActiveTargets {
		m.active = d.ActiveTargets
	}
	present := d.DTIs.Present()
	if own := ownTargets(d, present); own&m.active == 0 {
		m.active |= own // what said so was lost
	}
	for rest := present; rest != 0; rest &= rest - 1 {
		m.targets[bits.TrailingZeros32(rest)] += uint32(size)
	}
	if d.StartOfFrame {
		m.frames[d.SpatialID][d.TemporalID]++
	}
}

// Roll ends a period of measurement that took the given time.
func (m *Meter) Roll(took time.Duration) {
	m.layers = m.layers[:0]
	if took > 0 {
		if m.av1 != nil {
			m.rollAV1(took.Seconds())
		} else {
			m.rollVP9(took.Seconds())
		}
	}
	m.own, m.shared, m.frames = [8][8]uint32{}, [8][8]uint32{}, [8][8]uint32{}
	clear(m.targets[:])
}

func (m *Meter) rollVP9(seconds float64) {
	for s := range m.spatial {
		for t := range m.temporal {
			bytes := sum(&m.own, s, t)
			for below := range s + 1 {
				bytes += sum(&m.shared, below, t)
			}
			m.add(s, t, bytes, m.width[s], m.height[s], seconds)
		}
	}
}

func (m *Meter) rollAV1(seconds float64) {
	a := m.av1
	for s := range a.SpatialLayers {
		for t := range a.TemporalLayers {
			for i := range a.DecodeTargets {
				if a.TargetSpatial[i] == s && a.TargetTemporal[i] == t {
					m.add(s, t, uint64(m.targets[i]), a.Width[s], a.Height[s], seconds)
					end := &m.layers[len(m.layers)-1]
					end.Active = end.Active && m.active>>i&1 != 0
					break // a second target with the same layers is not chosen either
				}
			}
		}
	}
}

func (m *Meter) add(spatial, temporal uint8, bytes uint64, width, height uint32, seconds float64) {
	frames := sum(&m.frames, spatial, temporal)
	m.layers = append(m.layers, Layer{
		Spatial: int(spatial), Temporal: int(temporal), Width: int(width), Height: int(height),
		FrameRate: float64(frames) / seconds, Bitrate: int64(float64(8*bytes) / seconds), Active: frames > 0,
	})
}

// sum adds up a spatial layer up to a temporal layer.
func sum(counts *[MaxSpatial][MaxTemporal]uint32, spatial, temporal uint8) (n uint64) {
	for t := range temporal + 1 {
		n += uint64(counts[spatial][t])
	}
	return n
}
