package signal

import "github.com/plenum-conf/plenum/internal/xmpp"

// Answers of the router itself (RFC 6120 §8.3, §10).
var (
	errMalformedJID = &xmpp.StanzaError{Type: "modify", Condition: "jid-malformed"}
	errBadRequest   = &xmpp.StanzaError{Type: "modify", Condition: "bad-request"}
	errUnavailable  = &xmpp.StanzaError{Type: "cancel", Condition: "service-unavailable"}
	errNoServer     = &xmpp.StanzaError{Type: "cancel", Condition: "remote-server-not-found"}
	errNotAllowed   = &xmpp.StanzaError{Type: "cancel", Condition: "not-allowed"}
	errNotFound     = &xmpp.StanzaError{Type: "cancel", Condition: "item-not-found"}
)

// route sends a stanza on its way. st.From is the sender's true address. It is
// called from the sender's goroutine, and may wait while a room is busy unless
// the sender is trusted.
func (s *Server) route(from sender, st xmpp.Stanza) {
	if e := checkIQ(st); e != nil {
		s.bounce(from, st, e)
		return
	}
	to := xmpp.JID{Domain: s.opt.Domain}
	if st.To != "" {
		var err error
		if to, err = xmpp.ParseJID(st.To); err != nil {
			s.misrouted(from, st, errMalformedJID)
			return
		}
	}
	if h := s.hosts[to.Domain]; h != nil {
		h(from, to, st)
	} else if _, ok := s.tenantOf(to.Domain); ok {
		s.rooms.route(from, to, st)
	} else {
		s.misrouted(from, st, errNoServer)
	}
}

// misrouted answers what has an address that leads nowhere. Unlike bounce it
// also answers a presence: somebody may be waiting to be let into a room.
func (s *Server) misrouted(from sender, st xmpp.Stanza, e *xmpp.StanzaError) {
	if st.Kind == xmpp.Presence && st.Type == "" {
		s.refuse(from, st, e)
		return
	}
	s.bounce(from, st, e)
}

// checkIQ enforces RFC 6120 §8.2.3.
func checkIQ(st xmpp.Stanza) *xmpp.StanzaError {
	if st.Kind != xmpp.IQ {
		return nil
	}
	switch st.Type {
	case "result", "error":
		return nil
	case "get", "set":
	default:
		return errBadRequest
	}
	n := 0
	for range st.Children() {
		n++
	}
	if n != 1 || st.ID == "" {
		return errBadRequest
	}
	return nil
}

// bounce reports an error to the sender of a stanza, if it is one that may be
// answered. Presence is not, except by rooms.
func (s *Server) bounce(to sender, st xmpp.Stanza, e *xmpp.StanzaError) {
	if st.Type == "error" || st.Type == "result" || st.Kind == xmpp.Presence {
		return
	}
	s.refuse(to, st, e)
}

// refuse sends an error without asking whether it is due.
func (s *Server) refuse(to sender, st xmpp.Stanza, e *xmpp.StanzaError) {
	from := st.To
	if from == "" {
		from = s.opt.Domain
	}
	to.Deliver(st.Refuse(from, e))
}

// toDomain takes what is sent to the domain itself and to its users.
func (s *Server) toDomain(from sender, to xmpp.JID, st xmpp.Stanza) {
	if to.Local == "" || to == from.JID().Bare() {
		s.host.handle(from, st)
		return
	}
	// Strangers may ask each other (Jingle), but not talk outside of rooms.
	if st.Kind != xmpp.IQ && !from.trusted() {
		s.bounce(from, st, errNotAllowed)
		return
	}
	if dst := s.sessions.byJID(to); dst != nil {
		dst.Deliver(st.Share(st.From))
		return
	}
	s.bounce(from, st, errUnavailable)
}

// toFocus takes what is sent to the focus's own host, foremost the conference
// request.
func (s *Server) toFocus(from sender, to xmpp.JID, st xmpp.Stanza) {
	if room, ok := requestedRoom(st); ok && s.ports.find(to) != nil {
		s.Expect(room)
	}
	s.toService(from, to, st)
}

// requestedRoom returns the room that a conference request is about.
func requestedRoom(st xmpp.Stanza) (xmpp.JID, bool) {
	if !st.IsRequest() {
		return xmpp.JID{}, false
	}
	c, ok := st.Child("conference", xmpp.NSFocus)
	if !ok {
		return xmpp.JID{}, false
	}
	room, err := xmpp.ParseJID(c.AttrOr("room", ""))
	return room, err == nil
}

// toService takes what is sent to an attached service.
func (s *Server) toService(from sender, to xmpp.JID, st xmpp.Stanza) {
	p := s.ports.find(to)
	if p == nil || st.Kind == xmpp.Presence {
		s.bounce(from, st, errUnavailable)
		return
	}
	p.receive(st.Readdress(st.From, st.To))
}

// toRoomService takes what is sent to a service like speaker statistics: the
// room it is about says so in the payload, or is the one the sender is in.
func (s *Server) toRoomService(from sender, to xmpp.JID, st xmpp.Stanza) {
	if st.Kind != xmpp.Message || st.Type == "error" {
		s.bounce(from, st, errUnavailable)
		return
	}
	r := s.roomMeant(from, st)
	if r == nil || !r.post(event{kind: evService, from: from, st: st, host: to.Domain}, !from.trusted()) {
		s.bounce(from, st, errUnavailable)
	}
}

func (s *Server) roomMeant(from sender, st xmpp.Stanza) *room {
	for c := range st.Children() {
		name, ok := c.Attr("room")
		if !ok {
			continue
		}
		j, err := xmpp.ParseJID(name)
		if err != nil {
			return nil
		}
		key, _ := s.inner(j.Bare())
		return s.rooms.find(key)
	}
	return from.meantRoom()
}
