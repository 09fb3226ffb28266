// Package colibri is the contract between focus, bridge and clients: requests
// from focus to bridge, what bridges report, and the messages of the bridge
// channel between a bridge and an endpoint.
//
// [ParseMessage] and [MarshalMessage] read and write the bridge channel: one
// JSON object a message, over a WebSocket or a data channel. What a client
// sends is bounded by [MaxMessage], [MaxDepth], [MaxNames] and [MaxName].
//
// Values only: both forms of the contract (within one process and across
// machines) carry the same types, and neither side keeps a reference into a
// value it has handed over. The package does no I/O.
package colibri
