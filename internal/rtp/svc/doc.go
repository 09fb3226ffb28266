// Package svc decides, for one receiver, which layers it gets of a scalable
// stream: one SSRC with several spatial and temporal layers in it, as
// Chromium's clients send VP9 and AV1 (L3T3_KEY and the like). Simulcast, where
// every size has an SSRC of its own, is the business of package simulcast.
//
// A [VP9Selector] or [AV1Selector] belongs to one receiver. A media worker
// tells it what the bandwidth allocator wants and asks it about every packet;
// the answer is a [Decision]. A [Meter] belongs to one sender's stream and
// tells the allocator which layers there are and what they take.
//
// # What is promised
//
//   - A frame is forwarded only if nothing it depends on was left out.
//     What was lost on the way in is not the selector's business: its number
//     is kept free and the receiver asks for it.
//   - Layers change between pictures only, and the picture that changes is
//     complete.
//   - The RTP marker is on the last packet that a receiver gets of a picture.
//   - The payload is not read: with end-to-end encryption there is only the
//     VP9 payload descriptor and the AV1 dependency descriptor.
//
// How a target layer is reached depends on the stream. Fewer temporal layers
// come at the next picture, more of them as soon as the stream says that they
// do not depend on what was left out. In a stream whose layers predict from
// each other all the time (L3T3), a smaller picture comes at once too. In
// K-SVC streams (L3T3_KEY) layers predict from each other in key frames only;
// behind one a receiver gets nothing but its own layer. That is what makes them
// cheap, and it means that every other spatial layer, a smaller one as well,
// begins at the next key frame: NeedsKeyFrame says so. Until it comes,
// a receiver that is to get less is given the base frame rate of what it has,
// and one that is to get more keeps what it has.
//
// # Limits
//
// The package is a core: no socket, goroutine, lock, clock or log. A selector
// takes about 300 bytes and allocates nothing. VP9 has up to 8 spatial and 8
// temporal layers, AV1 up to 32 decode targets.
package svc
