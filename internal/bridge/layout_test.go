package bridge

import (
	"testing"
	"unsafe"
)

// TestOutwardIsTogether: what each packet to an endpoint needs of it lies in two
// cache lines, which nothing else would notice if it ceased to be so.
func TestOutwardIsTogether(t *testing.T) {
	const line = 64
	var ep endpoint
	first := unsafe.Offsetof(ep.formats) + unsafe.Offsetof(ep.formats.ext)
	last := unsafe.Offsetof(ep.bw) + unsafe.Offsetof(ep.bw.audio) + unsafe.Offsetof(ep.bw.audio.mark)
	if last/line-first/line > 1 {
		t.Errorf("from byte %d to %d", first, last)
	}
}
