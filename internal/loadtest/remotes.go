package loadtest

import "slices"

// remotes are the sources of others that a participant knows. What one owner
// tells costs as much as that owner has, whatever the size of the room: in a
// room of a thousand everybody is told something a million times.
type remotes struct {
	byName  map[string]*remote
	byOwner map[string][]*remote
	// What is to be seen, sorted by name. The slices are changed in place.
	videos, screens []string
}

// remote is somebody else's source.
type remote struct {
	name, owner string
	look
}

// look is what is known of a source.
type look struct {
	video   bool
	desktop bool
	muted   bool
	listed  bool // by Jingle, with an SSRC
	told    bool // presence has said whether it is muted
}

func newRemotes() remotes {
	return remotes{byName: map[string]*remote{}, byOwner: map[string][]*remote{}}
}

// find finds a source by name, and begins to know it; nil if there are too
// many. It stays that of who named it first.
func (s *remotes) find(name, owner string) *remote {
	if r := s.byName[name]; r != nil || len(s.byName) >= maxSources {
		return r
	}
	r := &remote{name: name, owner: owner}
	s.byName[name] = r
	s.byOwner[owner] = append(s.byOwner[owner], r)
	return r
}

// become changes what is known of a source. It reports whether something else
// is to be seen now.
func (s *remotes) become(r *remote, now look) bool {
	from, to := s.shownIn(r.look), s.shownIn(now)
	r.look = now
	if from == to {
		return false
	}
	if from != nil {
		at, _ := slices.BinarySearch(*from, r.name)
		*from = slices.Delete(*from, at, at+1)
	}
	if to != nil {
		at, _ := slices.BinarySearch(*to, r.name)
		*to = slices.Insert(*to, at, r.name)
	}
	return true
}

// shownIn is the list of what is to be seen that a source belongs to, nil for
// none.
func (s *remotes) shownIn(l look) *[]string {
	switch {
	case !l.video || l.muted || !l.told && !l.listed:
		return nil
	case l.desktop:
		return &s.screens
	}
	return &s.videos
}

// forget forgets what an owner had. It returns what that was, and whether
// something else is to be seen now.
func (s *remotes) forget(owner string) (gone []*remote, shown bool) {
	gone = s.byOwner[owner]
	for _, r := range gone {
		shown = s.become(r, look{}) || shown
		delete(s.byName, r.name)
	}
	delete(s.byOwner, owner)
	return gone, shown
}

// unlist is for the end of a session: nothing has an SSRC any more.
func (s *remotes) unlist() {
	for _, r := range s.byName {
		now := r.look
		now.listed = false
		s.become(r, now)
	}
}

// muted are the names of all sources that are.
func (s *remotes) muted() map[string]bool {
	all := map[string]bool{}
	for name, r := range s.byName {
		if r.muted {
			all[name] = true
		}
	}
	return all
}

// sourceState is what SourceInfo says about one source.
type sourceState struct {
	Muted     bool   `json:"muted"`
	VideoType string `json:"videoType"`
}

// told takes what an owner's SourceInfo says about all of its sources: what is
// missing is muted. It returns the sources of which something has changed,
// whether something else is to be seen now, and how many were too many to be
// known.
func (s *remotes) told(owner string, info map[string]sourceState) (changed []*remote, shown bool, ignored int) {
	set := func(r *remote, now look) {
		if now != r.look {
			changed = append(changed, r)
			shown = s.become(r, now) || shown
		}
	}
	for _, r := range s.byOwner[owner] {
		if _, ok := info[r.name]; !ok {
			now := r.look
			now.muted, now.told = true, true
			set(r, now)
		}
	}
	for name, i := range info {
		r := s.find(name, owner)
		if r == nil {
			ignored++
			continue
		}
		now := r.look
		now.muted, now.told, now.desktop = i.Muted, true, i.VideoType == "desktop"
		now.video = len(name) > 2 && name[len(name)-2] == 'v'
		set(r, now)
	}
	return changed, shown, ignored
}
