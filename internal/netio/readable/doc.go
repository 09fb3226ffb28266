// Package readable waits for many stream sockets to have something to read,
// with one goroutine for all of them. A goroutine that waits in a Read costs
// four kilobytes and its buffer; a server with ten thousand silent clients has
// little else.
//
// The main type is [Set]. Its user adds each connection once ([Set.Add]), and
// arms its [Watch] whenever nobody reads it any more. The Set then says once
// that there is something to read, and the user starts to read in the ordinary
// way, in a goroutine of its own.
//
// A Set of which many are told that nobody is in a hurry to hear ([Watch.Hurry])
// lets them wait for the next [mono.Grain], and tells of all of them together.
//
// The package must never read from a connection, nor close one. It exists on
// Linux (epoll) and for connections that stand for a descriptor; elsewhere, and
// for all others such as TLS, Add says no, and the user reads the ordinary way
// all the time.
package readable
