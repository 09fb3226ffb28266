package source

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/media"
)

// Find returns the source with the given SSRC.
func (s Set) Find(ssrc uint32) (Source, bool) {
	for i := range s.Sources {
		if s.Sources[i].SSRC == ssrc {
			return s.Sources[i], true
		}
	}
	return Source{}, false
}

// Has reports whether the set has a source of the kind.
func (s Set) Has(kind media.Kind) bool {
	return slices.ContainsFunc(s.Sources, func(x Source) bool { return x.Kind == kind })
}

// Union returns a set with everything of both. It does not check for
// duplicates; [Ledger] does before it calls it.
func (s Set) Union(t Set) Set {
	if t.Empty() {
		return s
	}
	return Set{
		Sources: slices.Concat(s.Sources, t.Sources),
		Groups:  slices.Concat(s.Groups, t.Groups),
	}
}

// Without returns the set less every source for which drop is true, and less
// every group that had such a source.
func (s Set) Without(drop func(Source) bool) Set {
	var out Set
	for _, x := range s.Sources {
		if !drop(x) {
			out.Sources = append(out.Sources, x)
		}
	}
	for _, g := range s.Groups {
		if out.containsAll(g.SSRCs) {
			out.Groups = append(out.Groups, g)
		}
	}
	return out
}

func (s Set) containsAll(ssrcs []uint32) bool {
	for _, ssrc := range ssrcs {
		if _, ok := s.Find(ssrc); !ok {
			return false
		}
	}
	return true
}

// StripSimulcast returns what receivers are told: of every SIM group only the
// first encoding and its retransmission stream remain, and the group itself
// is gone. A client makes one m-line of every primary SSRC it hears of, so it
// must never hear of the others; the bridge rewrites all encodings into the
// first one's SSRC.
func (s Set) StripSimulcast() Set {
	gone := s.hiddenEncodings()
	if gone == nil {
		return s
	}
	out := s.Without(func(x Source) bool { return gone[x.SSRC] })
	out.Groups = slices.DeleteFunc(out.Groups, func(g Group) bool { return g.Semantics == SIM })
	return out
}

// hiddenEncodings returns the SSRCs that StripSimulcast drops, nil when the
// set has no SIM group.
func (s Set) hiddenEncodings() map[uint32]bool {
	var gone map[uint32]bool
	for _, g := range s.Groups {
		if g.Semantics != SIM {
			continue
		}
		if gone == nil {
			gone = make(map[uint32]bool)
		}
		for _, ssrc := range g.SSRCs[min(1, len(g.SSRCs)):] {
			gone[ssrc] = true
		}
	}
	for _, g := range s.Groups {
		if g.Semantics == FID && len(g.SSRCs) == 2 && gone[g.SSRCs[0]] {
			gone[g.SSRCs[1]] = true
		}
	}
	return gone
}

// Equal reports whether both sets say the same in the same order.
func (s Set) Equal(t Set) bool {
	return slices.Equal(s.Sources, t.Sources) && slices.EqualFunc(s.Groups, t.Groups, Group.Equal)
}

// Equal reports whether both groups say the same.
func (g Group) Equal(h Group) bool {
	return g.Semantics == h.Semantics && g.Kind == h.Kind && slices.Equal(g.SSRCs, h.SSRCs)
}

// names returns the source names of the set in order of appearance.
func (s Set) names() []string {
	var out []string
	for _, x := range s.Sources {
		if !slices.Contains(out, x.Name) {
			out = append(out, x.Name)
		}
	}
	return out
}

// named returns the part of the set that belongs to one source name. A group
// belongs to the name of its first SSRC.
func (s Set) named(name string) Set {
	var out Set
	for _, x := range s.Sources {
		if x.Name == name {
			out.Sources = append(out.Sources, x)
		}
	}
	for _, g := range s.Groups {
		if len(g.SSRCs) == 0 {
			continue
		}
		if _, ok := out.Find(g.SSRCs[0]); ok {
			out.Groups = append(out.Groups, g)
		}
	}
	return out
}
