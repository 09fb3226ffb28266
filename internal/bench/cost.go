package main

import (
	"slices"
	"time"
)

const costSection = "What a packet costs"

// Shapes that make the server's core 60 to 90 % busy, as the machine has time:
// what a packet costs then is how many a core forwards. Somebody large on
// everybody's screen is seen in frames of several packets, so that there are
// runs to send.
var (
	fullOfPictures = call{30, 40, 1, "stage", 25 * time.Second, 15 * time.Second}
	fullOfVoices   = call{18, 40, 4, "tile", 16 * time.Second, 15 * time.Second}
)

const (
	largeRow = "30 x 40, 1 camera, large"
	audioRow = "18 x 40, 4 microphones, audio only"
	// variedRow has room for what a variant takes more: with a full core video
	// would be cut, and nothing could be compared.
	variedRow = "10 x 40, 1 camera, large"
)

// costRows are busy cores, and change one thing at a time.
func costRows() []row {
	pictures := call{10, 40, 1, "stage", 8 * time.Second, 15 * time.Second}
	var all []row
	add := func(name string, c call, server []string, flags ...string) {
		m := c.meeting()
		m.server, m.args = server, slices.Concat(m.args, flags)
		all = append(all, row{section: costSection, name: name, takes: m.takes(), once: m.run})
	}
	add(largeRow, fullOfPictures, nil, "--full-bitrate")
	add(variedRow, pictures, nil, "--full-bitrate")
	add(variedRow+", without offload", pictures, []string{"PLENUM_NO_OFFLOAD=1"}, "--full-bitrate")
	add(variedRow+", HMAC-SHA1", pictures, nil, "--full-bitrate", "--srtp", "sha1")
	add(audioRow, fullOfVoices, nil, "--video", "0")
	add(audioRow+", without offload", fullOfVoices, []string{"PLENUM_NO_OFFLOAD=1"}, "--video", "0")
	add(audioRow+", HMAC-SHA1", fullOfVoices, nil, "--video", "0", "--srtp", "sha1")
	return all
}
