// Package wsframe writes the WebSocket frames of a server: whole messages,
// unmasked (RFC 6455 §5.2).
//
// The package must never read frames: what comes from a client is judged where
// its limits are known.
package wsframe
