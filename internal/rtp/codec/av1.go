package codec

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Limits of dependency descriptors. Templates and decode targets are those of
// the format, layers those of AV1.
const (
	MaxAV1Templates     = 64
	MaxAV1DecodeTargets = 32
	MaxAV1SpatialLayers = 4
	MaxAV1TemporalLayer = 8
	maxAV1FrameDiffs    = 16
	maxAV1Descriptor    = 255 // the most a header extension element holds (RFC 8285 §4.3)
)

// ErrNoStructure is returned for a descriptor that refers to a template
// structure which is not known: the key frame that had it was lost.
var ErrNoStructure = errors.New("codec: dependency descriptor without its structure")

// DTI says what a frame is to a decode target (AV1 RTP specification §A.4.1).
type DTI uint8

// Decode target indications.
const (
	DTINotPresent  DTI = iota // not part of the decode target
	DTIDiscardable            // nothing depends on it
	DTISwitch                 // one can switch to the target at this frame
	DTIRequired
)

// DTIs are the indications of a frame for all decode targets.
type DTIs uint64

// Of returns the indication for a decode target, 0 to MaxAV1DecodeTargets-1.
func (d DTIs) Of(target int) DTI { return DTI(d >> (2 * target) & 3) }

// Present returns the decode targets to which the frame belongs, as a bit mask.
func (d DTIs) Present() uint32 { return evenBits(uint64(d) | uint64(d)>>1) }

// Switch returns the decode targets that one can switch to at the frame, as a
// bit mask.
func (d DTIs) Switch() uint32 { return evenBits(uint64(d) >> 1 &^ uint64(d)) }

// evenBits returns bits 0, 2, 4 and so on next to each other.
func evenBits(x uint64) uint32 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

func (d *DTIs) set(target int, v DTI) { *d |= DTIs(v) << (2 * target) }

// AV1 is what a dependency descriptor says about a packet (AV1 RTP
// specification, appendix A). Chromium sends it with AV1, and at times with
// other codecs.
type AV1 struct {
	StartOfFrame, EndOfFrame bool
	TemplateID               uint8
	FrameNumber              uint16

	// HasStructure: the descriptor brought a structure along; with
	// StartOfFrame that is a key frame.
	HasStructure bool
	KeyFrame     bool
	// Structure is what the descriptor was read with: a new one if
	// HasStructure, otherwise the one given. The fields below are only valid
	// if there was one.
	Structure        *AV1Structure
	SpatialID        uint8
	TemporalID       uint8
	HasActiveTargets bool
	ActiveTargets    uint32 // bit mask of decode targets, valid with HasActiveTargets
	DTIs             DTIs
	// FrameDiffs[:FrameDiffCount] are how many frames back lie the frames
	// this one depends on.
	FrameDiffs     [maxAV1FrameDiffs]uint16
	FrameDiffCount uint8
	// ChainDiffs[:Structure.Chains] are how many frames back lies the
	// previous frame of each chain.
	ChainDiffs [MaxAV1DecodeTargets]uint8
	// Width and Height of the frame, 0 if unknown.
	Width, Height uint32

	// Where in the descriptor, in bits, the active decode targets stand or
	// would stand, where the definition of the frame begins, and where it ends.
	targetsAt, frameAt, endAt uint16
}

// AV1Structure is a template dependency structure. It is immutable: whoever
// parsed a key frame keeps it for the frames behind.
type AV1Structure struct {
	TemplateIDOffset uint8
	DecodeTargets    uint8
	Chains           uint8
	SpatialLayers    uint8
	TemporalLayers   uint8
	Templates        []AV1Template
	// TargetSpatial and TargetTemporal are the highest layers of a decode
	// target, ProtectedBy its chain, valid if there are Chains.
	TargetSpatial, TargetTemporal, ProtectedBy [MaxAV1DecodeTargets]uint8
	// Width and Height of the spatial layers, 0 if not given.
	Width, Height [MaxAV1SpatialLayers]uint32
}

// AV1Template is what many frames have in common.
type AV1Template struct {
	SpatialID, TemporalID uint8
	DTIs                  DTIs
	FrameDiffs            []uint8
	ChainDiffs            []uint8
}

