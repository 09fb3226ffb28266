package jingle

import (
	"slices"
	"strconv"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Encode returns the <jingle/> element.
func (m *Message) Encode() []byte {
	w := xmpp.NewWriter(m.Size())
	m.AppendTo(w)
	return w.Bytes()
}

// Size estimates the length of the encoded message, in bytes, so that a buffer
// can be had at once.
func (m *Message) Size() int {
	n := 512
	for i := range m.Contents {
		n += m.Contents[i].size()
	}
	for _, o := range m.Sources {
		if m.JSON {
			n += 32 + 96*len(o.Set.Sources) + 40*len(o.Set.Groups)
		} else {
			n += 256*len(o.Set.Sources) + 256*len(o.Set.Groups)
		}
	}
	return n
}

func (c *Content) size() int {
	const transport, description = 1024, 3072
	if c.encoded == nil && c.Description != nil {
		return transport + description
	}
	return transport + len(c.encoded)
}

// AppendTo writes the <jingle/> element.
func (m *Message) AppendTo(w *xmpp.Writer) {
	w.Open("jingle", present([]string{"xmlns", NS, "action", string(m.Action), "sid", m.SID},
		"initiator", m.Initiator, "responder", m.Responder)...)
	for i := range m.Contents {
		m.appendContent(w, &m.Contents[i])
	}
	if len(m.Sources) > 0 {
		m.appendStraySources(w)
	}
	appendBundle(w, m.Bundle)
	if m.StartMuted != nil {
		w.Empty("startmuted", "xmlns", NSStartMute,
			"audio", strconv.FormatBool(m.StartMuted.Audio), "video", strconv.FormatBool(m.StartMuted.Video))
	}
	if m.ICEState != "" {
		w.Elem("ice-state", m.ICEState, "xmlns", NSFocus)
	}
	if m.Reason != nil {
		m.Reason.appendTo(w)
	}
	if m.Bridge != nil {
		m.Bridge.appendTo(w)
	}
	w.Close("jingle")
}

// present appends those pairs whose value is not empty.
func present(attrs []string, pairs ...string) []string {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			attrs = append(attrs, pairs[i], pairs[i+1])
		}
	}
	return attrs
}

func (m *Message) appendContent(w *xmpp.Writer, c *Content) {
	w.Open("content", present(nil, "creator", c.Creator, "name", c.Name, "senders", c.Senders)...)
	if m.InitialLastN != nil && c.Media == media.Video.String() {
		w.Empty("initial-last-n", "xmlns", NSColibri2, "value", strconv.Itoa(*m.InitialLastN))
	}
	if c.Media != "" {
		m.appendDescription(w, c)
	}
	if c.Transport != nil {
		appendTransport(w, c.Transport, c.Media == "application")
	}
	w.Close("content")
}

// Encoded returns the content with its description encoded once and for all,
// for messages that many are sent. What is described must not be changed any
// more.
func (c Content) Encoded() Content {
	c.encoded = c.encode()
	return c
}

func (m *Message) appendDescription(w *xmpp.Writer, c *Content) {
	if c.encoded != nil {
		w.Raw(c.encoded)
	} else {
		w.Raw(c.encode())
	}
	if !m.JSON {
		appendSourceElements(w, m.Sources, media.ParseKind(c.Media))
	}
	w.Close("description")
}

// encode writes the description up to where its sources stand.
func (c *Content) encode() []byte {
	w := xmpp.NewWriter(4096)
	attrs := []string{"xmlns", NSRTP, "media", c.Media}
	if c.MaxPtime > 0 {
		attrs = append(attrs, "maxptime", strconv.Itoa(c.MaxPtime))
	}
	w.Open("description", attrs...)
	if d := c.Description; d != nil {
		for i := range d.PayloadTypes {
			appendPayloadType(w, &d.PayloadTypes[i])
		}
		for _, x := range d.HeaderExtensions {
			w.Empty("rtp-hdrext", "xmlns", NSHdrExt, "id", utoa(uint64(x.ID)), "uri", x.URI)
		}
		if d.ExtmapAllowMixed {
			w.Empty("extmap-allow-mixed", "xmlns", NSHdrExt)
		}
	}
	if c.RTCPMux {
		w.Empty("rtcp-mux")
	}
	return w.Bytes()
}

