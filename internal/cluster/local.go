package cluster

import (
	"context"
	"slices"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// LocalBridge is the local form of [colibri.Bridge]: requests and answers are
// copied on their way.
type LocalBridge struct{ bridge colibri.Bridge }

// NewLocalBridge returns the local form in front of bridge.
func NewLocalBridge(bridge colibri.Bridge) *LocalBridge { return &LocalBridge{bridge} }

// Modify implements [colibri.Bridge].
func (l *LocalBridge) Modify(ctx context.Context, req *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	res, err := l.bridge.Modify(ctx, copyRequest(req))
	if err != nil {
		return nil, err
	}
	return copyAnswer(res), nil
}

func copyRequest(r *colibri.ConferenceModify) *colibri.ConferenceModify {
	c := *r
	c.Endpoints = slices.Clone(r.Endpoints)
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		e.Media = copyMedia(e.Media)
		e.Transport = copyTransport(e.Transport)
		e.Sources = copyPointer(e.Sources, copySet)
		e.ForceMute = copyPointer(e.ForceMute, func(f colibri.ForceMute) colibri.ForceMute { return f })
		e.InitialLastN = copyPointer(e.InitialLastN, func(n int) int { return n })
	}
	return &c
}

func copyAnswer(a *colibri.ConferenceModified) *colibri.ConferenceModified {
	c := *a
	c.Feedback = copySet(a.Feedback)
	c.Endpoints = slices.Clone(a.Endpoints)
	for i := range c.Endpoints {
		c.Endpoints[i].Transport = copyTransport(c.Endpoints[i].Transport)
	}
	return &c
}

func copyPointer[T any](p *T, deep func(T) T) *T {
	if p == nil {
		return nil
	}
	v := deep(*p)
	return &v
}

func copySet(s source.Set) source.Set {
	c := source.Set{Sources: slices.Clone(s.Sources), Groups: slices.Clone(s.Groups)}
	for i := range c.Groups {
		c.Groups[i].SSRCs = slices.Clone(c.Groups[i].SSRCs)
	}
	return c
}

func copyMedia(all []media.Description) []media.Description {
	c := slices.Clone(all)
	for i := range c {
		c[i].HeaderExtensions = slices.Clone(c[i].HeaderExtensions)
		c[i].PayloadTypes = slices.Clone(c[i].PayloadTypes)
		for j := range c[i].PayloadTypes {
			p := &c[i].PayloadTypes[j]
			p.Parameters, p.Feedback = slices.Clone(p.Parameters), slices.Clone(p.Feedback)
		}
	}
	return c
}

func copyTransport(t *media.Transport) *media.Transport {
	return copyPointer(t, func(v media.Transport) media.Transport {
		v.Fingerprint = copyPointer(v.Fingerprint, func(f media.Fingerprint) media.Fingerprint { return f })
		v.Candidates = slices.Clone(v.Candidates)
		return v
	})
}
