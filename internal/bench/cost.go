package main

import (
	"slices"
	"time"
)

const costSection = "What a packet costs"

// audioRow is of voices alone, as many as make a core some 60 % busy.
const audioRow = "14 x 40, 4 microphones, audio only"

// costRows change one thing at a time. Somebody large on everybody's screen is
// seen in frames of several packets, so that there are runs to send.
func costRows() []row {
	large := call{1, 40, 1, "stage", 2 * time.Second, 15 * time.Second}
	voices := call{14, 40, 4, "tile", 12 * time.Second, 15 * time.Second}
	var all []row
	add := func(name string, c call, server []string, flags ...string) {
		m := c.meeting()
		m.server, m.args = server, slices.Concat(m.args, flags)
		all = append(all, row{section: costSection, name: name, takes: m.takes(), once: m.run})
	}
	add("1 x 40, 1 camera, large", large, nil, "--full-bitrate")
	add("1 x 40, 1 camera, large, without offload", large, []string{"PLENUM_NO_OFFLOAD=1"}, "--full-bitrate")
	add("1 x 40, 1 camera, large, HMAC-SHA1", large, nil, "--full-bitrate", "--srtp", "sha1")
	add("10 x 40, 1 camera, large", call{10, 40, 1, "stage", 8 * time.Second, 15 * time.Second}, nil, "--full-bitrate")
	add(audioRow, voices, nil, "--video", "0")
	add(audioRow+", without offload", voices, []string{"PLENUM_NO_OFFLOAD=1"}, "--video", "0")
	add(audioRow+", HMAC-SHA1", voices, nil, "--video", "0", "--srtp", "sha1")
	add("1 x 300, 30 cameras, tile, without offload", crowdedTiles, []string{"PLENUM_NO_OFFLOAD=1"})
	add("1 x 300, 30 cameras, tile, HMAC-SHA1", crowdedTiles, nil, "--srtp", "sha1")
	return all
}
