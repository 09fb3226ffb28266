package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/bench/storm"
)

const mediaSection = "Media"

// call is one shape in which participants meet.
type call struct {
	rooms, people, cameras int // people and cameras of each room
	layout                 string
	ramp, steady           time.Duration // over which time people come, and for how long they are measured
}

func mediaRows() []row {
	return callRows(mediaSection,
		call{1, 3, 3, "stage", time.Second, 15 * time.Second},
		call{1, 40, 4, "tile", 2 * time.Second, 15 * time.Second},
		call{1, 300, 30, "tile", 10 * time.Second, 20 * time.Second},
		call{1, 300, 30, "stage", 10 * time.Second, 20 * time.Second})
}

func callRows(section string, calls ...call) []row {
	var all []row
	for _, c := range calls {
		name := fmt.Sprintf("%d x %d, %d cameras, %s", c.rooms, c.people, c.cameras, c.layout)
		if c.cameras == 0 {
			name = fmt.Sprintf("%d x %d, silent", c.rooms, c.people)
		}
		all = append(all, row{section: section, name: name, once: c.meeting().run})
	}
	return all
}

// meeting is what callers of `plenum loadtest` say, and what is known of it.
type meeting struct {
	args         []string // who comes
	server       []string // more in the server's environment
	people       int
	ramp, steady time.Duration
}

func (c *call) meeting() *meeting {
	return &meeting{people: c.rooms * c.people, ramp: c.ramp, steady: c.steady, args: []string{
		"--rooms", strconv.Itoa(c.rooms), "--participants", strconv.Itoa(c.people),
		"--video", strconv.Itoa(c.cameras), "--audio", strconv.Itoa(c.cameras), "--layout", c.layout, "--ramp", c.ramp.String(),
	}}
}

// run lets synthetic participants call against a fresh server, and measures
// while all of them are in.
func (c *meeting) run(ctx context.Context, s *settings, dir string) (figures, error) {
	p, public, admin, err := startAll(ctx, s, dir, c.server...)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	file := filepath.Join(dir, "report.json")
	base, err := measureAtRest(ctx, p, admin)
	if err != nil {
		return nil, err
	}
	f, err := s.underLoad(ctx, dir, func() (figures, error) { return c.watch(ctx, p, admin, base) }, append([]string{public,
		"--duration", (c.ramp + c.steady + around).String(), "--json", file}, c.args...)...)
	if err != nil {
		return nil, err
	}
	return f, f.readReport(file)
}

