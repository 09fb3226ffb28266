package loadtest

import (
	"maps"
	"slices"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/loadtest/wire"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// What a web client's window shows.
const (
	maxTiles  = 25 // 5 by 5
	filmstrip = 10 // small pictures beside the large one
	thumbnail = 180
	stageHigh = 720
)

// tellView sends the constraints of what the participant looks at, as the web
// client does for the layout. The lock is held.
func (p *participant) tellView() {
	c := p.channel
	if c == nil {
		return
	}
	msg := constraints(p.role, p.remotes.videos, p.remotes.screens, p.speaker)
	lastN := p.r.site.LastN
	if p.role.LastN != nil {
		lastN = *p.role.LastN
	}
	msg.LastN = &lastN
	p.r.living.Go(func() { c.tell(msg) }) // not under the lock: a bridge may be slow to read
}

// constraints makes the message for a layout. speaker is the endpoint that
// speaks, "" if that is not known.
func constraints(role *Role, videos, screens []string, speaker string) *colibri.ReceiverVideoConstraints {
	msg := &colibri.ReceiverVideoConstraints{
		SelectedSources: []string{}, OnStageSources: []string{},
		DefaultConstraints: &colibri.VideoConstraints{MaxHeight: 0}, Constraints: map[string]colibri.VideoConstraints{},
	}
	limit := func(h int) colibri.VideoConstraints {
		if role.Height > 0 {
			h = min(h, role.Height)
		}
		return colibri.VideoConstraints{MaxHeight: h}
	}
	if role.Layout == Stage {
		large := ""
		switch {
		case len(screens) > 0:
			large = screens[0]
		case slices.Contains(videos, speaker+"-v0"):
			large = speaker + "-v0"
		case len(videos) > 0:
			large = videos[0]
		}
		for _, name := range slices.Concat(screens, videos)[:min(len(screens)+len(videos), filmstrip)] {
			msg.Constraints[name] = limit(thumbnail)
		}
		if large != "" {
			msg.OnStageSources = []string{large}
			msg.Constraints[large] = limit(stageHigh)
		}
		return msg
	}
	all := slices.Concat(screens, videos)
	all = all[:min(len(all), maxTiles)]
	for _, name := range all {
		msg.Constraints[name] = limit(tileHeight(len(all)))
	}
	return msg
}

// tileHeight is what the web client asks for when that many tiles share a
// window.
func tileHeight(tiles int) int {
	switch {
	case tiles <= 1:
		return 720
	case tiles <= 5:
		return 360
	}
	return thumbnail
}

// sourcesChanged takes sources that Jingle adds or removes; the lock is held.
func (p *participant) sourcesChanged(e *wire.Event) {
	list := map[uint32]announced{}
	shown := false
	for _, o := range e.Sources {
		if o.Owner == "jvb" {
			continue
		}
		for ssrc, a := range announcedBy(o) {
			list[ssrc] = a
			shown = p.announced(o.Owner, a, e.Kind == wire.Added) || shown
		}
	}
	if m := p.peer; m != nil && len(list) > 0 {
		if e.Kind == wire.Added {
			m.w.do(func() { m.announce(list) })
		} else {
			m.w.do(func() { m.withdraw(slices.Collect(maps.Keys(list))) })
		}
	}
	if shown {
		p.lookAgain()
	}
}

// announced takes that a source has an SSRC, or has none any more. It reports
// whether something else is to be seen now.
func (p *participant) announced(owner string, a announced, listed bool) bool {
	r := p.remotes.find(a.source, owner)
	if r == nil {
		p.ignored++
		return false
	}
	now := r.look
	now.video, now.listed, now.desktop = a.video, listed, now.desktop || a.desktop
	return p.remotes.become(r, now)
}

// announcedBy lists the primary SSRCs of one owner with their repetitions.
func announcedBy(o source.Owned) map[uint32]announced {
	rtx := map[uint32]uint32{}
	second := map[uint32]bool{}
	for _, g := range o.Set.Groups {
		if g.Semantics == source.FID && len(g.SSRCs) == 2 {
			rtx[g.SSRCs[0]] = g.SSRCs[1]
			second[g.SSRCs[1]] = true
		}
	}
	list := map[uint32]announced{}
	for _, s := range o.Set.Sources {
		if !second[s.SSRC] {
			list[s.SSRC] = announced{source: s.Name, owner: o.Owner, video: s.Kind == media.Video, desktop: s.VideoType == source.Desktop, rtx: rtx[s.SSRC]}
		}
	}
	return list
}

// tellMutes tells the media which of some sources are muted; the lock is held.
func (p *participant) tellMutes(of []*remote) {
	m := p.peer
	if m == nil || len(of) == 0 {
		return
	}
	muted := make(map[string]bool, len(of))
	for _, r := range of {
		muted[r.name] = r.muted
	}
	m.w.do(func() { m.mute(muted) })
}

// tellGone tells the media which sources went with their owner; the lock is
// held.
func (p *participant) tellGone(of []*remote) {
	m := p.peer
	if m == nil || len(of) == 0 {
		return
	}
	names := make(map[string]bool, len(of))
	for _, r := range of {
		names[r.name] = true
	}
	m.w.do(func() { m.gone(names) })
}

// gone takes which sources nothing more will come of: that is no freeze. Those
// that were received count as muted, since packets and a list of what is
// forwarded may still be on their way.
func (m *peer) gone(names map[string]bool) {
	for name := range names {
		delete(m.muted, name)
	}
	for _, s := range m.order {
		if names[s.Source] {
			m.muted[s.Source] = true
			s.Moving(false)
		}
	}
}

// mute takes which of some sources are muted.
func (m *peer) mute(muted map[string]bool) {
	for name, is := range muted {
		if is {
			m.muted[name] = true
		} else {
			delete(m.muted, name)
		}
	}
	for _, s := range m.order {
		if _, ok := muted[s.Source]; ok {
			m.moveKnown(s)
		}
	}
}

// isMuted reports whether a source is known to be muted.
func (m *peer) isMuted(name string) bool { return m.muted[name] }
