package xmpp

// Shared is one stanza encoded once for many recipients: only the value of
// its to attribute differs, and stands between Head and Tail. A Shared is
// immutable; outboxes hold references to it.
type Shared struct {
	Head []byte // through `to="`
	Tail []byte // from the `"` that ends the to attribute
	Rest []byte // what follows Tail, where that is shared with others; else empty
	// Replaces names what this stanza is the newest state of (for a presence:
	// the occupant JID). A later Shared with the same non-empty name makes
	// this one pointless while it still waits in an outbox.
	Replaces string
	// Urgent stanzas (answers to pings) go ahead of everything that waits.
	Urgent bool
}

// Size returns the encoded length for one recipient, in bytes.
func (s *Shared) Size(to string) int { return len(s.Head) + len(to) + len(s.Tail) + len(s.Rest) }

// AppendTo appends the stanza as addressed to one recipient, whose JID must
// already be escaped for an attribute value.
func (s *Shared) AppendTo(b []byte, to string) []byte {
	b = append(b, s.Head...)
	b = append(b, to...)
	b = append(b, s.Tail...)
	return append(b, s.Rest...)
}
