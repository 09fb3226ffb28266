// Package allocs is how a test shows that something costs no memory.
//
// The main function is [None]. Unlike testing.AllocsPerRun, which divides
// integers, it finds what allocates in one call of many: once for each 16th
// packet, once a second, once a flush. Tests of every package may use it, and
// only tests. It does not judge under the race detector, which allocates: ./test
// runs tests that call it once more without it, by their names (package rules sees
// to these). A test that calls it must not be a parallel one.
package allocs