func appendPayloadType(w *xmpp.Writer, p *media.PayloadType) {
	attrs := []string{"id", utoa(uint64(p.ID)), "name", p.Name, "clockrate", utoa(uint64(p.ClockRate))}
	if p.Channels > 1 {
		attrs = append(attrs, "channels", utoa(uint64(p.Channels)))
	}
	w.Open("payload-type", attrs...)
	for _, q := range p.Parameters {
		w.Empty("parameter", present(nil, "name", q.Name, "value", q.Value)...)
	}
	for _, f := range p.Feedback {
		w.Empty("rtcp-fb", present([]string{"xmlns", NSFeedback, "type", f.Type}, "subtype", f.Subtype)...)
	}
	w.Close("payload-type")
}

// appendStraySources writes the sources which no content of the message takes:
// all of them in compact JSON, otherwise contents made for the purpose.
func (m *Message) appendStraySources(w *xmpp.Writer) {
	if m.JSON {
		w.Open("json-message", "xmlns", NSJitmeet)
		w.Append(func(dst []byte) []byte { return source.AppendJSON(dst, m.Sources) })
		w.Close("json-message")
		return
	}
	for _, kind := range [...]media.Kind{media.Audio, media.Video} {
		if m.describes(kind) || !hasKind(m.Sources, kind) {
			continue
		}
		w.Open("content", "creator", "initiator", "name", kind.String(), "senders", "both")
		w.Open("description", "xmlns", NSRTP, "media", kind.String())
		appendSourceElements(w, m.Sources, kind)
		w.Close("description")
		w.Close("content")
	}
}

func (m *Message) describes(kind media.Kind) bool {
	return slices.ContainsFunc(m.Contents, func(c Content) bool { return c.Media == kind.String() })
}

func hasKind(list []source.Owned, kind media.Kind) bool {
	return slices.ContainsFunc(list, func(o source.Owned) bool { return o.Set.Has(kind) })
}

func appendSourceElements(w *xmpp.Writer, list []source.Owned, kind media.Kind) {
	if kind == 0 {
		return
	}
	for _, o := range list {
		w.Raw(o.Elements(kind, sourceElements))
	}
}

// sourceElements are one owner's sources of a kind, and their groups.
func sourceElements(o source.Owned, kind media.Kind) []byte {
	w := xmpp.NewWriter(512)
	for _, x := range o.Set.Sources {
		if x.Kind == kind {
			appendSource(w, o.Owner, x)
		}
	}
	for _, g := range o.Set.Groups {
		if g.Kind == kind {
			appendGroup(w, g)
		}
	}
	return w.Bytes()
}

func appendSource(w *xmpp.Writer, owner string, x source.Source) {
	attrs := []string{"xmlns", NSSources, "ssrc", utoa(uint64(x.SSRC))}
	w.Open("source", present(attrs, "name", x.Name, "videoType", string(x.VideoType))...)
	if x.MSID != "" {
		w.Empty("parameter", "xmlns", NSSources, "name", "msid", "value", x.MSID)
	}
	if owner != "" {
		w.Empty("ssrc-info", "xmlns", NSJitmeet, "owner", owner)
	}
	w.Close("source")
}

func appendGroup(w *xmpp.Writer, g source.Group) {
	w.Open("ssrc-group", "xmlns", NSSources, "semantics", string(g.Semantics))
	for _, ssrc := range g.SSRCs {
		w.Empty("source", "xmlns", NSSources, "ssrc", utoa(uint64(ssrc)))
	}
	w.Close("ssrc-group")
}

func appendBundle(w *xmpp.Writer, names []string) {
	if names == nil {
		return
	}
	w.Open("group", "xmlns", NSGrouping, "semantics", "BUNDLE")
	for _, name := range names {
		w.Empty("content", "name", name)
	}
	w.Close("group")
}

func (r *Reason) appendTo(w *xmpp.Writer) {
	w.Open("reason")
	if r.Condition != "" {
		w.Empty(r.Condition)
	}
	if r.Text != "" {
		w.Elem("text", r.Text)
	}
	w.Close("reason")
}

func (b *BridgeSession) appendTo(w *xmpp.Writer) {
	attrs := present([]string{"xmlns", NSFocus, "id", b.ID}, "region", b.Region)
	if b.Restart {
		attrs = append(attrs, "restart", "true")
	}
	if b.ICERestart {
		attrs = append(attrs, "ice-restart", "true")
	}
	w.Empty("bridge-session", attrs...)
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }
