package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/bench/storm"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

const mediaSection = "Media"

// call is one shape of the media table.
type call struct {
	rooms, people, cameras int
	layout                 string
	ramp, steady           time.Duration // over which time people come, and for how long they are measured
}

func mediaRows() []row {
	var all []row
	for _, c := range []call{
		{1, 3, 3, "stage", time.Second, 15 * time.Second},
		{1, 40, 4, "tile", 2 * time.Second, 15 * time.Second},
		{1, 300, 30, "tile", 10 * time.Second, 20 * time.Second},
		{1, 300, 30, "stage", 10 * time.Second, 20 * time.Second},
	} {
		all = append(all, row{
			section: mediaSection, name: fmt.Sprintf("%d x %d, %d cameras, %s", c.rooms, c.people, c.cameras, c.layout),
			once: func(ctx context.Context, s *settings, dir string) (figures, error) { return c.run(ctx, s, dir) },
		})
	}
	return all
}

// run lets synthetic participants call against a fresh server, and measures
// while all of them are in.
func (c *call) run(ctx context.Context, s *settings, dir string) (figures, error) {
	p, public, admin, err := startAll(ctx, s, dir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	file := filepath.Join(dir, "report.json")
	load := exec.CommandContext(ctx, "taskset", "-c", s.load, s.plenum, "loadtest", public,
		"--rooms", strconv.Itoa(c.rooms), "--participants", strconv.Itoa(c.people),
		"--video", strconv.Itoa(c.cameras), "--audio", strconv.Itoa(c.cameras), "--layout", c.layout,
		"--ramp", c.ramp.String(), "--duration", (c.ramp + c.steady + around).String(), "--max-loss", "100", "--json", file)
	load.Env = append(os.Environ(), oneCore...)
	said, err := os.Create(filepath.Join(dir, "load"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	load.Stdout, load.Stderr = said, said
	base := storm.Memory(p.pid())
	if err := load.Start(); err != nil {
		return nil, err
	}
	f, err := c.watch(ctx, p, admin, base)
	if err != nil {
		_ = load.Process.Kill()
		_ = load.Wait()
		return nil, err
	}
	if err := load.Wait(); err != nil {
		text, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("loadtest: %w\n%s", err, text[max(0, len(text)-2000):])
	}
	return f, f.readReport(file)
}

// around is how long a call lasts besides coming in and being measured.
const around = 8 * time.Second

// settled is how long after the last participant came in measuring begins.
const settled = 3 * time.Second

// watch measures the server while everybody is in.
func (c *call) watch(ctx context.Context, p *process, admin string, base int64) (figures, error) {
	if err := c.awaitEverybody(ctx, admin); err != nil {
		return nil, err
	}
	before, err := scrape(ctx, admin)
	if err != nil {
		return nil, err
	}
	cpu, start := storm.CPU(p.pid()), time.Now()
	select {
	case <-time.After(c.steady):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	used, wall := storm.CPU(p.pid())-cpu, time.Since(start).Seconds()
	after, err := scrape(ctx, admin)
	if err != nil {
		return nil, err
	}
	rise := func(name string) float64 {
		return after["plenum_bridge_"+name+"_total"] - before["plenum_bridge_"+name+"_total"]
	}
	forwarded := rise("video_packets_forwarded") + rise("audio_packets_forwarded")
	if forwarded == 0 {
		return nil, errors.New("nothing was forwarded")
	}
	return figures{
		"packets/s": forwarded / wall, "us per packet": used / forwarded * 1e6, "server cores": used / wall,
		"video share %": 100 * rise("video_packets_forwarded") / forwarded,
		"KB each":       float64(storm.Memory(p.pid())-base) / 1024 / float64(c.rooms*c.people),
	}, nil
}

// awaitEverybody waits until the bridge has all participants, and a little
// longer for the bandwidth estimates to rise.
func (c *call) awaitEverybody(ctx context.Context, admin string) error {
	ctx, cancel := context.WithTimeout(ctx, c.ramp+time.Minute)
	defer cancel()
	for {
		m, err := scrape(ctx, admin)
		if err != nil {
			return err
		}
		wait := 200 * time.Millisecond
		there := int(m["plenum_bridge_endpoints"]) == c.rooms*c.people
		if there {
			wait = settled
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("only %.0f participants came in", m["plenum_bridge_endpoints"])
		}
		if there {
			return nil
		}
	}
}

// scrape reads the server's metrics, summed over labels.
func scrape(ctx context.Context, admin string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	m := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			name, _, _ = strings.Cut(name, "{")
			m[name] += v
		}
	}
	return m, nil
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
	var delay record.Histogram
	var lost, expected float64
	for _, p := range r.Participants {
		if p.Media == nil {
			continue
		}
		if p.Media.Delay != nil {
			delay.Merge(p.Media.Delay)
		}
		for _, s := range p.Media.Streams {
			lost += float64(s.Lost)
			expected += float64(s.Expected)
		}
	}
	f["delay p50 ms"], f["p99 ms"] = ms(delay.Quantile(0.5)), ms(delay.Quantile(0.99))
	f["loss %"] = 100 * lost / max(expected, 1)
	f["load cores"] = r.Machine.CPU.Seconds() / r.Duration.Seconds()
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
