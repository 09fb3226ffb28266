package jingle

import (
	"slices"
	"strconv"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// sourcesIn reads the <source/> and <ssrc-group/> children of el (XEP-0339).
func (p *parser) sourcesIn(el xmpp.Element, kind media.Kind) error {
	if kind == 0 {
		return nil
	}
	for c := range el.Children() {
		var err error
		switch {
		case c.NS != NSSources:
		case c.Name == "source":
			err = p.source(c, kind)
		case c.Name == "ssrc-group":
			err = p.group(c, kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) source(el xmpp.Element, kind media.Kind) error {
	text, ok := el.Attr("ssrc")
	if !ok {
		return nil // a rid (RFC 8851); Jitsi clients signal their SSRCs as well
	}
	if p.sources++; p.sources > p.limits.Sources {
		return tooMany("sources", p.limits.Sources)
	}
	ssrc, err := parseSSRC(text)
	if err != nil {
		return err
	}
	x := source.Source{
		SSRC:      ssrc,
		Kind:      kind,
		Name:      clone(el.AttrOr("name", ""), 128),
		VideoType: videoType(el.AttrOr("videoType", "")),
	}
	owner := ""
	for c := range el.Children() {
		switch c.Name {
		case "parameter":
			if c.AttrOr("name", "") == "msid" {
				x.MSID = clone(c.AttrOr("value", ""), source.MaxMSID+1)
			}
		case "ssrc-info":
			owner = clone(c.AttrOr("owner", ""), xmpp.MaxJIDPart)
		}
	}
	p.m.Sources = merge(p.m.Sources, source.Owned{Owner: owner, Set: source.Set{Sources: []source.Source{x}}})
	return nil
}

// videoType reads the attribute as clients do: desktop in any variety is
// desktop, camera needs no mention.
func videoType(s string) source.VideoType {
	switch s {
	case "desktop", "desktop_high_fps":
		return source.Desktop
	}
	return ""
}

func parseSSRC(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return 0, malformed("SSRC %.24q is not valid", text)
	}
	return uint32(n), nil
}

func (p *parser) group(el xmpp.Element, kind media.Kind) error {
	if p.groups++; p.groups > p.limits.Sources {
		return tooMany("source groups", p.limits.Sources)
	}
	g := source.Group{Semantics: source.Semantics(clone(el.AttrOr("semantics", ""), 16)), Kind: kind}
	for c := range el.Children() {
		text, ok := c.Attr("ssrc")
		if !ok {
			continue
		}
		if len(g.SSRCs) == p.limits.Sources {
			return tooMany("sources in a group", p.limits.Sources)
		}
		ssrc, err := parseSSRC(text)
		if err != nil {
			return err
		}
		g.SSRCs = append(g.SSRCs, ssrc)
	}
	if len(g.SSRCs) == 0 {
		return nil
	}
	set := source.Set{Groups: []source.Group{g}}
	p.m.Sources = merge(p.m.Sources, source.Owned{Owner: p.ownerOf(g.SSRCs[0]), Set: set})
	return nil
}

// ownerOf finds whom a group belongs to: the message says it only of sources.
func (p *parser) ownerOf(ssrc uint32) string {
	for _, o := range p.m.Sources {
		if _, ok := o.Set.Find(ssrc); ok {
			return o.Owner
		}
	}
	return ""
}

// merge adds o to the entry of its owner. The list is the parser's own, so
// appending in place is safe.
func merge(list []source.Owned, o source.Owned) []source.Owned {
	i := slices.IndexFunc(list, func(have source.Owned) bool { return have.Owner == o.Owner })
	if i < 0 {
		return append(list, o)
	}
	list[i].Set.Sources = append(list[i].Set.Sources, o.Set.Sources...)
	list[i].Set.Groups = append(list[i].Set.Groups, o.Set.Groups...)
	return list
}
