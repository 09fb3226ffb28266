package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
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

// mediaCalls are the calls of the table of media.
func mediaCalls() []call {
	return []call{
		{1, 3, 3, "stage", time.Second, 15 * time.Second},
		{1, 40, 4, "tile", 2 * time.Second, 15 * time.Second},
		crowdedTiles,
		lecture,
		{1, 1000, 20, "tile", 25 * time.Second, 15 * time.Second},
		{1, 300, 30, "stage", 10 * time.Second, 20 * time.Second},
	}
}

var lecture = call{1, 300, 20, "tile", 10 * time.Second, 15 * time.Second}

var crowdedTiles = call{1, 300, 30, "tile", 10 * time.Second, 20 * time.Second}

// onTwoCores is the row of a server that shares the load's core too.
var onTwoCores = crowdedTiles.name() + ", server on two cores"

func mediaRows() []row {
	both := crowdedTiles.meeting()
	both.both = true
	return append(callRows(mediaSection, mediaCalls()...),
		row{section: mediaSection, name: onTwoCores, takes: both.takes(), once: both.run},
		contained(mediaSection, lecture.name(), lecture.meeting()))
}

func callRows(section string, calls ...call) []row {
	var all []row
	for _, c := range calls {
		m := c.meeting()
		all = append(all, row{section: section, name: c.name(), takes: m.takes(), once: m.run})
	}
	return all
}

func (c *call) name() string {
	return fmt.Sprintf("%d x %d, %s, %s", c.rooms, c.people, count(c.cameras, "camera"), c.layout)
}

// meeting is what callers of `plenum loadtest` say, and what is known of it.
type meeting struct {
	args         []string      // who comes
	server       []string      // more in the server's environment
	both         bool          // the server may use the load's core as well
	collects     bool          // the server is made to collect its garbage each second while it is measured
	memory       int64         // of a container in which the server is started, in bytes; 0 for none
	coming       bool          // a profile is taken while people come, not when all are in
	calm         time.Duration // how much longer than settled nothing is measured
	late         time.Duration // how much longer than the ramp it takes until everybody is in, if there is too much for the server
	people       int
	ramp, steady time.Duration
}

// takes is how long a run lasts, about.
func (c *meeting) takes() time.Duration {
	const started, left = time.Second, time.Millisecond // the server, and for each who takes leave
	return started + c.ramp + c.late + settled + c.calm + c.steady + time.Duration(c.people)*left
}

func (c *call) meeting() *meeting {
	return &meeting{people: c.rooms * c.people, ramp: c.ramp, steady: c.steady, args: []string{
		"--rooms", strconv.Itoa(c.rooms), "--participants", strconv.Itoa(c.people),
		"--video", strconv.Itoa(c.cameras), "--audio", strconv.Itoa(c.cameras), "--layout", c.layout, "--ramp", c.ramp.String(),
	}}
}

// run is serve, in a container if there is to be little memory.
func (c *meeting) run(ctx context.Context, s *settings, dir string) (figures, error) {
	if c.memory > 0 {
		return c.runWithin(ctx, s, dir)
	}
	return c.serve(ctx, s, dir)
}

// serve lets synthetic participants call against a fresh server, and measures
// while all of them are in.
func (c *meeting) serve(ctx context.Context, s *settings, dir string) (figures, error) {
	on, env := *s, c.server
	if c.both {
		on.server, env = s.server+","+s.load, append([]string{"GOMAXPROCS=2"}, env...)
	}
	p, public, admin, err := startAll(ctx, &on, dir, env...)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	file := filepath.Join(dir, "report.json")
	base, err := measureAtRest(ctx, p, admin)
	if err = errors.Join(err, c.knows(ctx, admin)); err != nil {
		return nil, err
	}
	var w window
	f, err := s.underLoad(ctx, dir, c.ramp+c.steady+patience, func() (f figures, err error) {
		f, w, err = c.watch(ctx, p, admin, base)
		return f, err
	}, append([]string{public, "--json", file}, c.args...)...)
	if err != nil {
		return nil, err
	}
	return f, f.readReport(file, w)
}

// patience is how much longer than expected a load would last, was it not
// ended when nobody needs it any more.
const patience = 10 * time.Minute

// underLoad runs plenum loadtest on the load's core, and watch beside it, after
// which it ends the load. Participants that fail are no error: figures tell.
func (s *settings) underLoad(ctx context.Context, dir string, longest time.Duration, watch func() (figures, error), args ...string) (figures, error) {
	load := exec.CommandContext(ctx, "taskset", append([]string{"-c", s.load, s.plenum, "loadtest", "--plain",
		"--assert", "participants>0", "--duration", longest.String()}, args...)...)
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
	} else {
		_ = load.Process.Signal(os.Interrupt) // as by hand: it ends with a report
	}
	if ended := load.Wait(); err == nil {
		err = ended
	}
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		err = fmt.Errorf("under load: %w\nloadtest said: %s", err, text[max(0, len(text)-2000):])
	}
	return f, err
}

