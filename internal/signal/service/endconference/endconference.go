package endconference

import (
	"github.com/plenum-conf/plenum/internal/muc"
	"github.com/plenum-conf/plenum/internal/signal/service"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Reason is what everybody is told.
const Reason = "The meeting has been terminated"

var errForbidden = &xmpp.StanzaError{Type: "auth", Condition: "forbidden"}

// Feature returns the service.
func Feature() service.Feature {
	return service.Feature{Identity: "end_conference", Host: "endconference", Open: open}
}

func open(service.Env) service.Part { return service.Part{Message: message} }

// message destroys the room. Clients send the element without a namespace.
func message(r *muc.Room, from *muc.Occupant, st xmpp.Stanza) *xmpp.StanzaError {
	if _, ok := st.Child("end_conference", ""); !ok {
		return nil
	}
	if from.Role() != muc.Moderator {
		return errForbidden
	}
	r.Destroy(xmpp.JID{}, Reason)
	return nil
}
