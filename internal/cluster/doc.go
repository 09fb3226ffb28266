// Package cluster carries the contracts between roles. Today it has their
// local form, for roles in one process: it copies what crosses, so that a
// role can no more keep a reference into another's memory than it could
// across machines. The distributed form will be built here too, and nowhere
// else.
package cluster
