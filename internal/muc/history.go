package muc

import (
	"bytes"
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// history holds the last messages for newcomers, encoded.
type history struct {
	max, maxBytes int
	bytes         int
	entries       []historyEntry
}

type historyEntry struct {
	at  time.Time
	msg *xmpp.Shared
}

func (e *historyEntry) size() int { return e.msg.Size("") }

// historyMark is what distinguishes a message of the past: when it was said
// (XEP-0203), and the name of a sender who may have left since.
func historyMark(room string, o *Occupant, now time.Time) []byte {
	b := []byte(`<delay xmlns="` + xmpp.NSDelay + `" from="` + room + `" stamp="`)
	b = now.UTC().AppendFormat(b, "2006-01-02T15:04:05Z")
	b = append(b, `"/>`...)
	if name := o.DisplayName(); name != "" {
		b = append(b, `<display-name xmlns="`+nsDisplayName+`" source="guest">`...)
		b = xmpp.EscapeText(b, name)
		b = append(b, "</display-name>"...)
	}
	return b
}

// add keeps a message that was just relayed, with the mark in it.
func (h *history) add(now time.Time, live *xmpp.Shared, mark []byte) {
	end, head := bytes.LastIndex(live.Tail, []byte("</")), len(live.Head)
	b := make([]byte, 0, live.Size("")+len(mark)) // of its own: Head and Tail of what is live share theirs
	b = append(append(append(append(b, live.Head...), live.Tail[:end]...), mark...), live.Tail[end:]...)
	e := historyEntry{now, &xmpp.Shared{Head: b[:head:head], Tail: b[head:]}}
	if h.max <= 0 || e.size() > h.maxBytes {
		return
	}
	h.entries = append(h.entries, e)
	h.bytes += e.size()
	for len(h.entries) > h.max || h.bytes > h.maxBytes {
		h.bytes -= h.entries[0].size()
		h.entries[0] = historyEntry{}
		h.entries = h.entries[1:]
	}
}

// historyAsk is how much of the past a newcomer wants (XEP-0045 §7.2.14).
// Jitsi clients do not say.
type historyAsk struct {
	stanzas, chars int           // at most; negative: no limit
	within         time.Duration // of now; negative: no limit
	since          time.Time     // zero: no limit
}

func readHistoryAsk(x xmpp.Element) historyAsk {
	el, _ := x.Child("history", "")
	ask := historyAsk{stanzas: limitAttr(&el, "maxstanzas"), chars: limitAttr(&el, "maxchars"), within: -1}
	if s := limitAttr(&el, "seconds"); s >= 0 {
		ask.within = time.Duration(s) * time.Second
	}
	if t, err := time.Parse(time.RFC3339, el.AttrOr("since", "")); err == nil {
		ask.since = t
	}
	return ask
}

func limitAttr(el *xmpp.Element, name string) int {
	n, err := strconv.ParseUint(el.AttrOr(name, ""), 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// replay sends the newest messages that fit what was asked, oldest first.
func (h *history) replay(now time.Time, to Recipient, ask historyAsk) {
	first, chars := len(h.entries), 0
	for first > 0 {
		e := &h.entries[first-1]
		chars += e.size()
		if ask.stanzas == len(h.entries)-first || ask.chars >= 0 && chars > ask.chars ||
			ask.within >= 0 && now.Sub(e.at) > ask.within || e.at.Before(ask.since) {
			break
		}
		first--
	}
	for _, e := range h.entries[first:] {
		to.Deliver(e.msg)
	}
}
