package focus

import (
	"strconv"
	"strings"

	"encoding/json"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// presence is what the focus needs of an occupant's presence (XEP-0045 §7.2).
type presence struct {
	nick        string
	leaving     bool
	failed      bool // type error
	self        bool // status 110
	affiliation string
	role        string
	jid         xmpp.JID // real full JID; zero when the room hides it
	caps        capsKey
	region      string
	statsID     string
	status      string
	service     bool   // a recorder, gateway or transcriber
	sourceInfo  string // JSON; points into the stanza
	condition   string // of an error
}

// readPresence copies what it needs out of the stanza.
func readPresence(st xmpp.Stanza, nick string) presence {
	p := presence{
		nick:    strings.Clone(nick),
		leaving: st.Type == "unavailable",
		failed:  st.Type == "error",
	}
	for el := range st.Children() {
		p.read(el)
	}
	return p
}

func (p *presence) read(el xmpp.Element) {
	switch el.Name {
	case "x":
		if el.NS == xmpp.NSMUCUser {
			p.readUser(el)
		}
	case "c":
		p.caps = capsKey{bounded(el.AttrOr("node", "")), bounded(el.AttrOr("ver", ""))}
	case "jitsi_participant_region":
		p.region = bounded(el.Text())
	case "stats-id":
		p.statsID = bounded(el.Text())
	case "status":
		p.status = bounded(el.Text())
	case "features":
		p.readServices(el)
	case "SourceInfo":
		p.sourceInfo = el.Text()
	case "error":
		p.condition = "undefined-condition"
		if c, ok := el.First(); ok {
			p.condition = bounded(c.Name)
		}
	}
}

func (p *presence) readUser(x xmpp.Element) {
	for el := range x.Children() {
		switch el.Name {
		case "item":
			p.affiliation = bounded(el.AttrOr("affiliation", ""))
			p.role = bounded(el.AttrOr("role", ""))
			p.jid, _ = xmpp.ParseJID(bounded(el.AttrOr("jid", "")))
		case "status":
			p.self = p.self || el.AttrOr("code", "") == "110"
		}
	}
}

// readServices recognises occupants that are no people. Claiming it falsely
// gains nobody anything: such an occupant is only passed over as owner.
func (p *presence) readServices(el xmpp.Element) {
	for f := range el.Children() {
		switch f.AttrOr("var", "") {
		case "http://jitsi.org/protocol/jibri", "http://jitsi.org/protocol/jigasi",
			"http://jitsi.org/protocol/transcriber":
			p.service = true
		}
	}
}

// bounded copies s out of its frame, at most a JID's worth of it.
func bounded(s string) string { return strings.Clone(s[:min(len(s), 3*xmpp.MaxJIDPart)]) }

// maxSourceInfo is the longest SourceInfo that is looked at, in bytes.
const maxSourceInfo = 16 << 10

// readSourceInfo tells from a SourceInfo whether an occupant has unmuted audio
// and unmuted video. A source that is not mentioned is muted.
func readSourceInfo(text string) (audio, video bool) {
	if text == "" || len(text) > maxSourceInfo {
		return false, false
	}
	var info map[string]struct {
		Muted bool `json:"muted"`
	}
	if json.Unmarshal([]byte(text), &info) != nil {
		return false, false
	}
	for name, x := range info {
		if x.Muted {
			continue
		}
		audio = audio || strings.Contains(name, "-a")
		video = video || strings.Contains(name, "-v")
	}
	return audio, video
}

// ownPresence is the state that the focus's presence announces. Clients
// replace everything they knew by it, so it is always sent complete.
type ownPresence struct {
	created    int64 // milliseconds since 1970
	bridges    int
	noBridge   bool
	audioLimit bool
	videoLimit bool
	joining    bool // the first one
}

func (o ownPresence) encode(to string) []byte {
	w := xmpp.NewWriter(768)
	w.Open("presence", "xmlns", xmpp.NSClient, "to", to)
	if o.joining {
		w.Empty("x", "xmlns", xmpp.NSMUC)
	}
	w.Open("conference-properties", "xmlns", xmpp.NSFocus)
	for _, p := range [...][2]string{
		{"created-ms", strconv.FormatInt(o.created, 10)},
		{"bridge-count", strconv.Itoa(o.bridges)},
		{"support-terminate-restart", "true"},
		{"visitors-enabled", "false"},
		{"visitor-count", "0"},
		{"audio-limit-reached", strconv.FormatBool(o.audioLimit)},
		{"video-limit-reached", strconv.FormatBool(o.videoLimit)},
	} {
		w.Empty("property", "key", p[0], "value", p[1])
	}
	w.Close("conference-properties")
	if o.noBridge {
		w.Empty("bridgeNotAvailable", "xmlns", xmpp.NSFocus)
	}
	w.Close("presence")
	return w.Bytes()
}
