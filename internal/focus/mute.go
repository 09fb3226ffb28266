package focus

import (
	"strings"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// onMute takes a wish to mute somebody, or the news that somebody whom a
// moderator had muted has unmuted itself:
//
//	<mute xmlns='http://jitsi.org/jitmeet/audio' jid='room/0a1b2c3d'>true</mute>
//
// with …/video and …/desktop for the other kinds.
func (c *conference) onMute(p *participant, st xmpp.Stanza, el xmpp.Element) {
	kind, ok := strings.CutPrefix(el.NS, jingle.NSJitmeet+"/")
	if !ok || (kind != "audio" && kind != "video" && kind != "desktop") || st.Type != "set" {
		c.refuse(st, badRequest("unknown kind of mute"))
		return
	}
	target, mute, refusal := c.readMute(el)
	if refusal == nil {
		refusal = mayMute(p, target, mute)
	}
	if refusal != nil {
		c.refuse(st, refusal)
		return
	}
	c.ack(st)
	if target == p && mute {
		return // it has done so already
	}
	c.forceMute(target, kind, mute)
	if target != p {
		c.tellMuted(target, p, el.NS)
	}
}

func (c *conference) readMute(el xmpp.Element) (target *participant, mute bool, refusal *xmpp.StanzaError) {
	jid, err := xmpp.ParseJID(el.AttrOr("jid", ""))
	if err != nil {
		return nil, false, badRequest("whom to mute is missing")
	}
	switch strings.TrimSpace(el.Text()) {
	case "true":
		mute = true
	case "false":
	default:
		return nil, false, badRequest("neither true nor false")
	}
	target = c.people[jid.Resource]
	if target == nil || jid.Bare() != c.room {
		return nil, false, &xmpp.StanzaError{Type: "cancel", Condition: "item-not-found", Text: "no such participant"}
	}
	return target, mute, nil
}

// mayMute lets moderators mute anybody, and nobody unmute anybody else.
func mayMute(p, target *participant, mute bool) *xmpp.StanzaError {
	if target == p || mute && p.moderator() {
		return nil
	}
	return &xmpp.StanzaError{Type: "cancel", Condition: "not-allowed"}
}

// forceMute tells the bridge to drop the media, for clients that do not obey.
// A bridge cannot tell a desktop from a camera, so those are left to clients.
func (c *conference) forceMute(target *participant, kind string, mute bool) {
	is := target.mute
	switch kind {
	case "audio":
		is.Audio = mute
	case "video":
		is.Video = mute
	}
	if is == target.mute {
		return
	}
	target.mute = is
	if target.endpoint {
		c.update(colibri.EndpointModify{ID: target.nick, ForceMute: &is})
	}
}

// tellMuted tells a client to mute itself. Clients do not answer this.
func (c *conference) tellMuted(target, by *participant, ns string) {
	w := xmpp.NewWriter(192)
	w.Elem("mute", "true", "xmlns", ns, "actor", by.occupant)
	c.tell("set", target.occupant, w.Bytes())
}
