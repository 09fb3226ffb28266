// Package admission decides when people are invited to a bridge, so that a
// crowd that comes at once is let in at the speed at which the server copes.
//
// The main type is [Gate]. The focus has one for all its conferences: it asks
// for everybody who is to be invited, invites whom the gate names, and tells
// it who has answered and how long the server itself took over requests. A
// fixed rate would be too slow for a server that is idle and too fast for one
// that is not; the gate bounds instead how many invitations are under way, and
// moves that bound by the delay that the server shows.
//
// Conferences take turns, and within one the oldest wish comes first. Clients
// who take their time hold up nobody: an invitation counts for a moment only.
//
// The package starts nothing, waits for nothing and reads no clock. Its memory
// is one small record for each wish.
package admission
