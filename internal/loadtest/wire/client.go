package wire

import (
	"crypto/sha1" //nolint:gosec // XEP-0115 prescribes it; nothing secret depends on it
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

type phase uint8

const (
	offline    phase = iota
	opening          // <open/> sent
	sasl             // <auth/> sent
	reopening        // <open/> sent again
	binding          // resource or resumption asked for
	enabling         // stream management asked for
	requesting       // conference asked for
	joining          // presence sent
	present          // in the room
	left
)

// Client is one client. Make one with New; it belongs to one goroutine.
type Client struct {
	cfg   Config
	phase phase
	out   [][]byte
	ev    []Event
	count Counters

	ids     uint64
	pending map[string]request

	jid      string // full
	endpoint string // nick in the room
	room     string // bare JID
	focus    string // bare JID of the focus user
	caps     string // hash of features
	features []string

	sm        streamManagement
	occupants map[string]struct{}
	session   session

	heard    mono.Time // last frame
	pingDue  mono.Time
	pingBad  int
	retries  int // of the conference request
	retryAt  mono.Time
	presence presenceState
}

// Counters are what a client counts; see record.Signalling.
type Counters struct {
	StanzasIn, StanzasOut, BytesIn, BytesOut uint64
	Malformed, Ignored                       int
}

// request is an IQ that waits for its answer.
type request struct {
	sent mono.Time
	due  mono.Time // 0 for no limit
	done func(now mono.Time, st xmpp.Stanza, err error)
}

// New makes a client that waits for Open.
func New(cfg Config) *Client {
	if cfg.Main == "" {
		cfg.Main = cfg.Domain
	}
	c := &Client{
		cfg: cfg, pending: map[string]request{}, occupants: map[string]struct{}{},
		room: cfg.Room + "@" + cfg.MUC, focus: cfg.FocusUser, features: slices.Clone(features),
	}
	if cfg.Rewriting {
		c.features = append(c.features, rewritingFeature)
	}
	c.caps = capsHash(c.features)
	return c
}

// Anew makes the client that begins anew after Refused: to the server it is
// another, but it goes on counting.
func (c *Client) Anew(cfg Config) *Client {
	n := New(cfg)
	n.count = c.count
	return n
}

// capsHash is XEP-0115 §5.1 with the identity of a web client.
func capsHash(features []string) string {
	names := slices.Clone(features)
	slices.Sort(names)
	sum := sha1.Sum([]byte("client/web//http://jitsi.org/jitsimeet<" + strings.Join(names, "<") + "<")) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Endpoint is the client's nick in the room, "" until it is known.
func (c *Client) Endpoint() string { return c.endpoint }

// JID is the client's full address, "" until it is known.
func (c *Client) JID() string { return c.jid }

// Counters returns what was counted.
func (c *Client) Counters() Counters { return c.count }

// Occupants is how many are in the room, the client and the focus included.
func (c *Client) Occupants() int { return len(c.occupants) }

// InRoom reports whether the client is in the room.
func (c *Client) InRoom() bool { return c.phase == present }

// Take returns the frames to send and forgets them.
func (c *Client) Take() [][]byte {
	out := c.out
	c.out = nil
	return out
}

// Events returns what happened and forgets it.
func (c *Client) Events() []Event {
	ev := c.ev
	c.ev = nil
	return ev
}

func (c *Client) event(e Event)       { c.ev = append(c.ev, e) }
func (c *Client) trouble(text string) { c.event(Event{Kind: Trouble, Text: text}) }
func (c *Client) fatal(text string)   { c.event(Event{Kind: Fatal, Text: text}) }
func (c *Client) broken(text string)  { c.event(Event{Kind: Broken, Text: text}) }

// frame sends something that is no stanza.
func (c *Client) frame(b []byte) {
	c.count.BytesOut += uint64(len(b))
	c.out = append(c.out, b)
}

// stanza sends a stanza, counted for stream management.
func (c *Client) stanza(b []byte) {
	c.count.StanzasOut++
	if c.sm.sent(b) && c.phase >= requesting {
		c.frame(b)
		c.frame(xmpp.AckRequest)
		return
	}
	c.frame(b)
}

// iq sends an IQ and remembers who waits for the answer.
func (c *Client) iq(now mono.Time, typ, to string, payload []byte, limit time.Duration, done func(mono.Time, xmpp.Stanza, error)) {
	c.ids++
	id := "lt" + strconv.FormatUint(c.ids, 36)
	r := request{sent: now, done: done}
	if limit > 0 {
		r.due = now.Add(limit)
	}
	c.pending[id] = r
	w := xmpp.NewWriter(len(payload) + 160)
	w.Open("iq", "xmlns", xmpp.NSClient, "type", typ, "to", to, "id", id)
	w.Raw(payload)
	w.Close("iq")
	c.stanza(w.Bytes())
}

// Deadline is when Tick has to be called, 0 for never.
func (c *Client) Deadline() mono.Time {
	d := mono.Earliest(c.pingDue, c.retryAt)
	for _, r := range c.pending {
		d = mono.Earliest(d, r.due)
	}
	return d
}

// Tick does what is due.
func (c *Client) Tick(now mono.Time) {
	for id, r := range c.pending {
		if r.due != 0 && now >= r.due {
			delete(c.pending, id)
			r.done(now, xmpp.Stanza{}, errTimeout)
		}
	}
	if c.retryAt != 0 && now >= c.retryAt {
		c.retryAt = 0
		c.request(now)
	}
	if c.pingDue != 0 && now >= c.pingDue {
		c.ping(now)
	}
}

// ping asks whether the server is still there, as the web client does: only
// when nothing was heard in the meantime.
func (c *Client) ping(now mono.Time) {
	c.pingDue = now.Add(c.cfg.PingEvery)
	if now.Sub(c.heard) < c.cfg.PingEvery/2 {
		return
	}
	w := xmpp.NewWriter(64)
	w.Empty("ping", "xmlns", xmpp.NSPing)
	c.iq(now, "get", c.cfg.Domain, w.Bytes(), pingTimeout, func(at mono.Time, _ xmpp.Stanza, err error) {
		if err == nil {
			c.pingBad = 0
			c.event(Event{Kind: Pong, Took: at.Sub(now)})
			return
		}
		if c.pingBad++; c.pingBad >= pingTries {
			c.broken("pings are not answered")
		}
	})
}

// Frame takes one frame from the server.
func (c *Client) Frame(now mono.Time, b []byte) {
	c.heard = now
	c.count.BytesIn += uint64(len(b))
	st, err := xmpp.Scan(b)
	if err != nil {
		c.count.Malformed++
		c.trouble("a frame is not well-formed XML")
		return
	}
	if st.Kind == xmpp.Other {
		c.control(now, st)
		return
	}
	c.count.StanzasIn++
	c.sm.received()
	switch st.Kind {
	case xmpp.IQ:
		c.iqIn(now, st)
	case xmpp.Presence:
		c.presenceIn(now, st)
	case xmpp.Message:
		c.messageIn(st)
	}
}

func (c *Client) iqIn(now mono.Time, st xmpp.Stanza) {
	switch st.Type {
	case "result", "error":
		r, ok := c.pending[st.ID]
		if !ok {
			c.count.Ignored++
			return
		}
		delete(c.pending, st.ID)
		var err error
		if st.Type == "error" {
			err = readError(st)
		}
		r.done(now, st, err)
	case "get":
		c.get(st)
	case "set":
		c.set(now, st)
	default:
		c.count.Malformed++
	}
}

// get answers questions about capabilities and pings.
func (c *Client) get(st xmpp.Stanza) {
	if _, ok := st.Child("ping", xmpp.NSPing); ok {
		c.reply(st, nil)
		return
	}
	q, ok := st.Child("query", xmpp.NSDiscoInfo)
	if !ok {
		c.refuse(st, &xmpp.StanzaError{Type: "cancel", Condition: "feature-not-implemented"})
		return
	}
	w := xmpp.NewWriter(2048)
	attrs := []string{"xmlns", xmpp.NSDiscoInfo}
	if node, ok := q.Attr("node"); ok {
		attrs = append(attrs, "node", node)
	}
	w.Open("query", attrs...)
	w.Empty("identity", "category", "client", "type", "web", "name", "http://jitsi.org/jitsimeet")
	for _, f := range c.features {
		w.Empty("feature", "var", f)
	}
	w.Close("query")
	c.reply(st, w.Bytes())
}

func (c *Client) set(now mono.Time, st xmpp.Stanza) {
	el, ok := st.First()
	switch {
	case !ok:
		c.refuse(st, &xmpp.StanzaError{Type: "modify", Condition: "bad-request"})
	case el.Name == "jingle":
		c.jingle(now, st, el)
	case el.Name == "mute":
		kind := el.NS[strings.LastIndexByte(el.NS, '/')+1:]
		if st.From == c.room+"/focus" && el.Text() == "true" {
			c.event(Event{Kind: Mute, Text: strings.Clone(kind)})
		}
	default:
		c.count.Ignored++
		c.refuse(st, &xmpp.StanzaError{Type: "cancel", Condition: "feature-not-implemented"})
	}
}

// reply answers an IQ.
func (c *Client) reply(st xmpp.Stanza, payload []byte) {
	c.answer(st, "result", payload)
}

func (c *Client) refuse(st xmpp.Stanza, e *xmpp.StanzaError) {
	w := xmpp.NewWriter(128)
	e.AppendTo(w)
	c.answer(st, "error", w.Bytes())
}

func (c *Client) answer(st xmpp.Stanza, typ string, payload []byte) {
	w := xmpp.NewWriter(len(payload) + 160)
	attrs := []string{"xmlns", xmpp.NSClient, "type", typ, "id", st.ID}
	if st.From != "" {
		attrs = append(attrs, "to", st.From)
	}
	w.Open("iq", attrs...)
	w.Raw(payload)
	w.Close("iq")
	c.stanza(w.Bytes())
}

func (c *Client) messageIn(st xmpp.Stanza) {
	if st.Type == "error" {
		c.trouble("a message was refused: " + readError(st).Error())
	}
}
