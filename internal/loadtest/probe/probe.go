package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// Limits of what is read.
const (
	maxAnswer   = 4 << 20
	maxCounters = 64
	period      = time.Second
	patience    = 3 * time.Second
)

// usage is what a process has used so far.
type usage struct {
	cpu      time.Duration
	memory   uint64
	counters map[string]float64
}

// Source says what a server has used.
type Source struct {
	name string
	look func(context.Context) (usage, error)
}

// Metrics is a server that has its metrics at a URL, in Prometheus' text form;
// a path is /metrics if there is none.
func Metrics(raw string) (*Source, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the metrics' address must be a URL, such as http://127.0.0.1:8081/metrics")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	client := &http.Client{Timeout: patience}
	get := func(ctx context.Context) (usage, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return usage{}, err
		}
		res, err := client.Do(req)
		if err != nil {
			return usage{}, errors.New("the server's metrics do not answer")
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return usage{}, fmt.Errorf("the server's metrics answer with %s", res.Status)
		}
		return readMetrics(io.LimitReader(res.Body, maxAnswer))
	}
	return &Source{u.Redacted(), get}, nil
}

// readMetrics takes what is of interest from Prometheus' text form: the
// process's figures, and plenum's counters that have no labels.
func readMetrics(r io.Reader) (usage, error) {
	out := usage{counters: map[string]float64{}}
	known := false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if !ok || err != nil || !(v >= 0 && v < 1e18) {
			continue
		}
		switch {
		case name == "process_cpu_seconds_total" && v < 1e9:
			out.cpu, known = time.Duration(v*float64(time.Second)), true
		case name == "process_resident_memory_bytes":
			out.memory = uint64(v)
		case strings.HasPrefix(name, "plenum_") && !strings.Contains(name, "{") && len(name) < 100 && len(out.counters) < maxCounters:
			out.counters[name] = v
		}
	}
	if err := lines.Err(); err != nil {
		return usage{}, errors.New("the server's metrics cannot be read")
	}
	if !known {
		return usage{}, errors.New("the server's metrics do not say how much processor time it used")
	}
	return out, nil
}

// Process is a server on this machine, by the number of its process. It is
// looked up in /proc.
func Process(pid int) (*Source, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	look := func(context.Context) (usage, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return usage{}, fmt.Errorf("there is no process %d", pid)
		}
		return readStat(string(b))
	}
	if _, err := look(context.Background()); err != nil {
		return nil, err
	}
	return &Source{fmt.Sprintf("process %d", pid), look}, nil
}

// ticks is how many units of processor time the kernel tells to a second; it
// is 100 on all systems that Go runs on.
const ticks = 100

// readStat reads /proc/PID/stat (proc(5)): the name is in parentheses and may
// hold anything, the numbers come after it.
func readStat(text string) (usage, error) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 22 {
		return usage{}, errors.New("the process's state cannot be read")
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	pages, err3 := strconv.ParseInt(f[21], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return usage{}, errors.New("the process's state cannot be read")
	}
	return usage{cpu: time.Duration(user+system) * (time.Second / ticks), memory: uint64(max(pages, 0)) * uint64(os.Getpagesize())}, nil
}

// Watch looks at the server each second, from now on and until the returned
// function is called; that gives what was seen. A nil Source gives nil.
func Watch(ctx context.Context, src *Source) func() *record.Server {
	if src == nil {
		return func() *record.Server { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan *record.Server)
	go func() { seen <- src.watch(ctx) }()
	return func() *record.Server {
		cancel()
		return <-seen
	}
}

func (src *Source) watch(ctx context.Context) *record.Server {
	out := &record.Server{Source: src.name}
	began := time.Now()
	var last usage
	var at time.Time
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		u, err := src.look(ctx)
		now := time.Now()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			out.Error = err.Error()
			at = time.Time{}
		default:
			if !at.IsZero() && u.cpu >= last.cpu {
				out.Samples = append(out.Samples, record.ServerSample{At: now.Sub(began), CPU: float64(u.cpu-last.cpu) / float64(now.Sub(at)), Memory: u.memory, Counters: u.counters})
			}
			last, at = u, now
		}
		select {
		case <-ctx.Done():
			return out
		case <-tick.C:
		}
	}
}
