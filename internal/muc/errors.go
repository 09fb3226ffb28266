package muc

import "github.com/plenum-conf/plenum/internal/xmpp"

// RoomCreationRestricted answers somebody who is not the focus and wants into
// a room that does not exist. Jitsi clients compare the text literally: they
// repeat their conference request and try again, up to three times.
var RoomCreationRestricted = &xmpp.StanzaError{
	Type: "cancel", Condition: "not-allowed", Text: "Room creation is restricted",
}

// Errors of joining, XEP-0045 §7.2. What a Jitsi client makes of them stands
// beside each.
var (
	errPassword     = &xmpp.StanzaError{Type: "auth", Condition: "not-authorized"}        // asks for the password
	errMembersOnly  = &xmpp.StanzaError{Type: "auth", Condition: "registration-required"} // shows the lobby, if told of one
	errBanned       = &xmpp.StanzaError{Type: "auth", Condition: "forbidden"}
	errFull         = &xmpp.StanzaError{Type: "cancel", Condition: "service-unavailable"} // "too many participants"
	errConflict     = &xmpp.StanzaError{Type: "cancel", Condition: "conflict"}
	errReservedNick = &xmpp.StanzaError{Type: "cancel", Condition: "conflict", Text: "This nickname is reserved"}
	errNoNick       = &xmpp.StanzaError{Type: "modify", Condition: "jid-malformed"}
	errNick         = &xmpp.StanzaError{Type: "cancel", Condition: "not-allowed", Text: "Invalid resource"}
	errAnonymousID  = &xmpp.StanzaError{Type: "cancel", Condition: "not-allowed", Text: "Invalid anonymous user ID"}
	errNickChange   = &xmpp.StanzaError{Type: "cancel", Condition: "not-allowed", Text: "Nick changes are not allowed"}
	errNotJoined    = &xmpp.StanzaError{Type: "cancel", Condition: "item-not-found", Text: "You are not currently connected to this chat"}
	errTooLarge     = &xmpp.StanzaError{Type: "modify", Condition: "policy-violation", Text: "The stanza is too large for this room"}
)

// Errors of everything else.
var (
	errNotOccupant = &xmpp.StanzaError{Type: "cancel", Condition: "not-acceptable", Text: "You are not in this room"}
	errNoRecipient = &xmpp.StanzaError{Type: "cancel", Condition: "item-not-found", Text: "Recipient not in room"}
	errForbidden   = &xmpp.StanzaError{Type: "auth", Condition: "forbidden"}
	errNotAllowed  = &xmpp.StanzaError{Type: "cancel", Condition: "not-allowed"}
	errBadRequest  = &xmpp.StanzaError{Type: "modify", Condition: "bad-request"}
	errBadForm     = &xmpp.StanzaError{Type: "cancel", Condition: "bad-request", Text: "Form is not of type room configuration"}
	errNotAccept   = &xmpp.StanzaError{Type: "modify", Condition: "not-acceptable"}
	errNotFound    = &xmpp.StanzaError{Type: "cancel", Condition: "item-not-found"}
	errUnavailable = &xmpp.StanzaError{Type: "cancel", Condition: "service-unavailable"}
	errNoVisitors  = &xmpp.StanzaError{Type: "cancel", Condition: "feature-not-implemented"}
	errListFull    = &xmpp.StanzaError{Type: "wait", Condition: "resource-constraint", Text: "Too many affiliations"}
)
