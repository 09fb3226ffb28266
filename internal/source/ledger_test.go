package source

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/media"
)

func audio(ssrc uint32, name, msid string) Source {
	return Source{SSRC: ssrc, Kind: media.Audio, Name: name, MSID: msid}
}

func video(ssrc uint32, name, msid string) Source {
	return Source{SSRC: ssrc, Kind: media.Video, Name: name, MSID: msid}
}

func group(sem Semantics, ssrcs ...uint32) Group {
	return Group{Semantics: sem, Kind: media.Video, SSRCs: ssrcs}
}

// camera is what a Chromium client sends: three encodings with RTX each.
func camera(owner string, first uint32) Set {
	var s Set
	name, msid := owner+"-v0", owner+"-video-0-1 t"+owner
	for i := range uint32(6) {
		s.Sources = append(s.Sources, video(first+i, name, msid))
	}
	s.Groups = []Group{
		group(SIM, first, first+1, first+2),
		group(FID, first, first+3), group(FID, first+1, first+4), group(FID, first+2, first+5),
	}
	return s
}

func TestAddRules(t *testing.T) {
	many := func(n int) (s Set) {
		for i := range n {
			s.Sources = append(s.Sources, video(uint32(1000+i), "aaaaaaaa-v0", ""))
		}
		return s
	}
	tests := []struct {
		name string
		add  Set
		want string // part of the refusal; "" is accepted
	}{
		{"camera", camera("aaaaaaaa", 100), ""},
		{"audio and video may share a msid", Set{Sources: []Source{audio(1, "aaaaaaaa-a0", "m"), video(2, "aaaaaaaa-v0", "m")}}, ""},
		{"default name", Set{Sources: []Source{{SSRC: 1, Kind: media.Audio}}}, ""},
		{"largest SSRC", Set{Sources: []Source{audio(1<<32-1, "aaaaaaaa-a0", "m")}}, ""},
		{"20 sources", many(20), ""},
		{"21 sources", many(21), "too many sources"},
		{"21 groups", Set{Sources: []Source{video(1, "aaaaaaaa-v0", "m"), video(2, "aaaaaaaa-v0", "m")},
			Groups: slices.Repeat([]Group{group(FID, 1, 2)}, 21)}, "too many source groups"},
		{"SSRC 0", Set{Sources: []Source{audio(0, "aaaaaaaa-a0", "m")}}, "not valid"},
		{"SSRC twice", Set{Sources: []Source{audio(5, "aaaaaaaa-a0", "m"), audio(5, "aaaaaaaa-a1", "n")}}, "given twice"},
		{"SSRC of somebody else", Set{Sources: []Source{audio(900, "aaaaaaaa-a0", "m")}}, "already used"},
		{"msid of somebody else", Set{Sources: []Source{audio(5, "aaaaaaaa-a0", "theirs")}}, "somebody else"},
		{"name of somebody else", Set{Sources: []Source{audio(5, "bbbbbbbb-a0", "m")}}, "does not belong"},
		{"name of the wrong kind", Set{Sources: []Source{audio(5, "aaaaaaaa-v0", "m")}}, "does not belong"},
		{"name without index", Set{Sources: []Source{audio(5, "aaaaaaaa-a", "m")}}, "no index"},
		{"name with a suffix", Set{Sources: []Source{audio(5, "aaaaaaaa-a0x", "m")}}, "no index"},
		{"unknown video type", Set{Sources: []Source{{SSRC: 5, Kind: media.Video, VideoType: "tv"}}}, "video type"},
		{"long msid", Set{Sources: []Source{audio(5, "aaaaaaaa-a0", strings.Repeat("m", 300))}}, "too long"},
		{"FID of three", Set{Sources: camera("aaaaaaaa", 100).Sources, Groups: []Group{group(FID, 100, 101, 102)}}, "FID"},
		{"empty group", Set{Groups: []Group{group(SIM)}}, "empty"},
		{"unknown semantics", Set{Groups: []Group{group("LS", 1)}}, "semantics"},
		{"group of unknown source", Set{Sources: []Source{video(1, "aaaaaaaa-v0", "m")}, Groups: []Group{group(FID, 1, 2)}}, "unknown source 2"},
		{"group of another's source", Set{Sources: []Source{video(1, "aaaaaaaa-v0", "m")}, Groups: []Group{group(FID, 1, 900)}}, "unknown source 900"},
		{"group without msid", Set{Sources: []Source{video(1, "aaaaaaaa-v0", ""), video(2, "aaaaaaaa-v0", "")}, Groups: []Group{group(FID, 1, 2)}}, "no msid"},
		{"group across msids", Set{Sources: []Source{video(1, "aaaaaaaa-v0", "m"), video(2, "aaaaaaaa-v0", "n")}, Groups: []Group{group(FID, 1, 2)}}, "different tracks"},
		{"group across names", Set{Sources: []Source{video(1, "aaaaaaaa-v0", "m"), video(2, "aaaaaaaa-v1", "m")}, Groups: []Group{group(FID, 1, 2)}}, "different tracks"},
		{"group with a source twice", Set{Sources: []Source{video(1, "aaaaaaaa-v0", "m")}, Groups: []Group{group(FID, 1, 1)}}, "twice"},
		{"shared msid ungrouped", Set{Sources: []Source{video(1, "aaaaaaaa-v0", "m"), video(2, "aaaaaaaa-v1", "m")}}, "without being grouped"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLedger(DefaultLimits, true)
			if _, err := l.Add("bbbbbbbb", Set{Sources: []Source{audio(900, "bbbbbbbb-a0", "theirs")}}); err != nil {
				t.Fatal(err)
			}
			before := l.Told()
			_, err := l.Add("aaaaaaaa", tt.add)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var refusal *Error
			if !errors.As(err, &refusal) || !strings.Contains(refusal.Text, tt.want) || refusal.Condition != BadRequest {
				t.Fatalf("got %v, want a bad request with %q", err, tt.want)
			}
			if rm, add := Diff(before, l.Told()); rm != nil || add != nil {
				t.Fatal("a refusal changed the ledger")
			}
		})
	}
}

