package wire

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// streamManagement is the client's half of XEP-0198.
type streamManagement struct {
	offered bool
	enabled bool
	id      string // for resumption, "" if there can be none
	in      uint32
	out     uint32 // of all stanzas sent since it was enabled
	unacked [][]byte
	since   int // stanzas since the last request for acknowledgement
}

func (s *streamManagement) received() {
	if s.enabled {
		s.in++
	}
}

// sent remembers a stanza; it reports whether it is time to ask for an
// acknowledgement.
func (s *streamManagement) sent(b []byte) bool {
	if !s.enabled {
		return false
	}
	s.out++
	s.unacked = append(s.unacked, b)
	if len(s.unacked) > MaxUnacked {
		s.unacked = s.unacked[1:]
	}
	s.since++
	if s.since < ackEvery {
		return false
	}
	s.since = 0
	return true
}

// acked takes the server's count; false if it cannot be.
func (s *streamManagement) acked(h uint32) bool {
	waiting := int(s.out - h)
	if waiting < 0 || waiting > len(s.unacked) {
		return false
	}
	s.unacked = s.unacked[len(s.unacked)-waiting:]
	return true
}

// ResumeID names the stream that could be resumed, "" if none can.
func (c *Client) ResumeID() string { return c.sm.id }

// Open begins a stream on a new connection: the first one, or after Lost.
func (c *Client) Open(now mono.Time) {
	c.heard = now
	c.phase = opening
	c.open()
}

func (c *Client) open() {
	w := xmpp.NewWriter(128)
	w.Empty("open", "xmlns", xmpp.NSFraming, "to", c.cfg.Domain, "version", "1.0")
	c.frame(w.Bytes())
}

// Lost says that the connection is gone; it reports whether a new one could
// resume the stream.
func (c *Client) Lost() bool {
	c.pingDue, c.pingBad = 0, 0
	resumable := c.sm.id != "" && c.phase > enabling && c.phase < left
	c.phase = offline
	c.out = nil
	return resumable
}

// control takes everything that is no stanza.
func (c *Client) control(now mono.Time, st xmpp.Stanza) {
	switch {
	case st.Name == "open" && st.NS == xmpp.NSFraming:
		if c.phase != opening && c.phase != reopening {
			c.trouble("the server opens a stream out of turn")
		}
	case st.Name == "close" && st.NS == xmpp.NSFraming:
		c.broken("the server closed the stream")
	case st.Name == "error" && st.NS == xmpp.NSStreams:
		c.sm.id = "" // a client does not resume after this
		condition := "unknown"
		if el, ok := st.First(); ok {
			condition = strings.Clone(el.Name)
		}
		c.broken("stream error: " + condition)
	case st.Name == "features":
		c.featuresIn(now, st)
	case st.NS == xmpp.NSSASL:
		c.saslIn(st)
	case st.NS == xmpp.NSSM:
		c.smIn(now, st)
	default:
		c.count.Ignored++
	}
}

func (c *Client) featuresIn(now mono.Time, st xmpp.Stanza) {
	switch c.phase {
	case opening:
		c.authenticate(st)
	case reopening:
		if _, ok := st.Child("bind", xmpp.NSBind); !ok {
			c.fatal("the server offers no resource binding")
			return
		}
		_, c.sm.offered = st.Child("sm", xmpp.NSSM)
		c.phase = binding
		if c.sm.id != "" {
			w := xmpp.NewWriter(128)
			w.Empty("resume", "xmlns", xmpp.NSSM, "h", strconv.FormatUint(uint64(c.sm.in), 10), "previd", c.sm.id)
			c.frame(w.Bytes())
			return
		}
		c.bind(now)
	default:
		c.trouble("stream features out of turn")
	}
}

// authenticate chooses among the mechanisms that a web client knows and that
// fit what is configured.
func (c *Client) authenticate(st xmpp.Stanza) {
	list, ok := st.Child("mechanisms", xmpp.NSSASL)
	offered := map[string]bool{}
	if ok {
		for m := range list.Children() {
			offered[m.Text()] = true
		}
	}
	w := xmpp.NewWriter(128)
	switch {
	case c.cfg.User != "" && offered["PLAIN"]:
		w.Elem("auth", base64.StdEncoding.EncodeToString([]byte("\x00"+c.cfg.User+"\x00"+c.cfg.Password)), "xmlns", xmpp.NSSASL, "mechanism", "PLAIN")
	case c.cfg.User == "" && offered["ANONYMOUS"]:
		w.Empty("auth", "xmlns", xmpp.NSSASL, "mechanism", "ANONYMOUS")
	default:
		c.fatal("the server offers no way to log in: it wants an account or a token, or offers none of PLAIN and ANONYMOUS")
		return
	}
	c.phase = sasl
	c.frame(w.Bytes())
}

func (c *Client) saslIn(st xmpp.Stanza) {
	switch {
	case st.Name == "success" && c.phase == sasl:
		c.phase = reopening
		c.open()
	case st.Name == "failure":
		reason := "no reason given"
		for el := range st.Children() {
			if el.Name == "text" {
				reason = shorten(el.Text())
			} else {
				reason = strings.Clone(el.Name)
			}
		}
		c.fatal("login refused: " + reason)
	default:
		c.trouble("an answer about login that was not asked for")
	}
}

