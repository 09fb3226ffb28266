// Command plenum is a conferencing server for Jitsi clients in one binary.
//
// This package is the table of subcommands and their flags; what they do lives
// in internal/app and internal/config.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/plenum-conf/plenum/internal/app"
	"github.com/plenum-conf/plenum/internal/config"
)

type cli struct {
	Serve    serveCmd    `cmd:"" help:"Run the server: signalling, focus, bridge and web client in this process."`
	Loadtest loadtestCmd `cmd:"" help:"Put synthetic participants into rooms of any Jitsi deployment and say how they fare."`
	Agent    agentCmd    `cmd:"" name:"loadtest-agent" help:"Help with load tests of another machine: wait for plenum loadtest --from."`
	Config   configCmd   `cmd:"" help:"Show, check and explain the configuration."`
	Version  versionCmd  `cmd:"" help:"Say which version this is."`
}

type serveCmd struct {
	ConfigFile string   `name:"config" short:"c" type:"path" placeholder:"FILE" help:"Configuration file (YAML). Without one the defaults run: everything on this machine."`
	Domain     string   `placeholder:"NAME" help:"XMPP domain, the name people type into their browser. Default: localhost."`
	HTTP       string   `name:"http" placeholder:"ADDR:PORT" help:"Public listener for web client and signalling. Default: 127.0.0.1:8080."`
	Media      string   `placeholder:"ADDR:PORT" help:"UDP port for all audio and video. Default: :10000."`
	Advertise  []string `placeholder:"IP[:PORT]" help:"Public addresses to offer to clients as well, when this machine is behind NAT. May be repeated."`
	Admin      string   `placeholder:"ADDR:PORT" help:"Listener for health, metrics and debugging; empty turns it off. Default: 127.0.0.1:8081." default:"\x00"`
	Roles      []string `placeholder:"ROLE" help:"Parts of the system to run: signal,focus,bridge,web (the default), or signal alone."`
}

// unset marks a flag that was not given, where the empty value means something.
const unset = "\x00"

// Run loads the configuration, lays the flags over it and serves until a
// signal asks to stop.
func (s *serveCmd) Run(out io.Writer) error {
	c, err := config.Load(s.ConfigFile)
	if err != nil {
		return err
	}
	s.overlay(&c)
	if err := c.Validate(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	return app.Serve(ctx, &c, out, os.Stderr)
}

func (s *serveCmd) overlay(c *config.Config) {
	set := func(dst *string, v string) {
		if v != "" {
			*dst = v
		}
	}
	set(&c.Domain, s.Domain)
	set(&c.HTTP.Listen, s.HTTP)
	set(&c.Media.Listen, s.Media)
	if s.Admin != unset {
		c.Admin.Listen = s.Admin
	}
	if len(s.Advertise) > 0 {
		c.Media.Advertise = s.Advertise
	}
	if len(s.Roles) > 0 {
		c.Roles = s.Roles
	}
}

type configCmd struct {
	Example  exampleCmd  `cmd:"" help:"Print a complete configuration file with every default and what it means."`
	Check    checkCmd    `cmd:"" help:"Read a configuration file and say what is wrong with it."`
	Describe describeCmd `cmd:"" help:"Explain the keys of the configuration."`
}

type exampleCmd struct{}

// Run prints the example file.
func (exampleCmd) Run(out io.Writer) error {
	_, err := io.WriteString(out, config.Example())
	return err
}

type checkCmd struct {
	File string `arg:"" type:"path" help:"The file to check."`
}

// Run checks one file and the files that it names, and says what serve would
// say about them.
func (c checkCmd) Run(out io.Writer) error {
	cfg, err := config.Load(c.File)
	if err != nil {
		return err
	}
	found, err := app.Examine(&cfg, time.Now())
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", c.File, err)
	case len(found.Mistakes) > 0:
		return fmt.Errorf("%s has mistakes, and what to beware of:\n%s", c.File, found)
	case len(found.Beware) > 0:
		_, err = fmt.Fprintf(out, "%s can be served, and \"plenum serve\" will say:\n%s", c.File, found)
	default:
		_, err = fmt.Fprintf(out, "%s is fine.\n", c.File)
	}
	return err
}

type describeCmd struct {
	Key string `arg:"" optional:"" help:"Show only keys that contain this, for example: focus or listen."`
}

// Run describes the keys that match.
func (d describeCmd) Run(out io.Writer) error {
	text := config.Describe(d.Key)
	if text == "" {
		return fmt.Errorf("no key contains %q; \"plenum config describe\" shows them all", d.Key)
	}
	_, err := io.WriteString(out, text)
	return err
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, "plenum", app.Version())
	return err
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its surroundings passed in; it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	switch { // as people expect who know other programs
	case len(args) == 0 || args[0] == "help":
		args = append(slices.Clone(args[min(1, len(args)):]), "--help")
	case args[0] == "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	var c cli
	status := -1
	k := kong.Must(&c,
		kong.Name("plenum"),
		kong.Description("A conferencing server for Jitsi clients in one binary.\n\nTo begin: plenum serve, then open the URL that it prints."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { status = code }),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(readDuration)),
		kong.BindTo(stdout, (*io.Writer)(nil)))
	ctx, err := k.Parse(args)
	if status >= 0 { // help was asked for and shown
		return status
	}
	if err != nil {
		fmt.Fprintf(stderr, "plenum: %s\nSee: %s --help\n", err, commandOf(err))
		return 1
	}
	if err := ctx.Run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "plenum: %s\n", strings.TrimSpace(err.Error()))
		return 1
	}
	return 0
}

// readDuration reads the value of a flag that is a duration.
func readDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no duration: write a number with its unit, such as 30s, 10m or 1h30m", text)
	}
	target.SetInt(int64(d))
	return nil
}

// commandOf is the command whose help explains a mistake in the arguments.
func commandOf(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		return parse.Context.Selected().FullPath()
	}
	return "plenum"
}