// underLoad runs plenum loadtest on the load's core, and watch beside it. It
// ends the load early if watch fails.
func (s *settings) underLoad(ctx context.Context, dir string, watch func() (figures, error), args ...string) (figures, error) {
	load := exec.CommandContext(ctx, "taskset", append([]string{"-c", s.load, s.plenum, "loadtest", "--plain", "--max-loss", "100"}, args...)...)
	load.Env = append(os.Environ(), oneCore...)
	said, err := os.Create(filepath.Join(dir, "load"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	load.Stdout, load.Stderr = said, said
	if err := load.Start(); err != nil {
		return nil, err
	}
	f, err := watch()
	if err != nil {
		_ = load.Process.Kill()
	}
	if ended := load.Wait(); err == nil && ended != nil {
		text, _ := os.ReadFile(said.Name())
		err = fmt.Errorf("loadtest: %w\n%s", ended, text[max(0, len(text)-2000):])
	}
	return f, err
}

// around is how long a call lasts besides coming in and being measured.
const around = 8 * time.Second

// settled is how long after the last participant came in measuring begins:
// bandwidth estimates have risen by then.
const settled = 3 * time.Second

// atRest is the server before anybody came.
type atRest struct {
	rss  int64   // bytes
	heap float64 // bytes in use
	live float64 // bytes
	cpu  float64 // seconds
}

func measureAtRest(ctx context.Context, p *process, admin string) (atRest, error) {
	m, err := scrape(ctx, admin)
	if err != nil {
		return atRest{}, err
	}
	kept, err := live(ctx, admin)
	return atRest{storm.Memory(p.pid()), m[heapInUse], kept, storm.CPU(p.pid())}, err
}

// live is what the server keeps after a collection of garbage, stacks included,
// in bytes.
func live(ctx context.Context, admin string) (float64, error) {
	body, err := get(ctx, admin+"/debug/pprof/heap?gc=1")
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, body)
	body.Close()
	if err != nil {
		return 0, err
	}
	m, err := scrape(ctx, admin)
	return m["go_memstats_heap_alloc_bytes"] + m["go_memstats_stack_inuse_bytes"], err
}

const heapInUse = "go_memstats_heap_inuse_bytes"

// watch measures the server while everybody comes, and while everybody is in.
func (c *meeting) watch(ctx context.Context, p *process, admin string, base atRest) (figures, error) {
	if err := c.awaitEverybody(ctx, admin); err != nil {
		return nil, err
	}
	people := float64(c.people)
	f := figures{"CPU-ms a join": 1000 * (storm.CPU(p.pid()) - base.cpu) / people}
	if err := pause(ctx, settled); err != nil {
		return nil, err
	}
	before, err := scrape(ctx, admin)
	if err != nil {
		return nil, err
	}
	cpu, start := storm.CPU(p.pid()), time.Now()
	if err := pause(ctx, c.steady); err != nil {
		return nil, err
	}
	used, wall := storm.CPU(p.pid())-cpu, time.Since(start).Seconds()
	after, err := scrape(ctx, admin)
	if err != nil {
		return nil, err
	}
	f["server cores"] = used / wall
	f["KB each"] = float64(storm.Memory(p.pid())-base.rss) / 1024 / people
	f["heap KB each"] = (after[heapInUse] - base.heap) / 1024 / people
	f.packets(change{before, after}, used, wall)
	f.pauses(change{before, after}, wall)
	if err := f.readDelay(ctx, admin); err != nil {
		return nil, err
	}
	kept, err := live(ctx, admin)
	f["live KB each"] = (kept - base.live) / 1024 / people
	return f, err
}

// change is the server's metrics at two times.
type change struct{ before, after map[string]float64 }

func (c change) of(name string) float64 { return c.after[name] - c.before[name] }

// packets adds what was forwarded, and what that cost.
func (f figures) packets(c change, used, wall float64) {
	video := c.of("plenum_bridge_video_packets_forwarded_total")
	forwarded := video + c.of("plenum_bridge_audio_packets_forwarded_total")
	f["packets/s"] = forwarded / wall
	if forwarded == 0 {
		return
	}
	f["us per packet"] = used / forwarded * 1e6
	f["video share %"] = 100 * video / forwarded
	f["mean run"] = c.of("plenum_bridge_packets_sent_total") / max(c.of("plenum_bridge_socket_send_messages_total"), 1)
}

// pauses adds how often garbage collection stopped the server, and a bound of
// how long at the most.
func (f figures) pauses(c change, wall float64) {
	const name = "go_sched_pauses_total_gc_seconds"
	f["GC pauses/s"] = c.of(name+"_count") / wall
	longest := 0.0
	for key := range c.after {
		bound, ok := strings.CutPrefix(key, name+"_bucket ")
		if le, err := strconv.ParseFloat(bound, 64); ok && err == nil && c.of(key) < c.of(name+"_count") {
			longest = max(longest, le) // some took longer than this
		}
	}
	f["GC pause over ms"] = 1000 * longest
}

// readDelay adds how long packets were in the server, by its own histogram of
// the last ten seconds.
func (f figures) readDelay(ctx context.Context, admin string) error {
	body, err := get(ctx, admin+"/debug/state/bridge")
	if err != nil {
		return err
	}
	defer body.Close()
	var state struct {
		Delay struct {
			Recent struct {
				P50, P99 string
				P999     string `json:"p99_9"`
			} `json:"last_10_seconds"`
		}
	}
	if err := json.NewDecoder(body).Decode(&state); err != nil {
		return fmt.Errorf("state of the bridge: %w", err)
	}
	for name, text := range map[string]string{
		"added p50 ms": state.Delay.Recent.P50, "added p99 ms": state.Delay.Recent.P99, "added p99.9 ms": state.Delay.Recent.P999,
	} {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("state of the bridge: %w", err)
		}
		f[name] = ms(d)
	}
	return nil
}

// awaitEverybody waits until the bridge has all participants.
func (c *meeting) awaitEverybody(ctx context.Context, admin string) error {
	ctx, cancel := context.WithTimeout(ctx, c.ramp+time.Minute)
	defer cancel()
	for {
		m, err := scrape(ctx, admin)
		if err != nil {
			return err
		}
		if int(m["plenum_bridge_endpoints"]) == c.people {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("only %.0f participants came in", m["plenum_bridge_endpoints"])
		}
	}
}

// get reads something over HTTP.
func get(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return resp.Body, nil
}

// scrape reads the server's metrics, summed over labels; those of a bucket go
// by its name and its bound, with a space between.
func scrape(ctx context.Context, admin string) (map[string]float64, error) {
	body, err := get(ctx, admin+"/metrics")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	m := map[string]float64{}
	for lines := bufio.NewScanner(body); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			continue
		}
		name, labels, _ := strings.Cut(key, "{")
		if _, bound, ok := strings.Cut(labels, `le="`); ok {
			name += " " + strings.TrimRight(bound, `"}`)
		}
		m[name] += v
	}
	return m, nil
}