func (c *Client) bind(now mono.Time) {
	c.sm = streamManagement{offered: c.sm.offered}
	w := xmpp.NewWriter(64)
	w.Empty("bind", "xmlns", xmpp.NSBind)
	c.iq(now, "set", c.cfg.Domain, w.Bytes(), requestTimeout, func(at mono.Time, st xmpp.Stanza, err error) {
		el, _ := st.Child("bind", xmpp.NSBind)
		jid, bad := xmpp.ParseJID(el.ChildText("jid", xmpp.NSBind))
		switch {
		case err != nil:
			c.fatal("no resource was bound: " + err.Error())
		case bad != nil:
			c.fatal("the server bound something that is no address")
		default:
			c.bound(at, jid)
		}
	})
}

// bound chooses the endpoint id as the web client does: the first 8
// characters of the user name if they are hex.
func (c *Client) bound(now mono.Time, jid xmpp.JID) {
	c.jid = strings.Clone(jid.String())
	c.endpoint = c.cfg.EndpointID
	if len(jid.Local) >= 8 && c.cfg.User == "" && isHex(jid.Local[:8]) {
		c.endpoint = strings.Clone(jid.Local[:8])
	}
	if c.sm.offered && c.cfg.Resume {
		c.phase = enabling
		w := xmpp.NewWriter(64)
		w.Empty("enable", "xmlns", xmpp.NSSM, "resume", "true")
		c.frame(w.Bytes())
		return
	}
	c.established(now)
}

func isHex(s string) bool {
	for i := range len(s) {
		if !(s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f') {
			return false
		}
	}
	return true
}

// established goes on to the conference.
func (c *Client) established(now mono.Time) {
	c.event(Event{Kind: Ready, Text: c.jid})
	if c.cfg.PingEvery > 0 {
		c.pingDue = now.Add(c.cfg.PingEvery)
	}
	c.phase = requesting
	c.ask(now)
	if c.cfg.RequestByIQ {
		c.request(now)
		return
	}
	c.join(now)
}

// ask asks what a web client asks a server that has not pushed it.
func (c *Client) ask(now mono.Time) {
	for _, q := range [][2]string{{"services", xmpp.NSExtdisco}, {"query", xmpp.NSDiscoInfo}} {
		w := xmpp.NewWriter(64)
		w.Empty(q[0], "xmlns", q[1])
		c.iq(now, "get", c.cfg.Main, w.Bytes(), requestTimeout, func(mono.Time, xmpp.Stanza, error) {})
	}
}

func (c *Client) smIn(now mono.Time, st xmpp.Stanza) {
	h, err := strconv.ParseUint(st.Element().AttrOr("h", ""), 10, 32)
	switch {
	case st.Name == "r":
		c.frame(xmpp.AppendAck(nil, c.sm.in))
	case st.Name == "a":
		if err != nil || !c.sm.acked(uint32(h)) {
			c.trouble("the server acknowledges stanzas that were never sent")
		}
	case st.Name == "enabled" && c.phase == enabling:
		c.sm.enabled = true
		if r := st.Element().AttrOr("resume", ""); r == "true" || r == "1" { // xs:boolean has two spellings
			c.sm.id = strings.Clone(st.Element().AttrOr("id", ""))
		}
		c.established(now)
	case st.Name == "resumed" && c.phase == binding:
		c.resumed(now, uint32(h), err == nil)
	case st.Name == "failed":
		c.smFailed(st)
	default:
		c.count.Ignored++
	}
}

// smFailed takes a refusal. Of one to resume, whatever its condition, web
// clients make a lost connection and load their page again, though XEP-0198 §5
// would let them go on with this stream.
func (c *Client) smFailed(st xmpp.Stanza) {
	resuming := c.phase == binding && c.sm.id != ""
	c.sm.id = ""
	reason := "no reason given"
	if el, ok := st.First(); ok {
		reason = shorten(el.Name)
	}
	if resuming {
		c.event(Event{Kind: Refused, Text: "the stream could not be resumed: " + reason})
		return
	}
	c.fatal("the stream could not be managed: " + reason)
}

func (c *Client) resumed(now mono.Time, h uint32, counted bool) {
	if !counted || !c.sm.acked(h) {
		c.trouble("the server resumes with a count that cannot be")
	}
	c.phase = present
	for _, b := range c.sm.unacked {
		c.frame(b)
	}
	if c.cfg.PingEvery > 0 {
		c.pingDue = now.Add(c.cfg.PingEvery)
	}
	c.event(Event{Kind: Resumed})
}

// Close says goodbye: it leaves the room and ends the stream.
func (c *Client) Close() {
	if c.phase == present || c.phase == joining {
		c.leaveSession()
		w := xmpp.NewWriter(128)
		w.Empty("presence", "xmlns", xmpp.NSClient, "type", "unavailable", "to", c.room+"/"+c.endpoint)
		c.stanza(w.Bytes())
	}
	if c.phase > offline {
		w := xmpp.NewWriter(64)
		w.Empty("close", "xmlns", xmpp.NSFraming)
		c.frame(w.Bytes())
	}
	c.phase = left
	c.pingDue, c.retryAt = 0, 0
	clear(c.pending)
}
