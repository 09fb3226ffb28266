// Package web is the web role: the HTTP face of plenum.
//
// It serves the pages of the built-in client, writes config.js for every
// client (also for stock Jitsi ones), and hands the requests that belong to
// other roles to the handlers it was given. The main type is [Options]; [New]
// makes one http.Handler of it. internal/app calls New and owns the listener.
//
// The tree below this package:
//
//	client/protocol  TypeScript: the protocol library, no user interface
//	client/page      TypeScript: the page built on it
//	bundle           makes dist from client, with esbuild
//	build            the command that runs bundle and writes dist
//	dist             what is embedded in the binary; a test fails when it is stale
//	pages            HTML templates
//
// This package must never import another role, never log a query string (it
// may hold a token, RFC 6750 §2.3), and never write text from a request into
// HTML or JavaScript except through html/template or encoding/json.
//
// Limits: a path may have 2,048 bytes, a tenant or room 256. A path holds at
// most one tenant.
package web
