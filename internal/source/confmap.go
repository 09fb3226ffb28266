package source

import (
	"slices"
	"strings"
)

// Map is a picture of who sends what in a conference at one moment, as a
// [Ledger] hands it out. It is immutable and may be kept and compared freely,
// but only where the ledger is used: what it lists remembers how it is written.
// The zero Map is empty.
type Map struct {
	list    []*Owned // sorted by owner, so that what is sent can be compared with golden files
	version uint64
}

// Version tells pictures of one [Ledger] apart: those of the same version say
// the same. It is 0 for the zero Map.
func (m Map) Version() uint64 { return m.version }

func (m Map) find(owner string) (at int, ok bool) {
	return slices.BinarySearchFunc(m.list, owner, func(o *Owned, owner string) int { return strings.Compare(o.Owner, owner) })
}

// Append appends the sets of the map sorted by owner, less those of one owner.
func (m Map) Append(dst []Owned, except string) []Owned {
	dst = slices.Grow(dst, len(m.list))
	for _, o := range m.list {
		if o.Owner != except {
			dst = append(dst, *o)
		}
	}
	return dst
}

// with returns the map with another set of one owner, which is gone if the
// set is empty.
func (m Map) with(owner string, set Set) Map {
	at, found := m.find(owner)
	rest := m.list[at:]
	if found {
		rest = rest[1:]
	}
	var is []*Owned
	if !set.Empty() {
		is = []*Owned{{owner, set, new(kept)}}
	}
	return Map{slices.Concat(m.list[:at], is, rest), m.version + 1}
}

// Diff returns what has to be removed from and then added to old to get cur.
// The unit is the source name: when anything about a name has changed, all of
// it is removed and added, because that is what a receiver makes a track of.
// Both results are sorted by owner.
func Diff(old, cur Map) (removed, added []Owned) {
	was, is := old.list, cur.list
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && was[0].Owner < is[0].Owner:
			removed = append(removed, *was[0])
			was = was[1:]
		case len(was) == 0 || is[0].Owner < was[0].Owner:
			added = append(added, *is[0])
			is = is[1:]
		default:
			if was[0] != is[0] {
				removed = appendChanged(removed, was[0], is[0])
				added = appendChanged(added, is[0], was[0])
			}
			was, is = was[1:], is[1:]
		}
	}
	return removed, added
}

// appendChanged appends the parts of a which are not in b in exactly this form.
func appendChanged(list []Owned, a, b *Owned) []Owned {
	var part Set
	for _, name := range a.Set.names() {
		if is := a.Set.named(name); !is.Equal(b.Set.named(name)) {
			part = part.Union(is)
		}
	}
	if part.Empty() {
		return list
	}
	return append(list, Owned{a.Owner, part, new(kept)})
}

// Except returns the list less one owner's entry, sharing memory where it can.
func Except(list []Owned, owner string) []Owned {
	i := slices.IndexFunc(list, func(o Owned) bool { return o.Owner == owner })
	if i < 0 {
		return list
	}
	return slices.Concat(list[:i], list[i+1:])
}
