package focus

import (
	"strings"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// onServiceIQ answers an IQ to focus.D.
func (f *Focus) onServiceIQ(st xmpp.Stanza) {
	payload, ok := st.First()
	if !ok || payload.NS != xmpp.NSFocus || payload.Name != "conference" || st.Type != "set" {
		f.reply(f.service, answerAnybody(st, payload, f.component))
		return
	}
	text := strings.Clone(payload.AttrOr("room", ""))
	room, ok := f.parseRoom(text)
	if !ok {
		f.met.requests.WithLabelValues("refused").Inc()
		f.reply(f.service, st.ErrorReply(f.component, badRequest("no such kind of room")))
		return
	}
	f.request(room, asker{jid: bareOf(st.From)}, func(ready bool, err *xmpp.StanzaError) {
		f.met.requests.WithLabelValues(outcome(ready, err)).Inc()
		if err != nil {
			f.reply(f.service, st.ErrorReply(f.component, err))
			return
		}
		f.reply(f.service, st.ResultReply(f.component.String(), st.From, f.conferenceResult(text, ready)))
	})
}

func outcome(ready bool, err *xmpp.StanzaError) string {
	switch {
	case err != nil:
		return "refused"
	case ready:
		return "ready"
	}
	return "not_ready"
}

// properties are what clients are told with every answer. sipGatewayEnabled
// is missing on purpose: its presence shows a menu.
var properties = [...][2]string{
	{"authentication", "false"},
	{"visitors-supported", "false"},
}

func (f *Focus) conferenceResult(room string, ready bool) []byte {
	w := xmpp.NewWriter(512)
	w.Open("conference", "xmlns", xmpp.NSFocus, "room", room,
		"ready", map[bool]string{true: "true", false: "false"}[ready], "focusjid", f.self.Bare().String())
	for _, p := range properties {
		w.Empty("property", "xmlns", xmpp.NSFocus, "name", p[0], "value", p[1])
	}
	w.Close("conference")
	return w.Bytes()
}

// bareOf is who sent a stanza, whichever of its clients it was.
func bareOf(from string) string {
	bare, _, _ := strings.Cut(from, "/")
	return strings.Clone(bare)
}
