// Package transcript plays conversations on the wire against a server: text
// files in which named clients send and receive XML, to be read and judged by
// somebody who knows XMPP and no Go.
//
// The main type is Script. Tests of roles load one with Load, start a server
// as its options say, and call Run.
//
// A line begins with what it is about; lines that begin with white space
// continue the one before. Lines that begin with # are for the reader.
//
//	option hibernation 200ms    how the server is to be set up
//	A connect ?room=daily       client A opens a WebSocket
//	A login ?room=daily         ... and negotiates up to binding and stream
//	                            management; afterwards {A} is its full JID,
//	                            {A.id} its endpoint id, {A.sm} its resumption id
//	scene daily F A B           F is the focus and opened the room daily, A and
//	                            B have logged in and joined it; everybody has
//	                            read everything
//	F attach focus@auth.meet.example/focus
//	                            F is a service attached to the router
//	A> <presence .../>          A sends this frame
//	A< <presence .../>          the next frame A receives is like this
//	A<= <close .../>            ... is exactly this, byte by byte
//	A quiet daily@conference.meet.example
//	                            A has nothing unread, and receives nothing that
//	                            this room (default: the domain) may still say
//	A drop                      A's connection breaks
//	A closed 1009               the server closes A's socket, with this code
//	A binary <presence/>        A sends a binary frame
//	wait 300ms                  time passes (only for what is about time)
//
// In what is sent, {name} is a value captured before, {repeat 3 <a>} repeats,
// {hex ff} is raw bytes. In what is received, {name} is a captured value,
// {?name} captures, {*} is any text. Expected XML is compared by structure:
// the order of attributes and white space between elements do not matter; all
// attributes do, also xmlns, except that xmlns="jabber:client" on the outermost
// element and a to attribute with the receiver's own address may be left out.
// A child <etc/> stands for any number of children.
//
// The package is for tests only and must never be imported by a role.
package transcript
