package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

const crowdSection = "Crowds"

// crowdRows are scenarios that are shipped with the load test, shortened: what
// counts is that everybody comes in, and what is left when there is too much.
func crowdRows() []row {
	var all []row
	for _, c := range []struct {
		scenario, ramp string
		people         int
		over           time.Duration // until everybody is there, about
		late           time.Duration // until the bridge has everybody, on a busy server
	}{
		{"storm-500", "all", 500, 5 * time.Second, 0},
		{"forum-321", "20/s", 321, 18 * time.Second, 0},
		{"forum-81x40", "100/s", 3240, 40 * time.Second, 37 * time.Second},
		{"forum-81x40", "all", 3240, 20 * time.Second, 20 * time.Second},
	} {
		m := meeting{people: c.people, ramp: c.over, late: c.late, steady: 15 * time.Second, args: []string{"--scenario", c.scenario, "--ramp", c.ramp}}
		name := c.scenario + ", all come at once"
		if rate, ok := strings.CutSuffix(c.ramp, "/s"); ok {
			name = fmt.Sprintf("%s, %s come in a second", c.scenario, rate)
		}
		all = append(all, row{section: crowdSection, name: name, takes: m.takes(), once: m.run})
		if c.ramp == "all" && c.people > 3000 {
			all = append(all, contained(crowdSection, name, &m)) // more than it would take, if there was more
		}
	}
	// Without media, which one core cannot carry, it is joining that counts.
	muted := call{81, 40, 40, "tile", 20 * time.Second, 15 * time.Second}
	m := muted.meeting()
	m.args = append(m.args, "--muted", "--ramp", "all")
	return append(all, row{section: crowdSection, name: "81 x 40, muted, all come at once", takes: m.takes(), once: m.run})
}

// readReport adds what the participants saw, in the window if it is known of
// single seconds.
func (f figures) readReport(file string, w window) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var r record.Report
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	f.joins(&r)
	f.streams(&r)
	f.seconds(&r, w)
	f["failed"] = max(f["failed"], float64(outside(&r)))
	f["load KB each"] = float64(r.Machine.PeakMemory) / 1024 / float64(max(len(r.Participants), 1))
	return nil
}

// outside is how many were not in the call when it ended.
func outside(r *record.Report) int {
	n := 0
	for i := range r.Participants {
		if r.Participants[i].State != record.InCall {
			n++
		}
	}
	return n
}

// seconds adds what the whole seconds of the window say: the load's CPU, loss,
// the median of their median delays, and the mean of their 99th percentiles.
func (f figures) seconds(r *record.Report, w window) {
	var n, cpu, came, lost, p99, bits float64
	var p50 []time.Duration
	for _, s := range r.Seconds {
		if end := r.Began.Add(s.At); end.Add(-time.Second).Before(w.from) || end.After(w.to) {
			continue
		}
		n++
		cpu += s.CPU
		came += float64(s.PacketsIn)
		lost += float64(s.Lost)
		bits += float64(s.BitsIn + s.BitsOut)
		p50 = append(p50, s.DelayP50)
		p99 += ms(s.DelayP99)
	}
	if n == 0 {
		return
	}
	f["load cores"] = cpu / n
	f["received/s"], f["Mbit/s"] = came/n, bits/n/1e6
	if came > 0 {
		lost = max(lost, 0) // repetitions of what was lost before may have come
		slices.Sort(p50)
		f["loss %"], f["delay p50 ms"], f["delay p99 ms"] = 100*lost/(came+lost), ms(p50[len(p50)/2]), p99/n
	}
}

// joins adds how long it took until sessions were accepted, until their keys
// were there, and until somebody else was heard and seen. Who comes into an
// empty room waits for others, not for the server.
func (f figures) joins(r *record.Report) {
	for name, step := range map[string]record.Step{
		"accepted": record.Accepted, "DTLS": record.DTLS, "audio": record.FirstAudio, "picture": record.FirstKeyFrame,
	} {
		var took []time.Duration
		for i := range r.Participants {
			p := &r.Participants[i]
			at := slices.IndexFunc(p.Steps, func(t record.StepTime) bool { return t.Step == step })
			if at >= 0 && !p.Alone {
				took = append(took, p.Steps[at].At)
			}
		}
		if slices.Sort(took); len(took) > 0 {
			f[name+" p50 s"], f[name+" last s"] = took[len(took)/2].Seconds(), took[len(took)-1].Seconds()
		}
	}
}

// streams adds loss by kind, from the first participant on.
func (f figures) streams(r *record.Report) {
	lost, expected := map[string]float64{}, map[string]float64{}
	for _, p := range r.Participants {
		if p.Media == nil {
			continue
		}
		for _, s := range p.Media.Streams {
			lost[s.Kind] += float64(s.Lost)
			expected[s.Kind] += float64(s.Expected)
		}
	}
	for kind, n := range expected {
		if n > 0 && (kind != "video" || f["video share %"] > 0) { // of next to none there is nothing to lose
			f[kind+" loss %"] = 100 * lost[kind] / n
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
