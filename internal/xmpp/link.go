package xmpp

// Router lets a service inside this deployment, such as the focus, speak XMPP
// under an address of its own, as a client would over a stream. Signal
// implements it.
type Router interface {
	// Attach binds addr (a full JID such as "focus@auth.example/focus", or a
	// bare domain such as "focus.example") to deliver. Stanzas addressed to
	// addr are handed to deliver as complete XML; the bytes are immutable and
	// may be kept. deliver is called from the goroutine that routed the
	// stanza and must neither block nor call back into the Port.
	Attach(addr JID, deliver func(stanza []byte)) (Port, error)
}

// Port is the sending side of an attached service.
type Port interface {
	// Send routes one complete stanza. Its from attribute must be the
	// attached address or absent. The bytes belong to the router afterwards.
	// Send does not block; the error says that the stanza was malformed or
	// the port is closed.
	Send(stanza []byte) error
	// Close detaches the address: rooms see the service leave.
	Close() error
}
