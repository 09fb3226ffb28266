package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// presenceState is what the client tells about itself.
type presenceState struct {
	audio, video, screen bool // sources exist
	audioMuted           bool
	videoMuted           bool
}

// request asks the focus for the conference over the stream.
func (c *Client) request(now mono.Time) {
	w := xmpp.NewWriter(400)
	attrs := []string{"xmlns", xmpp.NSFocus, "room", c.room, "machine-uid", c.cfg.MachineID}
	if c.cfg.Token != "" {
		attrs = append(attrs, "token", c.cfg.Token)
	}
	w.Open("conference", attrs...)
	w.Empty("property", "name", "rtcstatsEnabled", "value", "false")
	w.Empty("property", "name", "visitors-version", "value", "1")
	w.Close("conference")
	c.iq(now, "set", c.cfg.Focus, w.Bytes(), 0, c.requested)
}

func (c *Client) requested(now mono.Time, st xmpp.Stanza, err error) {
	if err != nil {
		c.fatal(refusal(c.cfg.Focus, err))
		return
	}
	el, ok := st.Child("conference", xmpp.NSFocus)
	if !ok {
		c.fatal("the focus answers without a conference")
		return
	}
	if vnode, ok := el.Attr("vnode"); ok && vnode != "" {
		c.trouble("the focus sends this participant to a visitor node, which is not supported")
	}
	if el.AttrOr("ready", "") != "true" {
		c.retries++
		c.retryAt = now.Add(Backoff(c.retries))
		return
	}
	if jid := el.AttrOr("focusjid", ""); jid != "" {
		c.focus = strings.Clone(jid)
	}
	c.event(Event{Kind: Requested})
	c.join(now)
}

// refusal says why there is no conference. Who is not there cannot refuse: a
// server without focus says so in the focus's name.
func refusal(focus string, err error) string {
	var e *xmpp.StanzaError
	if errors.As(err, &e) && (e.Condition == "service-unavailable" || e.Condition == "remote-server-not-found") {
		return "nobody is at " + focus + ", where the focus should be: does the server run one? (" + err.Error() + ")"
	}
	return "the focus refuses the conference: " + err.Error()
}

// Backoff is how long a client waits before it repeats a conference request
// for the nth time: 1, 2, 4 ... seconds, two minutes at most.
func Backoff(n int) time.Duration {
	return min(time.Second<<min(n-1, 10), 2*time.Minute)
}

// SetFocus tells the bare JID of the focus that answered a request over HTTP.
func (c *Client) SetFocus(jid string) { c.focus = jid }

func (c *Client) join(now mono.Time) {
	if c.phase != requesting {
		return
	}
	c.phase = joining
	c.presence = presenceState{audioMuted: c.cfg.AudioMuted, videoMuted: c.cfg.VideoMuted}
	c.sendPresence(true)
	c.discoRoom(now)
}

// discoRoom asks for the room's configuration, as clients do after joining.
func (c *Client) discoRoom(now mono.Time) {
	w := xmpp.NewWriter(64)
	w.Empty("query", "xmlns", xmpp.NSDiscoInfo)
	c.iq(now, "get", c.room, w.Bytes(), requestTimeout, func(_ mono.Time, _ xmpp.Stanza, err error) {
		if err == errTimeout && c.phase == present {
			c.trouble("the room does not answer a question about itself")
		}
	})
}

// sendPresence sends the complete state; the first one joins.
func (c *Client) sendPresence(first bool) {
	w := xmpp.NewWriter(1200)
	w.Open("presence", "xmlns", xmpp.NSClient, "to", c.room+"/"+c.endpoint)
	if first {
		w.Open("x", "xmlns", xmpp.NSMUC)
		if c.cfg.RoomPassword != "" {
			w.Elem("password", c.cfg.RoomPassword)
		}
		if !c.cfg.RequestByIQ && c.cfg.MachineID != "" {
			w.Elem("billingid", c.cfg.MachineID)
		}
		w.Close("x")
	}
	w.Elem("stats-id", "Load-"+c.endpoint[:min(3, len(c.endpoint))])
	w.Empty("c", "xmlns", xmpp.NSCaps, "hash", "sha-1", "node", capsNode, "ver", c.caps)
	w.Elem("SourceInfo", c.sourceInfo())
	if len(c.cfg.Codecs) > 0 {
		w.Elem("jitsi_participant_codecList", strings.Join(c.cfg.Codecs, ","))
	}
	w.Elem("nick", c.cfg.Nick, "xmlns", xmpp.NSNick)
	w.Close("presence")
	c.stanza(w.Bytes())
}

