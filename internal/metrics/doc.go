// Package metrics makes the registry that every role registers its metrics
// with. Cores never import it: they return statistics, and their role turns
// those into metrics.
package metrics
