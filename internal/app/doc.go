// Package app builds the roles in order, joins them by their contracts, says
// at the start what it does and what is unsafe about it, and stops everything
// in reverse order.
//
// [Serve] is the one entry; cmd/plenum and the end-to-end tests call it. The
// package decides nothing about protocols: it only knows who needs whom.
package app