// sourceInfo is the text of the SourceInfo element.
func (c *Client) sourceInfo() string {
	type info struct {
		Muted     bool   `json:"muted"`
		VideoType string `json:"videoType,omitempty"`
	}
	m := map[string]info{}
	if c.presence.audio {
		m[c.endpoint+"-a0"] = info{Muted: c.presence.audioMuted}
	}
	if c.presence.video {
		m[c.endpoint+"-v0"] = info{Muted: c.presence.videoMuted}
	}
	if c.presence.screen {
		m[c.endpoint+"-v1"] = info{VideoType: "desktop"}
	}
	b, _ := json.Marshal(m) //nolint:errchkjson // plain strings and booleans
	return string(b)
}

// SetSources publishes which sources exist and which are muted.
func (c *Client) SetSources(audio, video, screen, audioMuted, videoMuted bool) {
	p := presenceState{audio: audio, video: video, screen: screen, audioMuted: audioMuted, videoMuted: videoMuted}
	if p == c.presence || c.phase != present {
		return
	}
	c.presence = p
	c.sendPresence(false)
}

// SpeaksNow tells the speaker statistics that this client has become the
// dominant speaker, as clients do.
func (c *Client) SpeaksNow() {
	if c.phase != present {
		return
	}
	w := xmpp.NewWriter(200)
	w.Open("message", "xmlns", xmpp.NSClient, "to", "speakerstats."+c.cfg.Main)
	w.Empty("speakerstats", "xmlns", xmpp.NSJitmeet, "room", c.room, "silence", "false")
	w.Close("message")
	c.stanza(w.Bytes())
}

func (c *Client) presenceIn(_ mono.Time, st xmpp.Stanza) {
	bare, nick, _ := strings.Cut(st.From, "/")
	if !strings.EqualFold(bare, c.room) {
		c.count.Ignored++
		return
	}
	mine := nick == c.endpoint
	switch st.Type {
	case "":
		c.occupant(st, nick, mine)
	case "unavailable":
		c.gone(st, nick, mine)
	case "error":
		c.joinRefused(readError(st))
	default:
		c.count.Ignored++
	}
}

func (c *Client) occupant(st xmpp.Stanza, nick string, mine bool) {
	if _, known := c.occupants[nick]; !known {
		if len(c.occupants) >= MaxOccupants {
			c.count.Ignored++
			return
		}
		nick = strings.Clone(nick)
		c.occupants[nick] = struct{}{}
	}
	if mine {
		if c.phase == joining {
			c.phase = present
			c.event(Event{Kind: Joined})
		}
		return
	}
	if c.cfg.Signalling {
		return
	}
	if el, ok := st.Child("SourceInfo", ""); ok {
		c.event(Event{Kind: Presence, Owner: strings.Clone(nick), Text: strings.Clone(el.Text())})
	}
}

func (c *Client) gone(st xmpp.Stanza, nick string, mine bool) {
	delete(c.occupants, nick)
	if !mine {
		c.event(Event{Kind: Gone, Owner: strings.Clone(nick)})
		if nick == "focus" && c.phase == present {
			c.trouble("the focus left the room")
		}
		return
	}
	if c.phase != present && c.phase != joining {
		return
	}
	reason := "the server took this participant out of the room"
	if x, ok := st.Child("x", xmpp.NSMUCUser); ok {
		for el := range x.Children() {
			switch {
			case el.Name == "status" && el.AttrOr("code", "") == "307":
				reason = "kicked by a moderator"
			case el.Name == "destroy":
				reason = "the room was destroyed"
			}
		}
	}
	c.phase = left
	c.fatal(reason)
}

// joinRefused deals with an error for the join presence.
func (c *Client) joinRefused(e *xmpp.StanzaError) {
	if c.phase != joining {
		c.trouble("a presence was refused: " + e.Condition)
		return
	}
	reason := map[string]string{
		"not-authorized":        "the room has a password, and none or a wrong one was given",
		"registration-required": "the room has a lobby: somebody would have to let this participant in",
		"service-unavailable":   "the room is full",
		"conflict":              "the endpoint id is taken",
	}[e.Condition]
	if reason == "" {
		reason = e.Condition + " " + e.Text
	}
	retry := time.Duration(0)
	if e.Condition == "not-allowed" { // the focus may not be there yet
		retry = time.Second
	}
	c.event(Event{Kind: Fatal, Text: "the room cannot be joined: " + strings.TrimSpace(reason), Retry: retry})
}
