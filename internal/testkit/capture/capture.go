package capture

import (
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/rtp/codec"
)

//go:embed testdata/*.txt
var files embed.FS

// Packet is a packet of a real sender.
type Packet struct {
	At         time.Duration // since the first one of the file
	Encoding   int           // of a simulcast sender, from 0 for the smallest picture
	Codec      string        // "vp8", "vp9", "av1" or "h264"
	Seq        uint16
	TS         uint32
	Marker     bool
	Size       int    // of the payload, bytes
	Head       []byte // its first bytes: all that is read of it, and perhaps more
	Dependency []byte // content of the dependency descriptor extension, nil without
}

// Payload is a payload as long as the packet's; nothing is known of what
// stands behind the head.
func (p *Packet) Payload() []byte {
	b := make([]byte, max(p.Size, len(p.Head)))
	copy(b, p.Head)
	return b
}

// Names returns the files whose names begin with a prefix, sorted.
func Names(prefix string) (names []string) {
	all, _ := fs.Glob(files, "testdata/"+prefix+"*.txt")
	for _, name := range all {
		names = append(names, path.Base(name))
	}
	return names
}

// Read returns what a file holds and fails the test if it cannot be read.
func Read(t testing.TB, name string) []Packet {
	t.Helper()
	text, err := files.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var all []Packet
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		p, err := parse(line)
		if err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		all = append(all, p)
	}
	return all
}

func parse(line string) (p Packet, err error) {
	var ms, marker int
	var head, dependency string
	if _, err = fmt.Sscan(line, &ms, &p.Encoding, &p.Codec, &p.Seq, &p.TS, &marker, &p.Size, &head, &dependency); err != nil {
		return p, err
	}
	p.At, p.Marker = time.Duration(ms)*time.Millisecond, marker != 0
	if p.Head, err = unhex(head); err == nil {
		p.Dependency, err = unhex(dependency)
	}
	return p, err
}

func unhex(s string) ([]byte, error) {
	if s == "-" {
		return nil, nil
	}
	return hex.DecodeString(s)
}

// Write returns the content of a file. sender is told about in its first line.
func Write(sender string, packets []Packet) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", sender)
	for _, p := range packets {
		marker := 0
		if p.Marker {
			marker = 1
		}
		fmt.Fprintf(&b, "%d %d %s %d %d %d %d %s %s\n", p.At.Milliseconds(), p.Encoding, p.Codec, p.Seq, p.TS, marker, p.Size, tohex(p.Head), tohex(p.Dependency))
	}
	return []byte(b.String())
}

func tohex(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString(b)
}

const (
	vp8Head   = 16 // a whole descriptor and a key frame's header
	aggregate = 64 // of H.264: the parameter sets, and the beginning of a slice
	nalHead   = 2  // of H.264: with the header of a fragment
	av1Head   = 1  // the aggregation header, for who has no descriptor
)

// Head returns the beginning of a payload that a file keeps.
func Head(name string, payload []byte) []byte {
	n := 0
	switch name {
	case "vp8":
		n = vp8Head
	case "vp9":
		if d, err := codec.ParseVP9(payload); err == nil {
			n = d.DescriptorLen
		}
	case "av1":
		n = av1Head
	case "h264":
		n = nalHead
		if d, err := codec.ParseH264(payload); err == nil && d.SPS {
			n = aggregate
		}
	}
	return payload[:min(n, len(payload))]
}
