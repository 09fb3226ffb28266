package jingle

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Limits bound what [Parse] takes from one message. They are checked while
// reading, so that a message of ten thousand sources costs no more than its
// scan.
type Limits struct {
	Contents     int
	PayloadTypes int // a content
	Extensions   int // a content
	Candidates   int // a content
	Sources      int // SSRCs a message; as many groups
}

// DefaultLimits leave room for twice what any client sends.
var DefaultLimits = Limits{Contents: 16, PayloadTypes: 128, Extensions: 32, Candidates: 32, Sources: 64}

// maxSID bounds the length of a session id, in bytes.
const maxSID = 256

// Error says why a message could not be taken. To a client it is bad-request.
type Error struct{ Text string }

// Error implements error.
func (e *Error) Error() string { return "jingle: " + e.Text }

func malformed(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

func tooMany(what string, limit int) error { return malformed("more than %d %s", limit, what) }

// Parse reads a <jingle/> element. The result holds no reference to the
// element's memory. The error is an [*Error].
func Parse(el xmpp.Element, limits Limits) (*Message, error) {
	if el.Name != "jingle" || el.NS != NS {
		return nil, malformed("not a jingle element")
	}
	m := &Message{
		Action:    action(el.AttrOr("action", "")),
		SID:       clone(el.AttrOr("sid", ""), maxSID+1),
		Initiator: clone(el.AttrOr("initiator", ""), 3*xmpp.MaxJIDPart),
		Responder: clone(el.AttrOr("responder", ""), 3*xmpp.MaxJIDPart),
	}
	if m.Action == "" || m.SID == "" || len(m.SID) > maxSID {
		return nil, malformed("action or sid missing")
	}
	p := parser{m: m, limits: limits}
	for c := range el.Children() {
		if err := p.child(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// action accepts the older names of the source actions as well.
func action(s string) Action {
	switch s {
	case "addsource":
		return SourceAdd
	case "removesource":
		return SourceRemove
	}
	return Action(clone(s, 32))
}

type parser struct {
	m               *Message
	limits          Limits
	sources, groups int
}

func (p *parser) child(el xmpp.Element) error {
	switch el.Name {
	case "content":
		return p.content(el)
	case "group":
		return p.bundle(el)
	case "json-message":
		return p.json(el)
	case "reason":
		p.m.Reason = parseReason(el)
	case "bridge-session":
		p.m.Bridge = &BridgeSession{
			ID:         clone(el.AttrOr("id", ""), 256),
			Region:     clone(el.AttrOr("region", ""), 64),
			Restart:    el.AttrOr("restart", "") == "true",
			ICERestart: el.AttrOr("ice-restart", "") == "true",
		}
	case "ice-state":
		p.m.ICEState = clone(el.Text(), 32)
	case "startmuted":
		p.m.StartMuted = &StartMuted{
			Audio: el.AttrOr("audio", "") == "true",
			Video: el.AttrOr("video", "") == "true",
		}
	}
	return nil
}

func parseReason(el xmpp.Element) *Reason {
	r := &Reason{}
	for c := range el.Children() {
		if c.Name == "text" {
			r.Text = clone(c.Text(), 256)
		} else if r.Condition == "" {
			r.Condition = clone(c.Name, 64)
		}
	}
	return r
}

func (p *parser) bundle(el xmpp.Element) error {
	if el.AttrOr("semantics", "") != "BUNDLE" {
		return nil
	}
	p.m.Bundle = []string{}
	for c := range el.Children() {
		if len(p.m.Bundle) == p.limits.Contents {
			return tooMany("group members", p.limits.Contents)
		}
		p.m.Bundle = append(p.m.Bundle, clone(c.AttrOr("name", ""), 64))
	}
	return nil
}

func (p *parser) json(el xmpp.Element) error {
	list, err := source.ParseJSON([]byte(el.Text()), p.limits.Sources)
	if errors.Is(err, source.ErrTooMany) {
		return tooMany("sources", p.limits.Sources)
	}
	if err != nil {
		return malformed("%v", err)
	}
	for _, o := range list {
		p.sources += len(o.Set.Sources)
		p.groups += len(o.Set.Groups)
		p.m.Sources = merge(p.m.Sources, o)
	}
	if p.sources > p.limits.Sources || p.groups > p.limits.Sources {
		return tooMany("sources", p.limits.Sources)
	}
	p.m.JSON = true
	return nil
}

func (p *parser) content(el xmpp.Element) error {
	if len(p.m.Contents) == p.limits.Contents {
		if p.m.Action == TransportInfo {
			// Clients repeat their one transport for each m-line, of which there
			// are hundreds in a large meeting.
			return nil
		}
		return tooMany("contents", p.limits.Contents)
	}
	c := Content{
		Name:    clone(el.AttrOr("name", ""), 64),
		Creator: clone(el.AttrOr("creator", ""), 16),
		Senders: clone(el.AttrOr("senders", ""), 16),
	}
	desc, described := el.Child("description", "")
	if described {
		c.Media = clone(desc.AttrOr("media", c.Name), 16)
		c.MaxPtime = atoi(desc.AttrOr("maxptime", ""))
	}
	kind := media.ParseKind(c.Media)
	if c.Media == "" {
		kind = media.ParseKind(c.Name)
	}
	// Sources stand in the description; some senders put them beside it.
	if err := p.sourcesIn(el, kind); err != nil {
		return err
	}
	if described {
		if err := p.description(desc, &c, kind); err != nil {
			return err
		}
	}
	return p.contentExtras(el, &c)
}

func (p *parser) contentExtras(el xmpp.Element, c *Content) error {
	if n, ok := el.Child("initial-last-n", ""); ok {
		v, err := strconv.ParseInt(n.AttrOr("value", ""), 10, 32)
		if err != nil || v < -1 {
			return malformed("initial-last-n is no number")
		}
		lastN := int(v)
		p.m.InitialLastN = &lastN
	}
	if t, ok := el.Child("transport", NSICE); ok {
		var err error
		if c.Transport, err = parseTransport(t, p.limits); err != nil {
			return err
		}
	}
	p.m.Contents = append(p.m.Contents, *c)
	return nil
}

func (p *parser) description(el xmpp.Element, c *Content, kind media.Kind) error {
	if kind == 0 {
		return nil
	}
	d := &media.Description{Kind: kind}
	for x := range el.Children() {
		switch x.Name {
		case "payload-type":
			if len(d.PayloadTypes) == p.limits.PayloadTypes {
				return tooMany("payload types", p.limits.PayloadTypes)
			}
			pt, err := parsePayloadType(x)
			if err != nil {
				return err
			}
			d.PayloadTypes = append(d.PayloadTypes, pt)
		case "rtp-hdrext":
			if len(d.HeaderExtensions) == p.limits.Extensions {
				return tooMany("header extensions", p.limits.Extensions)
			}
			d.HeaderExtensions = append(d.HeaderExtensions, media.HeaderExtension{
				ID: uint8(min(atoi(x.AttrOr("id", "")), 255)), URI: clone(x.AttrOr("uri", ""), 256),
			})
		case "extmap-allow-mixed":
			d.ExtmapAllowMixed = true
		case "rtcp-mux":
			c.RTCPMux = true
		}
	}
	c.Description = d
	return p.sourcesIn(el, kind)
}

func parsePayloadType(el xmpp.Element) (media.PayloadType, error) {
	id, err := strconv.ParseUint(el.AttrOr("id", ""), 10, 7)
	if err != nil {
		return media.PayloadType{}, malformed("payload type without a number")
	}
	clock, err := strconv.ParseUint(el.AttrOr("clockrate", "0"), 10, 32)
	if err != nil {
		return media.PayloadType{}, malformed("payload type %d has no clock rate", id)
	}
	pt := media.PayloadType{ID: uint8(id), Name: clone(el.AttrOr("name", ""), 64), ClockRate: uint32(clock)}
	if n := atoi(el.AttrOr("channels", "")); n > 1 && n < 256 {
		pt.Channels = uint8(n)
	}
	for c := range el.Children() {
		switch c.Name {
		case "parameter":
			pt.Parameters = append(pt.Parameters, media.Parameter{
				Name: clone(c.AttrOr("name", ""), 256), Value: clone(c.AttrOr("value", ""), 256),
			})
		case "rtcp-fb":
			pt.Feedback = append(pt.Feedback, media.Feedback{
				Type: clone(c.AttrOr("type", ""), 64), Subtype: clone(c.AttrOr("subtype", ""), 64),
			})
		}
		if len(pt.Parameters) > 32 || len(pt.Feedback) > 32 {
			return pt, malformed("payload type %d has too many parameters", id)
		}
	}
	return pt, nil
}
