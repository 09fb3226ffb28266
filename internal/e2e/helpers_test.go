package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/plenum-conf/plenum/internal/app"
)

func jsObject(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// bridgeState is the part of the bridge's debug tree that tests look at.
type bridgeState struct {
	Workers []struct {
		Conferences []struct {
			Room      string
			Endpoints []bridgeEndpoint
		}
	}
}

type bridgeEndpoint struct {
	ID        string
	ICE       string
	SRTP      string
	Channel   string
	Asked     *askedFor
	Bandwidth struct {
		Details struct{ Estimate int64 } `json:"estimator"`
	}
	Sources []struct {
		Name   string
		Kind   string
		Wanted int `json:"wanted_height"`
	}
	BitsIn   uint64 `json:"bits_per_second_in"`
	BitsOut  uint64 `json:"bits_per_second_out"`
	Receives []struct {
		Source  string
		Packets uint32
	}
	Slots []struct {
		MID    string
		SSRC   uint32
		Source string
	}
}

func endpoints(t *testing.T, a *app.App) []bridgeEndpoint {
	t.Helper()
	var s bridgeState
	state(t, a, "bridge", &s)
	var all []bridgeEndpoint
	for _, w := range s.Workers {
		for _, c := range w.Conferences {
			all = append(all, c.Endpoints...)
		}
	}
	return all
}

// mustCrossBridge checks with the bridge that n endpoints have sent media to
// it and were each sent the video of every other one: nobody has found a way
// around it.
func mustCrossBridge(t *testing.T, a *app.App, n int) {
	t.Helper()
	var problem string
	waitUntil(t, "media crosses the bridge", func() bool {
		problem = notCrossing(endpoints(t, a), n)
		return problem == ""
	}, func() string { return problem })
}

// notCrossing says what is missing for media of n endpoints to cross, or "".
func notCrossing(all []bridgeEndpoint, n int) string {
	if len(all) != n {
		return fmt.Sprintf("the bridge has %d endpoints, want %d", len(all), n)
	}
	for _, e := range all {
		if e.ICE != "connected" || e.SRTP == "" || e.BitsIn == 0 || e.BitsOut == 0 {
			return fmt.Sprintf("endpoint %s: ICE %s, SRTP %q, %d bit/s in, %d out", e.ID, e.ICE, e.SRTP, e.BitsIn, e.BitsOut)
		}
		carried := 0
		for _, r := range e.Receives {
			if r.Packets > 0 {
				carried++
			}
		}
		if carried < n-1 {
			return fmt.Sprintf("endpoint %s was sent %d videos, want %d", e.ID, carried, n-1)
		}
	}
	return ""
}
