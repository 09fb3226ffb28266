package main

import (
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// TestJoins counts each step among those who got so far, and leaves out who
// had to wait for company.
func TestJoins(t *testing.T) {
	came := func(alone bool, accepted, audio, picture time.Duration) record.Participant {
		p := record.Participant{Alone: alone}
		for step, at := range map[record.Step]time.Duration{record.Accepted: accepted, record.FirstAudio: audio, record.FirstKeyFrame: picture} {
			if at > 0 {
				p.Steps = append(p.Steps, record.StepTime{Step: step, At: at})
			}
		}
		return p
	}
	f := figures{}
	f.joins(&record.Report{Participants: []record.Participant{
		came(true, time.Hour, time.Hour, time.Hour),
		came(false, 3*time.Second, 4*time.Second, 0),
		came(false, 1*time.Second, 2*time.Second, 5*time.Second),
		came(false, 2*time.Second, 6*time.Second, 0),
	}})
	for column, want := range map[string]float64{
		"accepted p50 s": 2, "accepted last s": 3, "audio p50 s": 4, "audio last s": 6, "picture p50 s": 5, "picture last s": 5,
	} {
		if f[column] != want {
			t.Errorf("%s is %v, want %v", column, f[column], want)
		}
	}
	if _, ok := f["DTLS last s"]; ok {
		t.Error("there is a figure of a step nobody took")
	}
}
