package stress

import (
	"testing"
	"time"
)

// TestVideoBesideOneVoice: where there is time for one voice, or two, but not
// for the next step, what is left is for video, and the step is not tried again
// and again, each time with an overload and without the video.
func TestVideoBesideOneVoice(t *testing.T) {
	for _, tc := range []struct {
		load, audio float64
		voices      int
		video       float64 // part of it that there is time for at least
	}{
		{14.4, 0.625, 1, 0.05}, // a voice takes 0.45 of the time, all video 5.4 times of it
		{11, 0.9, 1, 0.25},     // 0.5 and 1.1
		{7.5, 0.8, 2, 0.12},    // 0.3 and 1.5
		{20, 0.3, 2, 0.01},     // 0.3 and 14
	} {
		m := newModel(1000, 20, tc.load)
		m.audio, m.mics = tc.audio, 20
		m.run(90 * time.Second)
		busy, longest, changes := m.run(120 * time.Second)
		video := sum(m.granted) / m.wanted
		if m.g.Voices() != tc.voices || video < tc.video || busy < calm-0.02 || busy > high || longest > standing || changes > 4 {
			t.Errorf("%+v: %d voices, %.3f of the video, busy %.3f, waited %v, %d changes", tc, m.g.Voices(), video, busy, longest, changes)
		}
	}
}

// TestVoiceTakesVideosPlace: a voice for which there is time comes back although
// video has taken that in the meantime, and hardly anything waits because of it
// until there is less video.
func TestVoiceTakesVideosPlace(t *testing.T) {
	m := newModel(1000, 20, 9.6)
	m.audio, m.mics = 0.9, 20
	if m.run(60 * time.Second); m.g.Voices() != 1 {
		t.Fatalf("%d voices", m.g.Voices())
	}
	// Now a voice takes 0.38 of the time, while with its video the worker is too busy
	// for any rise but of a voice.
	m.load = 8.5
	_, longest, _ := m.run(30 * time.Second)
	if m.g.Voices() != 2 || longest > 5*standing {
		t.Errorf("%d voices, %v packets a second of video, waited %v", m.g.Voices(), sum(m.granted), longest)
	}
}

// TestRoomForVoices: people talk by turns, and two at once between them. That
// the second has room is not to be seen while only one talks.
func TestRoomForVoices(t *testing.T) {
	m := newModel(1000, 20, 5.8)
	m.audio, m.mics, m.talk, m.fixed = 0.655, 20, 2, 0.24 // a voice takes 0.19, all video 2
	talk := func(turns int) (longest time.Duration, changes int) {
		for range turns {
			for m.talk = 1; m.talk <= 2; m.talk++ {
				_, l, c := m.run(time.Duration(6-2*m.talk) * time.Second)
				longest, changes = max(longest, l), changes+c
			}
		}
		return longest, changes
	}
	talk(10)
	longest, changes := talk(20)
	video := sum(m.granted) / m.wanted
	if longest > standing || changes > 6 || video < 0.06 {
		t.Errorf("%.3f of the video, %d changes, waited %v, voices %d", video, changes, longest, m.g.Voices())
	}
}

// TestForgetsTheHushed: that many were heard until a storm is no reason to keep
// room for them when only some may be.
func TestForgetsTheHushed(t *testing.T) {
	m := newModel(300, 20, 0.75)
	m.audio, m.mics = 0.5, 20
	m.run(5 * time.Second)
	m.load = 3
	m.run(3 * time.Second)
	if m.g.Voices() == Unlimited {
		t.Fatal("everybody is heard: no storm")
	}
	m.load = 2 // five voices take 0.25 of the time, all twenty 1, and all video 1
	m.run(6 * time.Second)
	if busy, _, _ := m.run(2 * time.Second); busy < 0.7 {
		t.Errorf("busy %.2f seven seconds after the storm, %d voices, %.2f of the video", busy, m.g.Voices(), sum(m.granted)/m.wanted)
	}
}
