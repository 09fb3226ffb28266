package wire

import (
	"errors"
	"strings"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

var errTimeout = errors.New("no answer in time")

// readError makes a StanzaError of an answer. Its strings are copies.
func readError(st xmpp.Stanza) *xmpp.StanzaError {
	e := &xmpp.StanzaError{Condition: "undefined-condition"}
	el, ok := st.Child("error", "")
	if !ok {
		return e
	}
	e.Type = strings.Clone(el.AttrOr("type", ""))
	for child := range el.Children() {
		switch {
		case child.Name == "text":
			e.Text = shorten(child.Text())
		case child.NS == xmpp.NSStanzas:
			e.Condition = strings.Clone(child.Name)
		case e.Text == "":
			e.Text = strings.Clone(child.Name) // what Jitsi adds, such as displayname-required
		}
	}
	return e
}

// shorten makes a server's text fit for a report.
func shorten(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
