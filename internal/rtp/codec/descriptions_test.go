package codec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every line of testdata/*.txt is read and described; the format stands in
// testdata/handmade.txt.
func TestDescriptions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no captures:", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var last *AV1Structure
		for i, line := range strings.Split(string(text), "\n") {
			if line == "" || line[0] == '#' {
				continue
			}
			packet, want, _ := strings.Cut(line, " => ")
			codec, data, _ := strings.Cut(packet, " ")
			if got := describePacket(codec, unhex(t, data), &last); got != want {
				t.Errorf("%s:%d: %s, want %s", name, i+1, got, want)
			}
		}
	}
}

func describePacket(codec string, b []byte, last **AV1Structure) string {
	var s string
	var err error
	switch codec {
	case "vp8":
		var d VP8
		d, err = ParseVP8(b)
		s = words(d.StartOfFrame, "start", d.KeyFrame, "key", d.NonReference, "nonref",
			d.PictureIDBits != 0, fmt.Sprintf("id %d/%d", d.PictureID, d.PictureIDBits),
			d.HasTL0PicIdx, fmt.Sprintf("tl0 %d", d.TL0PicIdx), d.HasTID, fmt.Sprintf("T%d", d.TID),
			d.LayerSync, "sync", d.Width != 0, fmt.Sprintf("%dx%d", d.Width, d.Height))
	case "vp9":
		var d VP9
		d, err = ParseVP9(b)
		s = words(d.StartOfFrame, "start", d.EndOfFrame, "end", d.KeyFrame, "key", d.InterPicture, "inter",
			d.Flexible, "flexible", d.PictureIDBits != 0, fmt.Sprintf("id %d/%d", d.PictureID, d.PictureIDBits),
			d.HasTL0PicIdx, fmt.Sprintf("tl0 %d", d.TL0PicIdx), d.HasLayers, fmt.Sprintf("S%dT%d", d.SID, d.TID),
			d.SwitchUp, "up", d.HasStructure, fmt.Sprintf("layers %d", d.Structure.SpatialLayers))
	case "h264":
		var d H264
		d, err = ParseH264(b)
		s = words(d.SPS, "SPS", d.IDR, "IDR", d.KeyFrame, "key")
	case "av1":
		var d AV1
		if d, err = ParseAV1(b, *last); err == nil {
			s, *last = describeAV1(&d), d.Structure
		}
	default:
		return "unknown codec"
	}
	if err != nil {
		return "malformed"
	}
	return s
}

// words joins the words whose condition is true.
func words(pairs ...any) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i].(bool) {
			out = append(out, pairs[i+1].(string))
		}
	}
	return strings.Join(out, " ")
}
