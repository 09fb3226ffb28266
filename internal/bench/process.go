package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a server under test, pinned to a core.
type process struct {
	cmd  *exec.Cmd
	core string // or several, as taskset has them
	dir  string // its scratch directory
	done chan struct{}
	log  string
}

// startPatience is how long a server may take until it answers.
const startPatience = 20 * time.Second

// startProcess runs a command on one core and waits until url answers
// anything.
func startProcess(ctx context.Context, core, dir, url string, env []string, args ...string) (*process, error) {
	p := &process{core: core, dir: dir, done: make(chan struct{}), log: filepath.Join(dir, "log")}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.CommandContext(ctx, "taskset", append([]string{"-c", core}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	if err := p.await(ctx, url); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w\n%s", args[0], err, p.tail())
	}
	return p, nil
}

func (p *process) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer at %s", url)
		}
	}
}

// tail is the end of what the process has said.
func (p *process) tail() string {
	b, _ := os.ReadFile(p.log)
	return string(b[max(0, len(b)-2000):])
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process and waits for its end.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// freePort finds a port of loopback nobody listens on.
func freePort(network string) (int, error) {
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