// settled is how long after the last participant came in measuring begins:
// bandwidth estimates have risen by then.
const settled = 3 * time.Second

// atRest is the server before anybody came.
type atRest struct {
	rss  int64   // bytes
	live float64 // bytes
	cpu  float64 // seconds
}

func measureAtRest(ctx context.Context, p *process, admin string) (atRest, error) {
	kept, err := live(ctx, admin)
	return atRest{storm.Memory(p.pid()), kept, storm.CPU(p.pid())}, err
}

// live is what the server keeps after a collection of garbage, stacks included,
// in bytes.
func live(ctx context.Context, admin string) (float64, error) {
	if err := collect(ctx, admin); err != nil {
		return 0, err
	}
	m, err := scrape(ctx, admin)
	return m["go_memstats_heap_alloc_bytes"] + m["go_memstats_stack_inuse_bytes"], err
}

const (
	ofRuntime = "go_memstats_sys_bytes" // all the runtime ever asked for
	givenBack = "go_memstats_heap_released_bytes"
)

// window is the time in which everybody is in and settled.
type window struct{ from, to time.Time }

// watch measures the server while everybody comes, and while everybody is in.
func (c *meeting) watch(ctx context.Context, p *process, admin string, base atRest) (figures, window, error) {
	f, w := figures{}, window{}
	in, err := c.awaitEverybody(ctx, admin)
	if err != nil {
		return nil, w, err
	}
	if in == c.people {
		f[comingIn] = storm.CPU(p.pid()) - base.cpu
		f["CPU-ms a join"] = 1000 * f[comingIn] / float64(in)
	}
	if err := pause(ctx, settled+c.calm); err != nil {
		return nil, w, err
	}
	collected, err := readGarbage(ctx, admin)
	if err != nil {
		return nil, w, err
	}
	before, err := scrape(ctx, admin)
	if err != nil {
		return nil, w, err
	}
	cpu, stolen := storm.CPU(p.pid()), steal(p.core)
	w.from = time.Now()
	if err := c.last(ctx, admin); err != nil {
		return nil, w, err
	}
	after, err := scrape(ctx, admin)
	if err != nil {
		return nil, w, err
	}
	used := storm.CPU(p.pid()) - cpu
	w.to = time.Now()
	if in, err = c.here(after); err != nil {
		return nil, w, err
	}
	f["failed"] = float64(c.people - in)
	f.stolen(steal(p.core)-stolen, w.to.Sub(w.from))
	f.packets(change{before, after}, used, w.to.Sub(w.from).Seconds())
	f.batches(change{before, after}, w.to.Sub(w.from).Seconds())
	f.video(change{before, after}, in)
	f.governed(change{before, after}, w.to.Sub(w.from).Seconds())
	f["KB each"] = float64(storm.Memory(p.pid())-base.rss) / 1024 / float64(in)
	if err := f.readDelay(ctx, admin); err != nil {
		return nil, w, err
	}
	now, err := readGarbage(ctx, admin)
	if err != nil {
		return nil, w, err
	}
	f.pauses(collected, now, w.to.Sub(w.from).Seconds())
	kept, err := live(ctx, admin)
	f["live KB each"] = (kept - base.live) / 1024 / float64(in)
	return f, w, err
}

// last waits while the server is measured.
func (c *meeting) last(ctx context.Context, admin string) error {
	if c.collects {
		return collectEvery(ctx, admin, c.steady)
	}
	return pause(ctx, c.steady)
}

const (
	// comingIn is what the server took until it had everybody.
	comingIn = "coming in CPU-s"
	// videoEach is how many video packets a second a participant got.
	videoEach = "video/s each"
	// shortOfVideo are participants that the server sent less video than they
	// asked for by what its worker set as the limit, when measuring began or ended.
	shortOfVideo   = "short of video %"
	receiversShort = "plenum_bridge_receivers_short_of_packets"
	// workerBusy is which part of the time the worker did not wait for something
	// to do, by its own clock, which goes on while another thread has its core:
	// what it decides by how much it forwards. Of several workers it is the sum.
	workerBusy      = "worker busy"
	coreWait        = "core wait %"
	busySeconds     = "plenum_bridge_busy_seconds_total"
	coreWaitSeconds = "plenum_process_core_wait_seconds_total"
	// videoLimit is how many packets of video a second the worker lets one
	// receiver have at the end, missing if it does not limit them.
	videoLimit    = "limit/s each"
	videoLimitNow = "plenum_bridge_video_packets_a_receiver"
	// voiceLimit is how many voices of each conference it lets through at the end,
	// missing if it does not limit them: of any number only those who talk.
	voiceLimit    = "voices a conference"
	voiceLimitNow = "plenum_bridge_voices_a_conference"
	// loadEach is how many cores the load would take for so many.
	loadEach = "load cores for 1,000"
	// stressed is how much is asked for, 1 for all that the worker can do.
	stressed  = "stress"
	stressNow = "plenum_bridge_stress"
)

