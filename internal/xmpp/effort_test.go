package xmpp

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestScanEffort: no frame costs much more than another of its length,
// whatever it declares.
func TestScanEffort(t *testing.T) {
	const size = 200 << 10
	fill := func(head, unit string) []byte {
		return []byte(head + strings.Repeat(unit, (size-len(head))/len(unit)) + `</message>`)
	}
	var decls, uses strings.Builder
	for i := range MaxPrefixes {
		fmt.Fprintf(&decls, ` xmlns:p%d="%s%d"`, i, strings.Repeat("u", 2000), i)
		fmt.Fprintf(&uses, ` p%d:a="" p%d:b=""`, i, i)
	}
	plain := effort(t, fill(`<message>`, `<a b="c"/>`))
	for name, frame := range map[string][]byte{
		"a long namespace":     fill(`<message xmlns:p="`+strings.Repeat("u", size/2)+`">`, `<p:a/>`),
		"an escaped namespace": fill(`<message xmlns:p="`+strings.Repeat("&amp;", size/10)+`">`, `<p:a/>`),
		"many long namespaces": fill(`<message`+decls.String()+`>`, `<a`+uses.String()+`/>`),
		"many declarations":    fill(`<message>`, `<a`+decls.String()[:40000]+`"/>`),
		"nesting":              fill(`<message>`, strings.Repeat(`<a>`, MaxDepth-1)+strings.Repeat(`</a>`, MaxDepth-1)),
		"brackets":             fill(`<message>`, `]`),
	} {
		if took := effort(t, frame); took > 100*plain+20*time.Millisecond {
			t.Errorf("%s: %v, a plain frame: %v", name, took, plain)
		}
	}
}

// effort returns how long a frame occupies Scan and a walk over its children,
// at best.
func effort(t *testing.T, frame []byte) time.Duration {
	best := time.Hour
	for range 3 {
		start := time.Now()
		st, err := Scan(frame)
		if err != nil {
			t.Fatalf("%.60q: %v", frame, err)
		}
		for c := range st.Children() {
			_, _ = c.Attr("none")
		}
		best = min(best, time.Since(start))
	}
	return best
}
