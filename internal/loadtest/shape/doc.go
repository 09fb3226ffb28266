// Package shape makes a good network bad: a [Link] loses, delays and slows
// down the datagrams of one direction, as a [Profile] says. Load tests lay one
// over each direction of a participant's media.
//
// The package owns no time and no socket: a link is given the moment with
// each datagram, keeps a copy, and gives it back when it has arrived. The
// loadtest's workers call it, one goroutine for one link.
//
// Limits: a link keeps maxWaiting datagrams and half a second of its rate;
// what does not fit is lost, as in a router. Datagrams are never reordered.
package shape