// Equal reports whether two structures say the same. Senders write one into
// every key frame, though it seldom changes.
func (s *AV1Structure) Equal(o *AV1Structure) bool {
	return s.TemplateIDOffset == o.TemplateIDOffset && s.DecodeTargets == o.DecodeTargets && s.Chains == o.Chains &&
		s.ProtectedBy == o.ProtectedBy && s.Width == o.Width && s.Height == o.Height &&
		slices.EqualFunc(s.Templates, o.Templates, func(a, b AV1Template) bool {
			return a.SpatialID == b.SpatialID && a.TemporalID == b.TemporalID && a.DTIs == b.DTIs &&
				slices.Equal(a.FrameDiffs, b.FrameDiffs) && slices.Equal(a.ChainDiffs, b.ChainDiffs)
		})
}

// ParseAV1 reads the content of a dependency descriptor header extension with
// the structure of the stream's last key frame, or nil. With ErrNoStructure
// the mandatory fields of the result are valid: start, end, number, template.
// It allocates only for a new structure.
func ParseAV1(ext []byte, last *AV1Structure) (AV1, error) {
	if len(ext) < 3 {
		return AV1{}, ErrMalformed
	}
	if len(ext) > maxAV1Descriptor {
		return AV1{}, ErrMalformed
	}
	r := bitReader{b: ext}
	d := AV1{
		StartOfFrame: r.bit(), EndOfFrame: r.bit(),
		TemplateID: uint8(r.bits(6)), FrameNumber: uint16(r.bits(16)),
		Structure: last,
	}
	var custom customFields
	if len(ext) > 3 && !d.parseExtended(&r, &custom) {
		return AV1{}, ErrMalformed
	}
	if d.Structure == nil {
		return d, ErrNoStructure
	}
	index := int(d.TemplateID+MaxAV1Templates-d.Structure.TemplateIDOffset) % MaxAV1Templates
	if index >= len(d.Structure.Templates) {
		d.Structure = nil
		return d, ErrNoStructure
	}
	d.frameAt = uint16(r.pos)
	if !d.parseFrame(&r, &d.Structure.Templates[index], custom) {
		return AV1{}, ErrMalformed
	}
	d.endAt = uint16(r.pos)
	return d, nil
}

// SwitchUp reports whether all decode targets with more temporal layers than
// this frame's can be taken up with it, without an earlier frame that may have
// been left out.
func (d *AV1) SwitchUp() bool {
	if d.Structure == nil {
		return false
	}
	more := false
	for target := range int(d.Structure.DecodeTargets) {
		if d.Structure.TargetTemporal[target] <= d.TemporalID || d.Structure.TargetSpatial[target] < d.SpatialID {
			continue
		}
		if d.DTIs.Of(target) != DTISwitch {
			return false
		}
		more = true
	}
	return more
}

// SetAV1Numbers changes the numbers in the content of a dependency descriptor
// that ParseAV1 has accepted, or WriteAV1Targets written. structure says that it
// brings a structure along ([AV1].HasStructure).
func SetAV1Numbers(ext []byte, n AV1Numbers, structure bool) {
	binary.BigEndian.PutUint16(ext[1:], n.Frame) // behind two flags and the template id (§A.8.2)
	ext[0] = ext[0]&0xc0 | (ext[0]+n.Template)&0x3f
	if structure { // template_id_offset is behind five flags (§A.8.3, §A.8.5)
		offset := (ext[3]<<3|ext[4]>>5)&0x3f + n.Template
		ext[3], ext[4] = ext[3]&0xf8|offset>>3&0x07, ext[4]&0x1f|offset<<5
	}
}

// customFields says which fields of its template a frame replaces.
type customFields struct{ dtis, frameDiffs, chains bool }

// parseExtended reads the extended fields (§A.8.3).
func (d *AV1) parseExtended(r *bitReader, custom *customFields) bool {
	d.HasStructure = r.bit()
	d.HasActiveTargets = r.bit()
	custom.dtis, custom.frameDiffs, custom.chains = r.bit(), r.bit(), r.bit()
	if d.HasStructure {
		s := parseStructure(r)
		if s == nil {
			return false
		}
		d.Structure, d.KeyFrame = s, d.StartOfFrame
	}
	d.targetsAt = uint16(r.pos)
	if d.HasActiveTargets && d.Structure != nil {
		d.ActiveTargets = r.bits(int(d.Structure.DecodeTargets))
	} else if d.HasStructure {
		d.HasActiveTargets = true
		d.ActiveTargets = uint32(1<<d.Structure.DecodeTargets - 1)
	}
	return !r.short
}

