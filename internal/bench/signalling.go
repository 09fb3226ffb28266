package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/bench/storm"
)

const signallingSection = "Signalling"

// silence is what a storm ends with.
const silence = 20 * time.Second

// signallingRows are the storms, plenum first and its peers after it.
func signallingRows() []row {
	var all []row
	for _, shape := range []storm.Target{
		{Rooms: 81, People: 40}, {Rooms: 1, People: 321}, {Rooms: 250, People: 40, Ramp: 1000},
	} {
		for _, srv := range signalServers() {
			if shape.Ramp > 0 && srv.name != ours {
				continue // only its memory is of interest
			}
			if shape.Rooms == 1 && srv.most > 0 {
				continue // slow, and shown in rooms of 40
			}
			all = append(all, row{
				section: signallingSection,
				name:    fmt.Sprintf("%d x %d: %s", shape.Rooms, shape.People, srv.name),
				needs:   srv.needs,
				most:    srv.most,
				takes:   srv.takes + ramp(shape) + silence,
				version: srv.version,
				once: func(ctx context.Context, s *settings, dir string) (figures, error) {
					return runStorm(ctx, s, dir, srv, shape)
				},
			})
		}
	}
	return all
}

// ramp is over which time people join.
func ramp(t storm.Target) time.Duration {
	if t.Ramp == 0 {
		return 0
	}
	return time.Duration(t.Rooms*t.People) * time.Second / time.Duration(t.Ramp)
}

// runStorm is one run against a fresh server.
func runStorm(ctx context.Context, s *settings, dir string, srv server, t storm.Target) (figures, error) {
	p, url, err := srv.start(ctx, s, dir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", s.load, self, "storm", "-url", url, "-pid", strconv.Itoa(p.pid()),
		"-rooms", strconv.Itoa(t.Rooms), "-people", strconv.Itoa(t.People), "-ramp", strconv.Itoa(t.Ramp), "-idle", silence.String())
	cmd.Env = append(os.Environ(), oneCore...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var res storm.Result
	if err := json.Unmarshal(out, &res); err != nil {
		return nil, err
	}
	if res.Error != "" {
		return nil, errors.New(res.Error)
	}
	return stormFigures(&res), nil
}

func stormFigures(r *storm.Result) figures {
	f := figures{}
	people := float64(r.Target.Rooms * r.Target.People)
	for _, p := range r.Phases {
		f[p.Name+" CPU-s"] = p.ServerCPU
		switch p.Name {
		case "join":
			f["join s"], f["load CPU-s"] = p.Wall, p.GeneratorCPU
			f["presences"] = float64(p.Presences)
		case "idle":
			f["idle CPU %"] = 100 * p.ServerCPU / p.Wall
			f["MB"], f["peak MB"] = float64(p.RSS)/(1<<20), float64(r.Peak)/(1<<20)
			f["KB each"] = float64(p.RSS-r.Base) / 1024 / people
			delete(f, "idle CPU-s")
		}
	}
	return f
}
