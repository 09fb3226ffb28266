package source

import (
	"strconv"
	"strings"

	"github.com/plenum-conf/plenum/internal/media"
)

// MaxMSID bounds the length of a msid in bytes. Clients use about 60.
const MaxMSID = 256

// check applies every rule to owner's wish to send add, after which it would
// send next.
func (l *Ledger) check(owner string, add, next Set) error {
	if n := len(next.Sources); n > l.limits.Sources {
		return badRequest("too many sources: %d, at most %d", n, l.limits.Sources)
	}
	if n := len(next.Groups); n > l.limits.Groups {
		return badRequest("too many source groups: %d, at most %d", n, l.limits.Groups)
	}
	seen := make(map[uint32]bool, len(add.Sources))
	for _, x := range add.Sources {
		if seen[x.SSRC] {
			return badRequest("source %d is given twice", x.SSRC)
		}
		seen[x.SSRC] = true
		if err := l.checkSource(owner, x); err != nil {
			return err
		}
	}
	for _, g := range add.Groups {
		if err := checkGroup(g, next); err != nil {
			return err
		}
	}
	return checkMSIDs(next)
}

func (l *Ledger) checkSource(owner string, x Source) error {
	if x.SSRC == 0 {
		return badRequest("source 0 is not valid")
	}
	if _, used := l.ssrcs[x.SSRC]; used {
		return badRequest("source %d is already used", x.SSRC)
	}
	if len(x.MSID) > MaxMSID {
		return badRequest("msid of source %d is too long", x.SSRC)
	}
	if other, used := l.msids[x.MSID]; used && x.MSID != "" && other != owner {
		return badRequest("msid of source %d is used by somebody else", x.SSRC)
	}
	if x.VideoType != "" && x.VideoType != Camera && x.VideoType != Desktop {
		return badRequest("source %d has an unknown video type", x.SSRC)
	}
	return checkName(owner, x)
}

// checkName demands "<owner>-a<n>" for audio and "<owner>-v<n>" for video.
func checkName(owner string, x Source) error {
	index, ok := strings.CutPrefix(x.Name, owner+nameLetter(x.Kind))
	if !ok || len(index) > 4 {
		return badRequest("source name %.40q does not belong to %s", x.Name, owner)
	}
	if _, err := strconv.ParseUint(index, 10, 16); err != nil {
		return badRequest("source name %.40q has no index", x.Name)
	}
	return nil
}

func nameLetter(kind media.Kind) string {
	if kind == media.Audio {
		return "-a"
	}
	return "-v"
}

// withNames gives nameless sources the owner's first name of their kind.
func withNames(owner string, s Set) Set {
	out := s
	for i, x := range s.Sources {
		if x.Name != "" {
			continue
		}
		if &out.Sources[0] == &s.Sources[0] {
			out.Sources = append([]Source(nil), s.Sources...)
		}
		out.Sources[i].Name = owner + nameLetter(x.Kind) + "0"
	}
	return out
}

func checkGroup(g Group, all Set) error {
	switch {
	case g.Semantics != FID && g.Semantics != SIM:
		return badRequest("group semantics %.20q are unknown", g.Semantics)
	case g.Semantics == FID && len(g.SSRCs) != 2:
		return badRequest("a FID group has 2 sources, not %d", len(g.SSRCs))
	case len(g.SSRCs) == 0:
		return badRequest("a group is empty")
	}
	first, ok := all.Find(g.SSRCs[0])
	if !ok {
		return badRequest("group refers to unknown source %d", g.SSRCs[0])
	}
	for i, ssrc := range g.SSRCs {
		x, ok := all.Find(ssrc)
		switch {
		case !ok:
			return badRequest("group refers to unknown source %d", ssrc)
		case x.MSID == "":
			return badRequest("grouped source %d has no msid", ssrc)
		case x.MSID != first.MSID || x.Name != first.Name || x.Kind != g.Kind:
			return badRequest("sources %d and %d of one group belong to different tracks", first.SSRC, ssrc)
		}
		for _, other := range g.SSRCs[:i] {
			if other == ssrc {
				return badRequest("group names source %d twice", ssrc)
			}
		}
	}
	return nil
}

// checkMSIDs demands that, within one kind, two things that are not tied
// together by groups do not share a msid: a receiver would take them for one
// track.
func checkMSIDs(s Set) error {
	type track struct {
		kind media.Kind
		msid string
	}
	cluster := clusters(s)
	first := make(map[track]uint32)
	for _, x := range s.Sources {
		if x.MSID == "" {
			continue
		}
		t := track{x.Kind, x.MSID}
		leader, known := first[t]
		if !known {
			first[t] = cluster[x.SSRC]
			continue
		}
		if leader != cluster[x.SSRC] {
			return badRequest("sources %d and %d share a msid without being grouped", leader, x.SSRC)
		}
	}
	return nil
}

// clusters maps every SSRC to one SSRC that stands for all that groups tie it to.
func clusters(s Set) map[uint32]uint32 {
	leader := make(map[uint32]uint32, len(s.Sources))
	for _, x := range s.Sources {
		leader[x.SSRC] = x.SSRC
	}
	for _, g := range s.Groups {
		to := leader[g.SSRCs[0]]
		for _, ssrc := range g.SSRCs[1:] {
			join(leader, leader[ssrc], to)
		}
	}
	return leader
}

func join(leader map[uint32]uint32, from, to uint32) {
	if from == to {
		return
	}
	for ssrc, l := range leader {
		if l == from {
			leader[ssrc] = to
		}
	}
}
