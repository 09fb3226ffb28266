// Package admin is the operator's listener: a page with what happens now,
// health, Prometheus metrics, the debug tree and profiles. Keys of the tree are
// in snake_case; durations are strings, or end with _ns.
//
// It has no login and shows the names of rooms and people, so it belongs on
// loopback or behind something that has one; internal/app warns when it is
// not. The package owns no state: everything it shows is asked from the roles
// when somebody looks.
package admin
