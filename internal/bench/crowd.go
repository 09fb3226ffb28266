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
	}{
		{"storm-500", "all", 500, 5 * time.Second},
		{"forum-321", "20/s", 321, 18 * time.Second},
		{"forum-81x40", "100/s", 3240, 40 * time.Second},
		{"forum-81x40", "all", 3240, 20 * time.Second},
	} {
		m := meeting{people: c.people, ramp: c.over, steady: 15 * time.Second, args: []string{"--scenario", c.scenario, "--ramp", c.ramp}}
		name := c.scenario + ", all come at once"
		if rate, ok := strings.CutSuffix(c.ramp, "/s"); ok {
			name = fmt.Sprintf("%s, %s come in a second", c.scenario, rate)
		}
		all = append(all, row{section: crowdSection, name: name, once: m.run})
	}
	return all
}

// readReport adds what the participants saw.
func (f figures) readReport(file string) error {
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
	f["load cores"] = r.Machine.CPU.Seconds() / r.Duration.Seconds()
	f["load KB each"] = float64(r.Machine.PeakMemory) / 1024 / float64(max(len(r.Participants), 1))
	return nil
}

// joins adds how long it took until sessions were accepted, and until their
// keys were there. Who comes into an empty room waits for others, not for the
// server.
func (f figures) joins(r *record.Report) {
	for name, step := range map[string]record.Step{"accepted": record.Accepted, "DTLS": record.DTLS} {
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

// streams adds loss and delay.
func (f figures) streams(r *record.Report) {
	var delay record.Histogram
	lost, expected := map[string]float64{}, map[string]float64{}
	for _, p := range r.Participants {
		if p.Media == nil {
			continue
		}
		if p.Media.Delay != nil {
			delay.Merge(p.Media.Delay)
		}
		for _, s := range p.Media.Streams {
			for _, kind := range []string{"", s.Kind + " "} {
				lost[kind] += float64(s.Lost)
				expected[kind] += float64(s.Expected)
			}
		}
	}
	for kind, n := range expected {
		if n > 0 {
			f[kind+"loss %"] = 100 * lost[kind] / n
		}
	}
	if expected[""] > 0 {
		f["delay p50 ms"], f["p99 ms"] = ms(delay.Quantile(0.5)), ms(delay.Quantile(0.99))
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
