package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/bench/storm"
)

// peer is a deployment of another make that somebody else has started.
type peer struct {
	name string
	url  string
	pids []int // of all its processes
	warm time.Duration
	args []string // more for plenum loadtest
}

// besideCommand lets a peer serve the calls of the media tables, and enters
// what that costs beside plenum's figures.
func besideCommand(ctx context.Context, args []string) error {
	var s settings
	var p peer
	f := flag.NewFlagSet("bench beside", flag.ExitOnError)
	s.addTo(f, 5, "how often each call is measured")
	f.StringVar(&p.name, "name", "", "`name` of the peer in the table, with its version")
	f.StringVar(&p.url, "url", "", "`address` of its web page, as for plenum loadtest")
	f.DurationVar(&p.warm, "warm", 30*time.Second, "`duration` for which people are in before measuring begins, for servers that compile as they run")
	pids := f.String("pid", "", "process `ids` of all its daemons, with commas between")
	insecure := f.Bool("insecure", false, "accept any certificate")
	only := f.String("only", "^1 x 40, 4 cameras, tile$", "calls to measure, a regular `expression` on their names")
	_ = f.Parse(args[1:]) // ends the process on mistakes
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if p.name == "" || p.url == "" {
		return errors.New("-name and -url say which server to measure")
	}
	if p.pids, err = processes(*pids); err != nil {
		return err
	}
	if *insecure {
		p.args = append(p.args, "--insecure")
	}
	var all []row
	for _, c := range mediaCalls() {
		if chosen.MatchString(c.name()) {
			all = append(all, p.row(c))
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("-only %s: no call has such a name (./bench -list)", *only)
	}
	return s.measure(ctx, all)
}

// processes reads ids with commas between, of processes that exist.
func processes(list string) ([]int, error) {
	var pids []int
	for _, text := range strings.Split(list, ",") {
		pid, err := strconv.Atoi(text)
		if err != nil || pid <= 0 || storm.Memory(pid) == 0 {
			return nil, fmt.Errorf("-pid: %q is not the id of a running process", text)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

func (p *peer) row(c call) row {
	m := c.meeting()
	return row{section: mediaSection, name: c.name() + ": " + p.name, takes: m.takes() + p.warm,
		once: func(ctx context.Context, s *settings, dir string) (figures, error) { return p.serve(ctx, s, dir, m) }}
}

// serve lets synthetic participants call, and measures while all of them are
// in. A packet counts when it has come to its receiver: the peer's own counters
// are not known.
func (p *peer) serve(ctx context.Context, s *settings, dir string, m *meeting) (figures, error) {
	file := filepath.Join(dir, "report.json")
	var w window
	var used float64
	_, before := p.took()
	f, err := s.underLoad(ctx, dir, m.ramp+p.warm+m.steady+patience, func() (figures, error) {
		if err := pause(ctx, m.ramp+settled+p.warm); err != nil {
			return nil, err
		}
		cpu, _ := p.took()
		w.from = time.Now()
		if err := pause(ctx, m.steady); err != nil {
			return nil, err
		}
		w.to = time.Now()
		after, memory := p.took()
		used = after - cpu
		return figures{
			"server cores": used / w.to.Sub(w.from).Seconds(),
			"KB each":      float64(memory-before) / 1024 / float64(m.people),
		}, nil
	}, append(append([]string{p.url, "--json", file}, p.args...), m.args...)...)
	if err != nil {
		return nil, err
	}
	if err := f.readReport(file, w); err != nil {
		return nil, err
	}
	if missing := f["failed"]; missing > tolerated*float64(m.people) {
		return nil, fmt.Errorf("%.0f of %d participants were not in the call", missing, m.people)
	}
	if rate := f["received/s"]; rate > 0 {
		f["packets/s"], f["us per packet"] = rate, f["server cores"]/rate*1e6
	}
	return f, nil
}

// took is how much CPU time the peer's processes have taken, in seconds, and
// how much memory they have, in bytes.
func (p *peer) took() (cpu float64, memory int64) {
	for _, pid := range p.pids {
		cpu += storm.CPU(pid)
		memory += storm.Memory(pid)
	}
	return cpu, memory
}
