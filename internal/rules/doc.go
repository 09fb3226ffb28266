// Package rules holds the rules of the house that a machine can check, as
// tests: who may import whom, what cores must not do, how large functions and
// files may grow, that packages and exported names are documented, that
// docs/conformance.tsv points at code that exists, and that no test of allocations
// escapes the step of ./test that can judge it.
//
// It has no code of its own; go test ./internal/rules runs everything.
package rules