// parseFrame reads the definition of the frame (§A.8.4).
func (d *AV1) parseFrame(r *bitReader, t *AV1Template, custom customFields) bool {
	s := d.Structure
	d.SpatialID, d.TemporalID, d.DTIs = t.SpatialID, t.TemporalID, t.DTIs
	if custom.dtis {
		d.DTIs = parseDTIs(r, s.DecodeTargets)
	}
	if custom.frameDiffs {
		if !d.parseFrameDiffs(r) {
			return false
		}
	} else {
		for i, diff := range t.FrameDiffs {
			d.FrameDiffs[i] = uint16(diff)
		}
		d.FrameDiffCount = uint8(len(t.FrameDiffs))
	}
	if custom.chains {
		for i := range s.Chains {
			d.ChainDiffs[i] = uint8(r.bits(8))
		}
	} else {
		copy(d.ChainDiffs[:], t.ChainDiffs)
	}
	d.Width, d.Height = s.Width[d.SpatialID], s.Height[d.SpatialID]
	return !r.short
}

func (d *AV1) parseFrameDiffs(r *bitReader) bool {
	for size := r.bits(2); size != 0; size = r.bits(2) {
		if d.FrameDiffCount == maxAV1FrameDiffs {
			return false
		}
		d.FrameDiffs[d.FrameDiffCount] = uint16(r.bits(4*int(size))) + 1
		d.FrameDiffCount++
	}
	return true
}

func parseDTIs(r *bitReader, targets uint8) DTIs {
	var dtis DTIs
	for i := range targets {
		dtis.set(int(i), DTI(r.bits(2)))
	}
	return dtis
}

// parseStructure reads a template dependency structure (§A.8.5), nil if it is
// malformed.
func parseStructure(r *bitReader) *AV1Structure {
	s := &AV1Structure{TemplateIDOffset: uint8(r.bits(6)), DecodeTargets: uint8(r.bits(5)) + 1}
	if !s.parseLayers(r) {
		return nil
	}
	for i := range s.Templates {
		s.Templates[i].DTIs = parseDTIs(r, s.DecodeTargets)
	}
	if !s.parseFrameDiffs(r) || !s.parseChains(r) {
		return nil
	}
	s.findTargetLayers()
	if r.bit() {
		for i := range s.SpatialLayers {
			s.Width[i], s.Height[i] = r.bits(16)+1, r.bits(16)+1
		}
	}
	if r.short {
		return nil
	}
	return s
}

// parseLayers reads the layers of the templates, which come in order.
func (s *AV1Structure) parseLayers(r *bitReader) bool {
	var spatial, temporal uint8
	for {
		if len(s.Templates) == MaxAV1Templates || spatial >= MaxAV1SpatialLayers || temporal >= MaxAV1TemporalLayer || r.short {
			return false
		}
		s.Templates = append(s.Templates, AV1Template{SpatialID: spatial, TemporalID: temporal})
		s.SpatialLayers, s.TemporalLayers = spatial+1, max(s.TemporalLayers, temporal+1)
		switch r.bits(2) { // next_layer_idc
		case 1:
			temporal++
		case 2:
			temporal = 0
			spatial++
		case 3:
			return true
		}
	}
}

func (s *AV1Structure) parseFrameDiffs(r *bitReader) bool {
	for i := range s.Templates {
		t := &s.Templates[i]
		for r.bit() {
			if len(t.FrameDiffs) == maxAV1FrameDiffs {
				return false
			}
			t.FrameDiffs = append(t.FrameDiffs, uint8(r.bits(4))+1)
		}
	}
	return !r.short
}

func (s *AV1Structure) parseChains(r *bitReader) bool {
	s.Chains = uint8(r.nonSymmetric(uint32(s.DecodeTargets) + 1))
	if s.Chains == 0 {
		return true
	}
	if s.Chains > MaxAV1DecodeTargets {
		return false
	}
	for i := range s.DecodeTargets {
		s.ProtectedBy[i] = uint8(r.nonSymmetric(uint32(s.Chains)))
	}
	for i := range s.Templates {
		t := &s.Templates[i]
		t.ChainDiffs = make([]uint8, s.Chains)
		for j := range t.ChainDiffs {
			t.ChainDiffs[j] = uint8(r.bits(4))
		}
	}
	return !r.short
}

// findTargetLayers finds the highest layers that belong to each decode target.
func (s *AV1Structure) findTargetLayers() {
	for target := range int(s.DecodeTargets) {
		for i := range s.Templates {
			if t := &s.Templates[i]; t.DTIs.Of(target) != DTINotPresent {
				s.TargetSpatial[target] = max(s.TargetSpatial[target], t.SpatialID)
				s.TargetTemporal[target] = max(s.TargetTemporal[target], t.TemporalID)
			}
		}
	}
}
