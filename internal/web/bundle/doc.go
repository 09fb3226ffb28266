// Package bundle makes the files of internal/web/dist out of the TypeScript
// and CSS of internal/web/client.
//
// [Build] is its only entry: the command internal/web/build calls it to write
// dist, and a test of internal/web calls it to see that dist is current. It
// is not part of the server binary. It never writes to disk and never checks
// types (esbuild drops them); docs/client-protocol-library.md says how to.
package bundle