// change is the server's metrics at two times.
type change struct{ before, after map[string]float64 }

func (c change) of(name string) float64 { return c.after[name] - c.before[name] }

// packets adds what was forwarded, and what that cost: counters, CPU time and
// clock are of the same moments, as the server publishes what it counts at the
// end of each turn.
func (f figures) packets(c change, used, wall float64) {
	f["server cores"], f["CPU %"] = used/wall, 100*used/wall
	video := c.of("plenum_bridge_video_packets_forwarded_total")
	forwarded := video + c.of("plenum_bridge_audio_packets_forwarded_total")
	f["packets/s"] = forwarded / wall
	if forwarded == 0 {
		return
	}
	f["us per packet"] = used / forwarded * 1e6
	f["video share %"] = 100 * video / forwarded
	f["mean run"] = c.of("plenum_bridge_socket_send_datagrams_total") / max(c.of("plenum_bridge_socket_send_messages_total"), 1)
	f["lent %"] = 100 * c.of("plenum_bridge_packets_lent_total") / max(c.of("plenum_bridge_packets_sent_total"), 1)
}

// video adds how much of it came to each of those who were in, and how many of
// them got less than they asked for.
func (f figures) video(c change, in int) {
	f[videoEach] = f["packets/s"] * f["video share %"] / 100 / float64(in)
	f[shortOfVideo] = 100 * max(c.before[receiversShort], c.after[receiversShort]) / float64(in)
}

// governed adds what the worker goes by when it leaves out video.
func (f figures) governed(c change, wall float64) {
	f[workerBusy], f[stressed] = c.of(busySeconds)/wall, c.after[stressNow]
	f[coreWait] = 100 * c.of(coreWaitSeconds) / wall
	for column, name := range map[string]string{videoLimit: videoLimitNow, voiceLimit: voiceLimitNow} {
		if limit := c.after[name]; limit >= 0 {
			f[column] = limit
		}
	}
}

// parts are what the time in the server consists of, by their names in its state.
var parts = []string{"socket", "turn", "work", "send"}

// readDelay adds how long packets were in the server, by its own histogram of
// the last ten seconds, and of what that consisted.
func (f figures) readDelay(ctx context.Context, admin string) error {
	body, err := get(ctx, admin+"/debug/state/bridge")
	if err != nil {
		return err
	}
	defer body.Close()
	return f.parseDelay(body)
}

func (f figures) parseDelay(r io.Reader) error {
	type quantiles struct {
		P50, P99 string
		P999     string `json:"p99_9"`
	}
	var state struct {
		Delay struct {
			Recent quantiles            `json:"last_10_seconds"`
			Parts  map[string]quantiles `json:"parts_last_10_seconds"`
		}
	}
	if err := json.NewDecoder(r).Decode(&state); err != nil {
		return fmt.Errorf("state of the bridge: %w", err)
	}
	texts := map[string]string{"added p50 ms": state.Delay.Recent.P50, "added p99 ms": state.Delay.Recent.P99, "added p99.9 ms": state.Delay.Recent.P999}
	for _, part := range parts {
		q := state.Delay.Parts[part]
		texts[part+" p50 ms"], texts[part+" p99 ms"] = q.P50, q.P99
	}
	for name, text := range texts {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("state of the bridge: %s: %w", name, err)
		}
		f[name] = ms(d)
	}
	return nil
}

// awaitEverybody waits until the bridge has all participants, and if some do
// not come, in time or at all, goes on with the others. It returns how many
// are in.
func (c *meeting) awaitEverybody(ctx context.Context, admin string) (int, error) {
	for deadline := time.Now().Add(c.ramp + time.Minute); ; {
		m, err := scrape(ctx, admin)
		if err != nil {
			return 0, err
		}
		in, err := c.here(m)
		if in == c.people || time.Now().After(deadline) {
			return in, err
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// tolerated is which share of the participants may be missing.
const tolerated = 0.05

// here counts who is in, and fails if too many are not: what is measured
// would be of something else.
func (c *meeting) here(m map[string]float64) (int, error) {
	in := min(int(m["plenum_bridge_endpoints"]), c.people)
	if float64(c.people-in) > tolerated*float64(c.people) {
		return in, fmt.Errorf("only %d of %d participants are in", in, c.people)
	}
	return in, nil
}

// get reads something over HTTP.
func get(ctx context.Context, url string) (io.ReadCloser, error) {
	return ask(ctx, http.MethodGet, url)
}

// ask makes a request without a body and returns that of the answer.
func ask(ctx context.Context, method, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
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
