package signal

import (
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// host answers for the domain itself.
type host struct {
	srv   *Server
	disco []byte // the disco#info query element, complete
}

func newHost(s *Server) *host { return &host{srv: s, disco: discoOf(s)} }

// handle answers a stanza to the domain or to the sender's own account.
func (h *host) handle(from sender, st xmpp.Stanza) {
	if !st.IsRequest() {
		if st.Kind == xmpp.Message {
			h.srv.bounce(from, st, errUnavailable)
		}
		return
	}
	child, _ := st.First()
	answer := hostRequests[request{st.Type, child.NS, child.Name}]
	if answer == nil {
		h.srv.refuse(from, st, errUnavailable)
		return
	}
	answer(h, from, st, child)
}

// request is what tells one IQ from another.
type request struct{ typ, ns, name string }

// hostRequests are the IQs the domain answers.
var hostRequests = map[request]func(h *host, from sender, st xmpp.Stanza, child xmpp.Element){
	{"get", xmpp.NSPing, "ping"}:          (*host).ping,
	{"get", xmpp.NSDiscoInfo, "query"}:    (*host).discoInfo,
	{"get", xmpp.NSDiscoItems, "query"}:   (*host).discoItems,
	{"get", xmpp.NSExtdisco, "services"}:  (*host).externalServices,
	{"get", xmpp.NSExtdisco1, "services"}: (*host).externalServices,
}

func (h *host) result(to sender, st xmpp.Stanza, payload []byte) {
	to.Deliver(st.Reply("result", h.srv.opt.Domain, payload))
}

// ping answers at once, ahead of whatever waits for the client: clients judge
// their connection by it (XEP-0199).
func (h *host) ping(from sender, st xmpp.Stanza, _ xmpp.Element) {
	sh := st.Reply("result", h.srv.opt.Domain, nil)
	sh.Urgent = true
	from.Deliver(sh)
}

func (h *host) discoInfo(from sender, st xmpp.Stanza, q xmpp.Element) {
	if q.AttrOr("node", "") != "" {
		h.srv.refuse(from, st, errNotFound)
		return
	}
	h.result(from, st, h.disco)
}

func (h *host) discoItems(from sender, st xmpp.Stanza, _ xmpp.Element) {
	w := xmpp.NewWriter(256)
	w.Open("query", "xmlns", xmpp.NSDiscoItems)
	w.Empty("item", "jid", h.srv.confHost)
	w.Close("query")
	h.result(from, st, w.Bytes())
}

func (h *host) externalServices(from sender, st xmpp.Stanza, q xmpp.Element) {
	h.result(from, st, h.srv.encodeExternal(q.NS, q.AttrOr("type", "")))
}

// earlyPush encodes the message that tells a client the domain's identities
// before it even asks. Jitsi clients listen for it only until they are bound.
func (h *host) earlyPush(to string) []byte {
	w := xmpp.NewWriter(len(h.disco) + 128)
	w.Raw([]byte(`<message xmlns="jabber:client" from="`))
	w.Text(h.srv.opt.Domain)
	w.Raw([]byte(`" to="` + to + `">`))
	w.Raw(h.disco)
	w.Close("message")
	return w.Bytes()
}

// discoOf encodes what the domain is (XEP-0030). Jitsi clients take the address
// of a service from the name of its identity, and of services only those that
// are listed exist for them.
func discoOf(s *Server) []byte {
	w := xmpp.NewWriter(1024)
	w.Open("query", "xmlns", xmpp.NSDiscoInfo)
	w.Empty("identity", "category", "server", "type", "im", "name", "plenum")
	for _, f := range s.opt.Services {
		w.Empty("identity", "category", "component", "type", f.Identity, "name", f.Host+"."+s.opt.Domain)
	}
	for _, v := range [...][2]string{{"shard", s.opt.Shard}, {"region", s.opt.Region}, {"release", s.opt.Release}} {
		if v[1] != "" {
			w.Empty("identity", "category", "server", "type", v[0], "name", v[1])
		}
	}
	for _, f := range s.features() {
		w.Empty("feature", "var", f)
	}
	w.Close("query")
	return w.Bytes()
}

func (s *Server) features() []string {
	list := []string{xmpp.NSDiscoInfo, xmpp.NSDiscoItems, xmpp.NSPing, xmpp.NSExtdisco}
	for _, f := range s.opt.Services {
		list = append(list, f.Features...)
	}
	return list
}

// toConference answers for the conference host itself, not for a room.
func (h *host) toConference(from sender, st xmpp.Stanza) {
	child, _ := st.First()
	if !st.IsRequest() || st.Type != "get" {
		h.srv.bounce(from, st, errUnavailable)
		return
	}
	w := xmpp.NewWriter(256)
	switch child.NS {
	case xmpp.NSDiscoInfo:
		w.Open("query", "xmlns", xmpp.NSDiscoInfo)
		w.Empty("identity", "category", "conference", "type", "text", "name", "Rooms")
		w.Empty("feature", "var", xmpp.NSMUC)
		w.Empty("feature", "var", xmpp.NSDiscoInfo)
		w.Close("query")
	case xmpp.NSDiscoItems: // rooms are hidden
		w.Empty("query", "xmlns", xmpp.NSDiscoItems)
	case xmpp.NSPing:
	default:
		h.srv.bounce(from, st, errUnavailable)
		return
	}
	from.Deliver(st.Reply("result", st.To, w.Bytes()))
}
