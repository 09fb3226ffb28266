package bridge

import (
	"fmt"
	"slices"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/source"
)

// maxCandidates bounds the remote candidates taken from a session-accept.
const maxCandidates = 32

func badRequest(id, format string, args ...any) *colibri.Error {
	return &colibri.Error{Reason: colibri.BadRequest, Endpoint: id, Text: fmt.Sprintf(format, args...)}
}

// checkRequest looks at what can be judged without knowing the conference.
func (b *Bridge) checkRequest(req *colibri.ConferenceModify) error {
	if req.MeetingID == "" || len(req.MeetingID) > 128 {
		return badRequest("", "meeting id missing or too long")
	}
	for i := range req.Endpoints {
		if err := b.checkEndpoint(&req.Endpoints[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bridge) checkEndpoint(m *colibri.EndpointModify) error {
	switch {
	case !isEndpointID(m.ID):
		return badRequest(m.ID, "endpoint id is not 8 hex digits")
	case m.Create && m.Expire:
		return badRequest(m.ID, "create and expire exclude each other")
	case m.Create && m.RestartICE:
		return badRequest(m.ID, "there is nothing to restart yet")
	case m.Create && !m.WantTransport:
		return badRequest(m.ID, "create needs a transport")
	case m.Create && len(m.Media) == 0:
		return badRequest(m.ID, "create needs media")
	case m.Visitor && m.Sources != nil && !m.Sources.Empty():
		return badRequest(m.ID, "a visitor has no sources")
	case m.InitialLastN != nil && *m.InitialLastN < -1:
		return badRequest(m.ID, "last-n below -1")
	case m.Transport != nil && len(m.Transport.Candidates) > maxCandidates:
		return badRequest(m.ID, "more than %d candidates", maxCandidates)
	case m.Sources != nil && len(m.Sources.Sources) > b.opt.Limits.SourcesPerEndpoint:
		return badRequest(m.ID, "more than %d sources", b.opt.Limits.SourcesPerEndpoint)
	}
	return nil
}

func isEndpointID(id string) bool {
	if len(id) != 8 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// checkEndpoints looks at the request against the state of the conference;
// nothing has been changed yet, so that a refusal changes nothing.
func (c *conference) checkEndpoints(ms []colibri.EndpointModify) *colibri.Error {
	room := c.w.b.opt.Limits.EndpointsPerConference - len(c.endpoints)
	for i := range ms {
		m := &ms[i]
		ep := c.endpoints[m.ID]
		if m.Create {
			room--
		}
		switch {
		case m.Create && ep != nil:
			return badRequest(m.ID, "the endpoint exists already")
		case room < 0:
			return badRequest(m.ID, "the conference is full")
		case ep == nil && !m.Create && needsEndpoint(m):
			return &colibri.Error{Reason: colibri.UnknownEndpoint, Endpoint: m.ID}
		case ep != nil && ep.visitor && m.Sources != nil && !m.Sources.Empty():
			return badRequest(m.ID, "a visitor has no sources")
		}
		if m.Sources != nil {
			if err := c.checkSources(m.ID, m.Sources); err != nil {
				return err
			}
		}
	}
	return nil
}

// needsEndpoint tells requests that make no sense for an endpoint that has
// gone from those that are merely late: expire, force-mute, last-n.
func needsEndpoint(m *colibri.EndpointModify) bool {
	return len(m.Media) > 0 || m.WantTransport || m.RestartICE || m.Transport != nil || m.Sources != nil
}

// checkSources refuses what belongs to somebody else: the two could not be
// told apart on the receivers' side.
func (c *conference) checkSources(id string, set *source.Set) *colibri.Error {
	for _, s := range set.Sources {
		if err := c.checkSSRC(id, s.SSRC); err != nil {
			return err
		}
		if other := c.sources[s.Name]; other != nil && other.owner.id != id {
			return badRequest(id, "source %q belongs to another endpoint", s.Name)
		}
	}
	for _, g := range set.Groups {
		for _, ssrc := range g.SSRCs {
			if err := c.checkSSRC(id, ssrc); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *conference) checkSSRC(id string, ssrc uint32) *colibri.Error {
	if ssrc == 0 || ssrc == c.feedbackAudio || ssrc == c.feedbackVideo {
		return badRequest(id, "ssrc %d cannot be used", ssrc)
	}
	if ep := c.endpoints[id]; ep != nil && slices.Contains(ep.maps.own, ssrc) {
		return badRequest(id, "ssrc %d is one of the bridge's", ssrc)
	}
	if owner := c.ssrcs[ssrc]; owner != nil && owner.id != id {
		return badRequest(id, "ssrc %d belongs to another endpoint", ssrc)
	}
	return nil
}
