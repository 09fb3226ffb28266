package signal

import (
	"strings"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Tenants share one conference host. Their clients know a room as
// room@conference.<tenant>.<domain>; inside, the table of rooms knows it as
// [tenant]room@conference.<domain>. Rooms themselves are made with the outer
// address, so that everything they say is in the form their occupants know.

// inner returns the address under which the table keeps a room, and false if
// the domain is no conference host.
func (s *Server) inner(j xmpp.JID) (xmpp.JID, bool) {
	if j.Domain == s.confHost {
		return j, true
	}
	label, ok := s.tenantOf(j.Domain)
	if !ok {
		return j, false
	}
	j.Domain = s.confHost
	if j.Local != "" {
		j.Local = "[" + label + "]" + j.Local
	}
	return j, true
}

// outer is the opposite of inner.
func (s *Server) outer(j xmpp.JID) xmpp.JID {
	label, local, ok := strings.Cut(strings.TrimPrefix(j.Local, "["), "]")
	if j.Domain != s.confHost || !ok || local == "" || !strings.HasPrefix(j.Local, "[") || !isLabel(label) {
		return j
	}
	return xmpp.JID{Local: local, Domain: "conference." + label + "." + s.opt.Domain, Resource: j.Resource}
}

// tenantOf returns the tenant whose conference host the domain is. A tenant is
// one label.
func (s *Server) tenantOf(domain string) (string, bool) {
	label, ok := strings.CutPrefix(domain, "conference.")
	if !ok {
		return "", false
	}
	label, ok = strings.CutSuffix(label, "."+s.opt.Domain)
	return label, ok && isLabel(label)
}

func isLabel(s string) bool { return s != "" && !strings.ContainsAny(s, ".[]") }
