package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed peers/prosody.cfg.lua
var prosodyConfig string

// server is one contestant of the signalling rows.
type server struct {
	name  string
	needs string        // program, "" for plenum
	most  int           // runs, although something is judged by them: of the slowest; 0 for as many as wanted
	takes time.Duration // a run beside the silence at its end, about
	// version is nil for plenum.
	version func() string
	// start returns its WebSocket address as well.
	start func(ctx context.Context, s *settings, dir string) (*process, string, error)
}

// signalServers are plenum and its peers, who take minutes for a run.
func signalServers() []server {
	return []server{
		{name: ours, takes: 3 * time.Second, start: startSignal},
		{"Prosody, gc generational", "prosody", 0, 35 * time.Second, prosodyVersion, prosodyWith(`mode = "generational"`)},
		{"Prosody, gc incremental 105/250", "prosody", seldom, 85 * time.Second, prosodyVersion, prosodyWith(`mode = "incremental", threshold = 105, speed = 250`)},
	}
}

// prosodyVersion is that of Debian's package. The program itself does not tell
// without being started.
func prosodyVersion() string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "prosody").Output()
	if err != nil {
		return "unknown"
	}
	return string(out)
}

// ours is the name of plenum among servers.
const ours = "plenum"

// oneCore makes a Go server run as it would on a machine with one core.
var oneCore = []string{"GOMAXPROCS=1"}

func startSignal(ctx context.Context, s *settings, dir string) (*process, string, error) {
	port, err := freePort("tcp")
	if err != nil {
		return nil, "", err
	}
	at := "127.0.0.1:" + strconv.Itoa(port)
	p, err := startProcess(ctx, s.server, dir, "http://"+at+"/about/health", oneCore,
		s.plenum, "serve", "--roles", "signal", "--http", at, "--admin", "")
	return p, "ws://" + at + "/xmpp-websocket", err
}

// startAll starts plenum with all its roles and more in its environment, which
// goes over [oneCore], and returns its public and its admin URL.
func startAll(ctx context.Context, s *settings, dir string, env ...string) (p *process, public, admin string, err error) {
	var port [3]string
	for i, network := range []string{"tcp", "tcp", "udp"} {
		n, err := freePort(network)
		if err != nil {
			return nil, "", "", err
		}
		port[i] = "127.0.0.1:" + strconv.Itoa(n)
	}
	public, admin = "http://"+port[0], "http://"+port[1]
	p, err = startProcess(ctx, s.server, dir, public+"/about/health", slices.Concat(oneCore, env),
		append(slices.Clone(s.within), s.plenum, "serve", "--http", port[0], "--admin", port[1], "--media", port[2])...)
	if err != nil {
		return nil, "", "", err
	}
	if err := tells(ctx, admin); err != nil {
		p.stop()
		return nil, "", "", err
	}
	return p, public, admin, nil
}

// told are the metrics that figures are made of.
var told = []string{
	"plenum_bridge_video_packets_forwarded_total", "plenum_bridge_audio_packets_forwarded_total",
	"plenum_bridge_packets_sent_total", "plenum_bridge_socket_send_messages_total", "plenum_bridge_socket_send_datagrams_total", "plenum_bridge_packets_lent_total",
	"plenum_bridge_turns_total", "plenum_bridge_socket_flushes_total", "plenum_bridge_endpoints", "plenum_bridge_endpoints_created_total",
	receiversShort, busySeconds, coreWaitSeconds, videoLimitNow, voiceLimitNow, stressNow, "plenum_focus_conferences", "plenum_signal_rooms",
	"go_goroutines", "go_memstats_heap_alloc_bytes", "go_memstats_heap_objects", "go_memstats_stack_inuse_bytes", ofRuntime, givenBack, softLimit,
}

// tells checks that the server has all metrics: one that was given another name
// would be nothing, which is good news in most columns.
func tells(ctx context.Context, admin string) error {
	m, err := scrape(ctx, admin)
	for _, name := range told {
		if _, ok := m[name]; !ok && err == nil {
			err = fmt.Errorf("the server has no metric %s", name)
		}
	}
	return err
}

func prosodyWith(gc string) func(context.Context, *settings, string) (*process, string, error) {
	return func(ctx context.Context, s *settings, dir string) (*process, string, error) {
		port, err := freePort("tcp")
		if err != nil {
			return nil, "", err
		}
		file := filepath.Join(dir, "prosody.cfg.lua")
		var text strings.Builder
		err = template.Must(template.New("prosody").Parse(prosodyConfig)).Execute(&text, map[string]any{"Dir": dir, "Port": port, "GC": gc})
		if err != nil {
			return nil, "", err
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
			return nil, "", err
		}
		at := fmt.Sprintf("127.0.0.1:%d/xmpp-websocket", port)
		p, err := startProcess(ctx, s.server, dir, "http://"+at, nil, "prosody", "-F", "--config", file)
		return p, "ws://" + at, err
	}
}

// build makes the plenum binary of this checkout.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "plenum")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "./cmd/plenum").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}
