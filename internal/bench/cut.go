package main

import (
	"fmt"
	"strings"
)

const (
	// wholeVideo is the part of the video that was asked for, with which it
	// counts as not cut; somewhat less comes by chance.
	wholeVideo = 0.95
	// pictureRate is how many pictures a second the load's cameras send; each is
	// a packet at the least.
	pictureRate = 30
	// voiceRate is how many packets a second a microphone sends.
	voiceRate = 50
	// mostTiles is how many cameras somebody in tile view looks at.
	mostTiles = 25
)

// cut says whether the server left out video, or a voice where there is nothing
// else: it has told so of more than a few, or less came of each camera than in
// another row of the same rooms (as many people and cameras, seen in the same
// way: who has a camera sees other sizes than who has none), or less than a camera
// or a microphone sends. Fewer packets, and more of them audio, are not to be
// compared with others.
func (e *entry) cut(all []entry) bool {
	if short, ok := median(e.Runs, shortOfVideo); ok && short > 100*tolerated {
		return true
	}
	part, ok := e.videoCame(all)
	if !ok {
		part, ok = e.voiceCame()
	}
	return ok && part < wholeVideo
}

// cutRuns is in how many runs the server has told so of more than a few.
func (e *entry) cutRuns() (n int) {
	for _, f := range e.Runs {
		if f[shortOfVideo] > 100*tolerated {
			n++
		}
	}
	return n
}

// settles is how busy a worker is where its limit settles, at the least
// (ARCHITECTURE.md, "When it is too much").
const settles = 0.8

// limits says of each row of which a part was cut what the worker went by.
func limits(out *strings.Builder, entries, all []entry) {
	var lines []string
	for i := range entries {
		if e := &entries[i]; e.cut(all) {
			lines = append(lines, fmt.Sprintf("- %s: %s.", e.Name, e.limitedBy()))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nOf what was cut, the worker's reasons:\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// limitedBy is what limited a row of which a part was cut.
func (e *entry) limitedBy() string {
	busy, ok := median(e.Runs, workerBusy)
	if !ok {
		return "how busy the worker was, and what limit it had set, was not measured"
	}
	words := []string{fmt.Sprintf("it was %.0f %% busy", 100*busy)}
	for _, l := range []struct{ column, what string }{{videoLimit, "video packets a second"}, {voiceLimit, "voices of each conference"}} {
		if limit, ok := median(e.Runs, l.column); ok {
			words = append(words, fmt.Sprintf("let a receiver have %s %s", number(limit), l.what))
		}
	}
	switch {
	case len(words) == 1:
		words = append(words, "had no limit any more at the end")
	case busy < settles:
		words = append(words, "was not full: video was still coming back, or room was kept for voices")
	}
	return strings.Join(words, ", ")
}

// voiceCame is which part came of what is said where nobody has a camera. In
// rooms with few microphones all of them are forwarded.
func (e *entry) voiceCame() (float64, bool) {
	var rooms, people int
	microphones := 1
	_, err := fmt.Sscanf(e.Name, voiceRow, &rooms, &people)
	if err != nil {
		_, err = fmt.Sscanf(strings.TrimPrefix(e.Name, profiled), "%d x %d, %d microphones, audio only", &rooms, &people, &microphones)
	}
	rate, ok := median(e.Runs, "packets/s")
	if err != nil || !ok || people <= 1 {
		return 0, false
	}
	return rate / float64(voiceRate*rooms*microphones*(people-1)), true
}

// videoCame is which part of the video that was asked for came, as far as can
// be told from other rows of the same rooms and from what a camera sends.
func (e *entry) videoCame(all []entry) (float64, bool) {
	name := e.Name
	if base := e.variantOf(all); base != nil { // people look at the same
		name = base.Name
	}
	_, shape, _ := strings.Cut(name, " x ")
	own, ok := e.perCamera()
	if !ok {
		return 0, false
	}
	most := own
	if strings.HasSuffix(shape, ", tile") { // on a stage not every camera is asked for
		most = max(most, pictureRate)
	}
	for i := range all {
		if _, other, _ := strings.Cut(all[i].Name, " x "); other == shape {
			rate, _ := all[i].perCamera()
			most = max(most, rate)
		}
	}
	return own / most, most > 0
}

// perCamera is how many packets a second came of each camera that somebody
// looked at.
func (e *entry) perCamera() (float64, bool) {
	var rooms, people, cameras int
	name, found := strings.CutPrefix(strings.TrimPrefix(e.Name, profiled), asManyRooms+" x ")
	if found {
		name = "1 x " + name // of one room as of all
	}
	_, err := fmt.Sscanf(name, "%d x %d, %d camera", &rooms, &people, &cameras)
	rate, ok := median(e.Runs, videoEach)
	if err != nil || !ok || cameras <= 0 || people <= 1 {
		return 0, false
	}
	others := float64(cameras) * float64(people-1) / float64(people) // on average: one's own camera is none of them
	return rate / min(others, mostTiles), true
}
