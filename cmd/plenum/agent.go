package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/plenum-conf/plenum/internal/loadtest/fleet"
)

type agentCmd struct {
	Listen         string `default:":7070" placeholder:"ADDR:PORT" help:"Where to wait for tests. Default: :7070."`
	SecretFile     string `required:"" type:"path" placeholder:"FILE" help:"File with the secret that the test has as well (openssl rand -hex 16 makes one)."`
	IRunThisServer bool   `name:"i-run-this-server" help:"Send what needs leave (as in plenum loadtest) to addresses that are neither this machine's nor in a private network; the test has to say so too."`
}

// Run takes tests until a signal asks to stop.
func (a *agentCmd) Run(out io.Writer) error {
	secret, err := readSecret(a.SecretFile)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", a.Listen)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	agent := &fleet.Agent{Secret: secret, Leave: a.IRunThisServer, Log: func(line string) { _, _ = fmt.Fprintln(out, line) }}
	agent.Log(fmt.Sprintf("waiting for tests at %v", ln.Addr()))
	return agent.Serve(ctx, ln)
}

// readSecret reads the file with the shared secret.
func readSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, 2*fleet.MaxSecret))
	if err != nil {
		return nil, err
	}
	return fleet.Secret(b)
}
