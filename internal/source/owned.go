package source

import "github.com/plenum-conf/plenum/internal/media"

// Owned is a set with its owner: an endpoint id, or "jvb" for the bridge.
type Owned struct {
	Owner string
	Set   Set
	kept  *kept // of what comes from a Map, which many are told; else nil
}

// kept are the ways in which a set has been written, each once it was wanted.
type kept struct {
	json     []byte
	elements [2][]byte // of audio and of video
}

// Elements returns the XML elements of o's sources of a kind, which write
// makes. Of what comes from a [Map] they are made once and kept, because
// everybody in a conference is told of everybody else: all callers must give
// the same write. The result must not be changed.
func (o Owned) Elements(kind media.Kind, write func(Owned, media.Kind) []byte) []byte {
	if o.kept == nil {
		return write(o, kind)
	}
	at := &o.kept.elements[kind-media.Audio]
	if *at == nil {
		*at = write(o, kind)
	}
	return *at
}

// appendMember appends o's member of the compact form, which is kept likewise.
func (o Owned) appendMember(dst []byte) []byte {
	if o.kept == nil {
		return appendMember(dst, o)
	}
	if o.kept.json == nil {
		o.kept.json = appendMember(nil, o)
	}
	return append(dst, o.kept.json...)
}
