package source

import (
	"iter"
	"maps"
	"slices"
)

// Owned is a set with its owner: an endpoint id, or "jvb" for the bridge.
type Owned struct {
	Owner string
	Set   Set
}

// Map is a picture of who sends what in a conference at one moment. It is
// immutable and may be kept and compared freely; the zero Map is empty.
type Map struct {
	sets    map[string]Set
	version uint64
}

// NewMap returns a Map of the given sets; empty ones are left out.
func NewMap(list ...Owned) Map {
	m := Map{sets: make(map[string]Set, len(list))}
	for _, o := range list {
		if !o.Set.Empty() {
			m.sets[o.Owner] = o.Set
		}
	}
	return m
}

// Version tells pictures of one [Ledger] apart: those of the same version say
// the same. It is 0 for maps that come from elsewhere.
func (m Map) Version() uint64 { return m.version }

// Len returns the number of owners.
func (m Map) Len() int { return len(m.sets) }

// Get returns the set of one owner; it is empty for unknown owners.
func (m Map) Get(owner string) Set { return m.sets[owner] }

// All yields owners and their sets, sorted by owner so that what is sent can
// be compared with golden files.
func (m Map) All() iter.Seq2[string, Set] {
	return func(yield func(string, Set) bool) {
		for _, owner := range slices.Sorted(maps.Keys(m.sets)) {
			if !yield(owner, m.sets[owner]) {
				return
			}
		}
	}
}

// List returns the sets of the map sorted by owner, less those of one owner.
func (m Map) List(except string) []Owned {
	out := make([]Owned, 0, len(m.sets))
	for owner, set := range m.All() {
		if owner != except {
			out = append(out, Owned{owner, set})
		}
	}
	return out
}

// Diff returns what has to be removed from and then added to old to get cur.
// The unit is the source name: when anything about a name has changed, all of
// it is removed and added, because that is what a receiver makes a track of.
// Both results are sorted by owner.
func Diff(old, cur Map) (removed, added []Owned) {
	for owner, was := range old.All() {
		if gone := changed(was, cur.sets[owner]); !gone.Empty() {
			removed = append(removed, Owned{owner, gone})
		}
	}
	for owner, is := range cur.All() {
		if fresh := changed(is, old.sets[owner]); !fresh.Empty() {
			added = append(added, Owned{owner, fresh})
		}
	}
	return removed, added
}

// changed returns the parts of a which are not in b in exactly this form.
func changed(a, b Set) Set {
	if b.Empty() {
		return a
	}
	if a.Equal(b) {
		return Set{}
	}
	var out Set
	for _, name := range a.names() {
		if part := a.named(name); !part.Equal(b.named(name)) {
			out = out.Union(part)
		}
	}
	return out
}

// Except returns the list less one owner's entry, sharing memory where it can.
func Except(list []Owned, owner string) []Owned {
	i := slices.IndexFunc(list, func(o Owned) bool { return o.Owner == owner })
	if i < 0 {
		return list
	}
	return slices.Concat(list[:i], list[i+1:])
}
