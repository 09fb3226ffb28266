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
)

//go:embed peers/prosody.cfg.lua
var prosodyConfig string

// server is one contestant of the signalling rows.
type server struct {
	name  string
	needs string // program, "" for plenum
	most  int    // runs, 0 for as many as wanted
	// start returns its WebSocket address as well.
	start func(ctx context.Context, s *settings, dir string) (*process, string, error)
}

// signalServers are plenum and its peers, who take minutes for a run.
func signalServers() []server {
	return []server{
		{name: ours, start: startSignal},
		{"Prosody, gc generational", "prosody", 3, prosodyWith(`mode = "generational"`)},
		{"Prosody, gc incremental 105/250", "prosody", 2, prosodyWith(`mode = "incremental", threshold = 105, speed = 250`)},
	}
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
		s.plenum, "serve", "--http", port[0], "--admin", port[1], "--media", port[2])
	return p, public, admin, err
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
