package jingle

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// appendTransport writes an ICE-UDP transport (XEP-0176 §5). The map of the
// data channel belongs into the data content only.
func appendTransport(w *xmpp.Writer, t *media.Transport, data bool) {
	attrs := present([]string{"xmlns", NSICE}, "ufrag", t.Ufrag, "pwd", t.Pwd)
	if t.Generation > 0 {
		attrs = append(attrs, "ice-generation", strconv.Itoa(t.Generation))
	}
	w.Open("transport", attrs...)
	if f := t.Fingerprint; f != nil {
		w.Elem("fingerprint", f.Value, present([]string{"xmlns", NSDTLS, "hash", f.Hash}, "setup", f.Setup)...)
	}
	w.Empty("rtcp-mux")
	if t.ChannelURL != "" {
		w.Empty("web-socket", "xmlns", NSColibri, "url", t.ChannelURL)
	}
	if data && t.SCTPPort > 0 {
		w.Empty("sctpmap", "xmlns", NSSCTP, "number", strconv.Itoa(t.SCTPPort),
			"protocol", "webrtc-datachannel", "streams", "1024")
	}
	for i := range t.Candidates {
		appendCandidate(w, &t.Candidates[i])
	}
	w.Close("transport")
}

func appendCandidate(w *xmpp.Writer, c *media.Candidate) {
	attrs := []string{
		"component", utoa(uint64(c.Component)), "foundation", c.Foundation,
		"generation", strconv.Itoa(c.Generation), "ip", c.Addr.Addr().String(),
		"network", strconv.Itoa(c.Network), "port", utoa(uint64(c.Addr.Port())),
		"priority", utoa(uint64(c.Priority)), "protocol", c.Protocol, "type", c.Type,
	}
	attrs = present(attrs, "id", c.ID)
	if c.Related.IsValid() {
		attrs = append(attrs, "rel-addr", c.Related.Addr().String(), "rel-port", utoa(uint64(c.Related.Port())))
	}
	w.Empty("candidate", attrs...)
}

func parseTransport(el xmpp.Element, limits Limits) (*media.Transport, error) {
	t := &media.Transport{
		Ufrag:      clone(el.AttrOr("ufrag", ""), 256),
		Pwd:        clone(el.AttrOr("pwd", ""), 256),
		Generation: atoi(el.AttrOr("ice-generation", "")),
	}
	n := 0
	for c := range el.Children() {
		switch c.Name {
		case "fingerprint":
			t.Fingerprint = &media.Fingerprint{
				Hash:  strings.ToLower(clone(c.AttrOr("hash", ""), 32)),
				Setup: clone(c.AttrOr("setup", ""), 16),
				Value: strings.ToUpper(clone(strings.TrimSpace(c.Text()), 512)),
			}
		case "web-socket":
			t.ChannelURL = clone(c.AttrOr("url", ""), 2048)
		case "sctpmap":
			t.SCTPPort = atoi(c.AttrOr("number", ""))
		case "candidate":
			if n++; n > limits.Candidates {
				return nil, tooMany("candidates", limits.Candidates)
			}
			if cand, ok := parseCandidate(c); ok {
				t.Candidates = append(t.Candidates, cand)
			}
		}
	}
	return t, nil
}

// parseCandidate reads one candidate. Those whose address is a name, such as
// the mDNS names of browsers, are of no use and skipped.
func parseCandidate(el xmpp.Element) (media.Candidate, bool) {
	addr, ok := parseAddr(el, "ip", "port")
	if !ok {
		return media.Candidate{}, false
	}
	related, _ := parseAddr(el, "rel-addr", "rel-port")
	component, err := strconv.ParseUint(el.AttrOr("component", "1"), 10, 8)
	priority, err2 := strconv.ParseUint(el.AttrOr("priority", "0"), 10, 32)
	if err != nil || err2 != nil {
		return media.Candidate{}, false
	}
	return media.Candidate{
		Foundation: clone(el.AttrOr("foundation", ""), 32),
		Component:  uint8(component),
		Protocol:   strings.ToLower(clone(el.AttrOr("protocol", ""), 8)),
		Priority:   uint32(priority),
		Addr:       addr,
		Type:       clone(el.AttrOr("type", ""), 8),
		Related:    related,
		Generation: atoi(el.AttrOr("generation", "")),
		ID:         clone(el.AttrOr("id", ""), 64),
		Network:    atoi(el.AttrOr("network", "")),
	}, true
}

func parseAddr(el xmpp.Element, ip, port string) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(el.AttrOr(ip, ""))
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	p, err := strconv.ParseUint(el.AttrOr(port, ""), 10, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), true
}

// clone copies s out of the frame it points into, at most limit bytes of it.
func clone(s string, limit int) string { return strings.Clone(s[:min(len(s), limit)]) }

// atoi reads a small non-negative number; anything else is 0.
func atoi(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}
