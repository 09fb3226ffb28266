package main

import (
	"strings"
	"testing"
)

// seen is a row of which so much video came to each, and what the server told
// of those who got less than they asked for.
func seen(section, name string, each float64, short ...float64) entry {
	f := figures{videoEach: each, "us per packet": 10, "server cores": 0.525, "Mbit/s": 50, "live KB each": 64}
	for _, s := range short {
		f[shortOfVideo] = s
	}
	return entry{Section: section, Name: name, Runs: []figures{f}}
}

// voices is a row without video, in which so many packets a second were forwarded.
func voices(section, name string, rate float64) entry {
	return entry{Section: section, Name: name, Runs: []figures{{"us per packet": 10, "packets/s": rate, videoEach: 0}}}
}

// TestCut: by what the server says, by rows of the same shape, and by what a
// camera sends.
func TestCut(t *testing.T) {
	small := seen(roomsSection, "1 x 5, 1 camera, tile", 57.6)
	for _, tc := range []struct {
		row entry
		cut bool
	}{
		{small, false},
		{seen(roomsSection, "100 x 5, 1 camera, tile", 56), false},
		{seen(roomsSection, "100 x 5, 1 camera, tile", 56, 0), false},
		{seen(roomsSection, "100 x 5, 1 camera, tile", 56, 2), false},
		{seen(roomsSection, "100 x 5, 1 camera, tile", 56, 40), true},
		{seen(roomsSection, "300 x 5, 1 camera, tile", 50), true},
		{seen(roomsSection, "300 x 5, 1 camera, tile", 0, 0), true},
		{seen(delaySection, "2 x 300, 1 camera, tile", 35), false}, // nobody is a fifth of the room, and tiles are smaller
		{seen(delaySection, "2 x 300, 1 camera, tile", 28), true},
		{seen(costSection, "1 x 40, 1 camera, large", 20), false}, // another shape
		{seen(mediaSection, "1 x 300, 20 cameras, tile", 590), false},
		{seen(mediaSection, "1 x 300, 20 cameras, tile", 500), true},
		{seen(mediaSection, "1 x 300, 30 cameras, tile", 748), false}, // of 25 at most
		{seen(mediaSection, "1 x 300, 30 cameras, tile", 640), true},
		{seen(delaySection, "n x 40, 4 cameras, tile", 116), false}, // as of one room
		{seen(delaySection, "n x 40, 4 cameras, tile", 90), true},
		{seen(mediaSection, "1 x 300, 30 cameras, stage", 349), false}, // of those who are looked at
		{seen(profileSection, "profile: 1 x 300, 30 cameras, tile", 748), false},
		{seen(profileSection, "profile: 1 x 300, 30 cameras, tile", 460), true},
		{seen(profileSection, joinProfile, 0), false},
		{voices(costSection, "10 x 40, 4 microphones, audio only", 78000), false},
		{voices(costSection, "10 x 40, 4 microphones, audio only, HMAC-SHA1", 74000), true},
		{voices(profileSection, "profile: 10 x 40, 4 microphones, audio only", 74000), true},
		{seen(roomSection, "1 x 10, muted", 0), false},
		{entry{Section: mediaSection, Name: "1 x 40, 4 cameras, tile: another", Runs: []figures{{"packets/s": 10}}}, false},
	} {
		if got := tc.row.cut([]entry{small, tc.row}); got != tc.cut {
			t.Errorf("%+v: %v", tc.row, got)
		}
	}
}

// TestCutRows: rows of which a part was cut are not in the plot, say so in the
// table, and tell nothing of what a core holds.
func TestCutRows(t *testing.T) {
	text := string(render(&book{Rows: []entry{
		voices(roomsSection, "1 x 5, one voice", 200), voices(roomsSection, "10 x 5, one voice", 1950), voices(roomsSection, "100 x 5, one voice", 18900), voices(roomsSection, "300 x 5, one voice", 30000),
		filled(seen(delaySection, fives.name(), 20), 190), filled(seen(delaySection, middling.name(), 130), 12),
	}}))
	for _, want := range []string{
		"x-axis \"rooms\" [1, 10]\n", "```\n\nNot in it: 100 and 300 rooms. ", "| 130 |", "| 20.0, cut |", "| 0, cut |",
		"| rooms of 40, four cameras | 640 |", "- n x 5, 1 camera, tile: how busy the worker was, and what limit it had set, was not measured.\n", "nothing is told from it: rooms of 5, one camera (a part was cut).\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text[len(head):])
		}
	}
	if strings.Contains(text, "| rooms of 5, one camera |") {
		t.Errorf("what a core holds is told of a row that was cut:\n%s", text[len(head):])
	}
}

// TestCutVariants: of what was changed as much video is asked for as of the same
// without.
func TestCutVariants(t *testing.T) {
	base, large := seen(mediaSection, lecture.name(), 590), seen(costSection, largeRow, 159)
	for _, tc := range []struct {
		row entry
		cut bool
	}{
		{seen(mediaSection, lecture.name()+inContainer, 580, 0), false},
		{seen(mediaSection, lecture.name()+inContainer, 350, 0), true},
		{seen(costSection, variedRow+", HMAC-SHA1", 80, 0), true},
	} {
		all := []entry{base, large, seen(costSection, variedRow, 159), tc.row}
		if got := tc.row.cut(all); got != tc.cut {
			t.Errorf("%+v: %v", tc.row, got)
		}
	}
}

// TestLimitedBy: what is said of a row that was cut is what was measured.
func TestLimitedBy(t *testing.T) {
	for want, f := range map[string]figures{
		"how busy the worker was, and what limit it had set, was not measured": {"server cores": 0.69},
		"it was 85 % busy, let a receiver have 36.0 video packets a second, let a receiver have 2.00 voices of each conference": {
			workerBusy: 0.85, videoLimit: 36, voiceLimit: 2},
		"it was 69 % busy, let a receiver have 520 video packets a second, was not full: video was still coming back, or room was kept for voices": {
			workerBusy: 0.69, videoLimit: 520},
		"it was 69 % busy, had no limit any more at the end": {workerBusy: 0.69},
	} {
		e := entry{Runs: []figures{f}}
		if got := e.limitedBy(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