func TestAddAgainIsRefused(t *testing.T) {
	l := NewLedger(DefaultLimits, true)
	s := Set{Sources: []Source{audio(5, "aaaaaaaa-a0", "m")}}
	if _, err := l.Add("aaaaaaaa", s); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add("aaaaaaaa", s); err == nil {
		t.Fatal("the same source was accepted twice")
	}
	l.RemoveOwner("aaaaaaaa")
	if _, err := l.Add("aaaaaaaa", s); err != nil {
		t.Fatalf("refused after its owner was cleared: %v", err)
	}
}

func TestGroupMayReferToEarlierSources(t *testing.T) {
	l := NewLedger(DefaultLimits, true)
	if _, err := l.Add("aaaaaaaa", Set{Sources: []Source{video(1, "aaaaaaaa-v0", "m")}}); err != nil {
		t.Fatal(err)
	}
	_, err := l.Add("aaaaaaaa", Set{Sources: []Source{video(2, "aaaaaaaa-v0", "m")}, Groups: []Group{group(FID, 1, 2)}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRemove(t *testing.T) {
	l := NewLedger(DefaultLimits, true)
	if _, err := l.Add("aaaaaaaa", camera("aaaaaaaa", 100)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Remove("aaaaaaaa", Set{Sources: []Source{{SSRC: 999}}}); err == nil {
		t.Fatal("an unknown source could be removed")
	}
	if _, err := l.Remove("bbbbbbbb", Set{Sources: []Source{{SSRC: 100}}}); err == nil {
		t.Fatal("another's source could be removed")
	}
	left, err := l.Remove("aaaaaaaa", Set{Sources: []Source{{SSRC: 101}, {SSRC: 104}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Sources) != 4 || len(left.Groups) != 2 {
		t.Fatalf("left %+v: want 4 sources and the 2 untouched FID groups", left)
	}
	if l.Sources() != 4 {
		t.Fatalf("the ledger counts %d sources, want 4", l.Sources())
	}
}

func TestStripSimulcast(t *testing.T) {
	s := camera("aaaaaaaa", 100).Union(Set{Sources: []Source{audio(5, "aaaaaaaa-a0", "m")}})
	got := s.StripSimulcast()
	want := Set{
		Sources: []Source{s.Sources[0], s.Sources[3], audio(5, "aaaaaaaa-a0", "m")},
		Groups:  []Group{group(FID, 100, 103)},
	}
	if !got.Equal(want) {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
}

func TestDiffByName(t *testing.T) {
	a := Set{Sources: []Source{audio(5, "aaaaaaaa-a0", "m"), video(6, "aaaaaaaa-v0", "n")}}
	grown := Set{
		Sources: append(slices.Clone(a.Sources), video(7, "aaaaaaaa-v0", "n")),
		Groups:  []Group{group(FID, 6, 7)},
	}
	removed, added := Diff(Map{}.with("aaaaaaaa", a), Map{}.with("aaaaaaaa", grown))
	if len(removed) != 1 || len(removed[0].Set.Sources) != 1 || removed[0].Set.Sources[0].SSRC != 6 {
		t.Fatalf("removed %+v, want the old form of the video name only", removed)
	}
	if len(added) != 1 || len(added[0].Set.Sources) != 2 || len(added[0].Set.Groups) != 1 {
		t.Fatalf("added %+v, want the new form of the video name only", added)
	}
}

// twin is the slow obvious form of a ledger: a list of everything, searched
// from the start each time.
type twin struct{ list []Owned }

func (w *twin) find(ssrc uint32) (string, bool) {
	for _, o := range w.list {
		for _, x := range o.Set.Sources {
			if x.SSRC == ssrc {
				return o.Owner, true
			}
		}
	}
	return "", false
}

func (w *twin) add(owner string, x Source) bool {
	if _, used := w.find(x.SSRC); used || x.SSRC == 0 {
		return false
	}
	mine := 0
	for i := range w.list {
		for _, y := range w.list[i].Set.Sources {
			sameTrack := w.list[i].Owner == owner && y.Kind == x.Kind
			if y.MSID == x.MSID && (w.list[i].Owner != owner || sameTrack) {
				return false
			}
		}
		if w.list[i].Owner == owner {
			mine += len(w.list[i].Set.Sources)
		}
	}
	if mine >= DefaultLimits.Sources {
		return false
	}
	w.list = append(w.list, Owned{Owner: owner, Set: Set{Sources: []Source{x}}})
	return true
}

func (w *twin) remove(owner string, ssrc uint32) bool {
	if o, ok := w.find(ssrc); !ok || o != owner {
		return false
	}
	w.list = slices.DeleteFunc(w.list, func(o Owned) bool { return o.Set.Sources[0].SSRC == ssrc })
	return true
}

func (w *twin) snapshot() map[string]Set {
	sets := make(map[string]Set)
	for _, o := range w.list {
		sets[o.Owner] = sets[o.Owner].Union(o.Set)
	}
	return sets
}

func TestLedgerAgainstTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	owners := []string{"00000000", "11111111", "22222222"}
	for range 50 {
		l, w := NewLedger(DefaultLimits, true), &twin{}
		pic, have := l.Told(), map[string]Set{}
		for range 200 {
			owner := owners[rng.IntN(len(owners))]
			ssrc := rng.Uint32N(60)
			switch rng.IntN(8) {
			case 0:
				l.RemoveOwner(owner)
				w.list = slices.DeleteFunc(w.list, func(o Owned) bool { return o.Owner == owner })
			case 1, 2:
				_, err := l.Remove(owner, Set{Sources: []Source{{SSRC: ssrc}}})
				if ok := w.remove(owner, ssrc); ok != (err == nil) {
					t.Fatalf("remove %d of %s: ledger says %v, twin says %v", ssrc, owner, err, ok)
				}
			default:
				x := audio(ssrc, fmt.Sprintf("%s-a%d", owner, rng.IntN(3)), fmt.Sprint("m", rng.IntN(70)))
				_, err := l.Add(owner, Set{Sources: []Source{x}})
				if ok := w.add(owner, x); ok != (err == nil) {
					t.Fatalf("add %d of %s: ledger says %v, twin says %v", ssrc, owner, err, ok)
				}
			}
			if rng.IntN(4) == 0 {
				apply(t, have, pic, l.Told())
				pic = l.Told()
				inOrder(t, pic)
				same(t, have, w.snapshot())
			}
		}
	}
}

// apply does to have what a receiver does when it is told the difference.
func apply(t *testing.T, have map[string]Set, old, cur Map) {
	t.Helper()
	removed, added := Diff(old, cur)
	for _, o := range removed {
		gone := o.Set
		have[o.Owner] = have[o.Owner].Without(func(x Source) bool { _, ok := gone.Find(x.SSRC); return ok })
	}
	for _, o := range added {
		for _, x := range o.Set.Sources {
			if _, dup := have[o.Owner].Find(x.SSRC); dup {
				t.Fatalf("%d is added twice", x.SSRC)
			}
		}
		have[o.Owner] = have[o.Owner].Union(o.Set)
	}
}

// same compares pictures without regard to the order within a set.
func same(t *testing.T, a, b map[string]Set) {
	t.Helper()
	count := 0
	for owner, s := range a {
		for _, x := range s.Sources {
			y, ok := b[owner].Find(x.SSRC)
			if !ok || x != y {
				t.Fatalf("%s: %+v is not in the other picture", owner, x)
			}
			count++
		}
	}
	for _, s := range b {
		count -= len(s.Sources)
	}
	if count != 0 {
		t.Fatalf("pictures differ by %d sources", count)
	}
}

// inOrder refuses a picture that does not list each owner once, in order, with
// something; whoever is left out of the list must be so without a trace.
func inOrder(t *testing.T, m Map) {
	t.Helper()
	last := ""
	for _, o := range m.Append(nil, "11111111") {
		if o.Owner <= last || o.Set.Empty() || o.Owner == "11111111" {
			t.Fatalf("%q with %d sources comes after %q", o.Owner, len(o.Set.Sources), last)
		}
		last = o.Owner
	}
}

func TestToldIsImmutable(t *testing.T) {
	l := NewLedger(DefaultLimits, true)
	if _, err := l.Add("aaaaaaaa", camera("aaaaaaaa", 100)); err != nil {
		t.Fatal(err)
	}
	pic := l.Told()
	l.RemoveOwner("aaaaaaaa")
	if len(pic.Append(nil, "")) != 1 || len(l.Told().Append(nil, "")) != 0 {
		t.Fatal("a picture changed after it was handed out")
	}
}

func BenchmarkLedgerChurn(b *testing.B) {
	l := NewLedger(DefaultLimits, true)
	for i := range uint32(500) {
		owner := fmt.Sprintf("%08x", i)
		if _, err := l.Add(owner, camera(owner, 1+i*100)); err != nil {
			b.Fatal(err)
		}
	}
	add := camera("ffffffff", 1<<31)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Add("ffffffff", add); err != nil {
			b.Fatal(err)
		}
		l.RemoveOwner("ffffffff")
		l.Told()
	}
}

// What many are told of must be written once for each change of an owner's
// sources, and anew after it.
func TestWrittenOncePerChange(t *testing.T) {
	l := NewLedger(DefaultLimits, true)
	add := func(owner string, x Source) {
		if _, err := l.Add(owner, Set{Sources: []Source{x}}); err != nil {
			t.Fatal(err)
		}
	}
	var written []string
	tell := func() (text string) {
		for _, o := range l.Told().Append(nil, "") {
			text += string(o.Elements(media.Audio, func(o Owned, kind media.Kind) []byte {
				written = append(written, o.Owner)
				return fmt.Append(nil, o.Owner[:1], len(o.Set.Sources))
			}))
		}
		return text + string(AppendJSON(nil, l.Told().Append(nil, "")))
	}
	expect := func(text string, owners ...string) {
		t.Helper()
		twin := string(AppendJSON(nil, forgetful(l.Told().Append(nil, ""))))
		if got := tell(); got != text+twin || !slices.Equal(written, owners) {
			t.Errorf("told %s after writing %v, want %s after %v", got, written, text+twin, owners)
		}
		written = nil
	}
	add("aaaaaaaa", audio(1, "aaaaaaaa-a0", "m1"))
	add("bbbbbbbb", audio(2, "bbbbbbbb-a0", "m2"))
	expect("a1b1", "aaaaaaaa", "bbbbbbbb")
	expect("a1b1")
	add("aaaaaaaa", audio(3, "aaaaaaaa-a1", "m3"))
	expect("a2b1", "aaaaaaaa")
	l.RemoveOwner("bbbbbbbb")
	expect("a2")
}

// forgetful returns the list as one that remembers nothing.
func forgetful(list []Owned) []Owned {
	out := make([]Owned, len(list))
	for i, o := range list {
		out[i] = Owned{Owner: o.Owner, Set: o.Set}
	}
	return out
}
