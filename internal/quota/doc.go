// Package quota bounds how much of something everybody together, and one
// client alone, may have at a time, so that one client cannot use up what is
// there for all.
//
// The main type is [Quota]. Roles that serve anonymous clients hold one for
// each thing that costs something before anybody has proved anything. It knows
// nothing of what it counts. Its memory is one entry for each client that has
// something.
package quota
