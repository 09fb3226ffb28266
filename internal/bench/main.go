package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/plenum-conf/plenum/internal/bench/storm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := table
	if len(os.Args) > 1 {
		switch name := os.Args[1]; name {
		case "storm":
			do = stormCommand
		case "churn":
			do = churnCommand
		case "beside":
			do = besideCommand
		case "machine":
			do = machineCommand
		case "render":
			do = renderCommand
		default:
			if !strings.HasPrefix(name, "-") {
				fmt.Fprintf(os.Stderr, "bench: there is no %q; it is churn, beside, storm, machine or render, or nothing to measure rows (bench -h)\n", name)
				os.Exit(2)
			}
		}
	}
	if err := do(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// stormCommand runs one storm and prints its result as JSON.
func stormCommand(ctx context.Context, args []string) error {
	var t storm.Target
	f := flag.NewFlagSet("bench storm", flag.ExitOnError)
	f.StringVar(&t.URL, "url", "ws://127.0.0.1:8080/xmpp-websocket", "WebSocket `address` of the server, on loopback")
	f.StringVar(&t.Domain, "domain", "localhost", "XMPP `domain`")
	f.IntVar(&t.PID, "pid", 0, "process `id` of the server, to read its CPU time")
	f.IntVar(&t.Rooms, "rooms", 81, "`number` of rooms")
	f.IntVar(&t.People, "people", 40, "`number` of people in each room")
	f.IntVar(&t.Ramp, "ramp", 0, "joins a second, a `number`; 0: all at once")
	f.BoolVar(&t.Unmanaged, "unmanaged", false, "clients do without stream management")
	f.DurationVar(&t.Idle, "idle", 5*time.Second, "`duration` for which everybody is silent at the end")
	_ = f.Parse(args[1:]) // ends the process on mistakes
	res, err := storm.Run(ctx, t)
	if err != nil {
		res.Error = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

// settings are what the person at the terminal chose.
type settings struct {
	plenum string // binary
	runs   int
	more   bool     // add to the runs there are of the same commit
	server string   // core of the server, as taskset names it
	load   string   // core of the load
	within []string // what is put before the server's command to start it in a container
	out    string   // directory of performance.md and performance.json
}

// addTo makes flags of what all measurements share. often says what -runs is.
func (s *settings) addTo(f *flag.FlagSet, runs int, often string) {
	f.StringVar(&s.plenum, "plenum", "", "plenum `binary` to measure; default: built from this checkout")
	f.IntVar(&s.runs, "runs", runs, often)
	f.BoolVar(&s.more, "more", false, "add to the runs that were measured at the same commit on the same machine, instead of replacing them")
	f.StringVar(&s.server, "server-core", "0", "`core` the server is pinned to")
	f.StringVar(&s.load, "load-core", "1", "`core` the load is pinned to")
	f.StringVar(&s.out, "out", "docs", "`directory` of performance.md and performance.json, which are written over: name another to try something")
}

func table(ctx context.Context, args []string) error {
	var s settings
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), "bench measures plenum and its peers, all rows or some. What was measured before of a row is shown beside it\n"+
			"and kept, of each commit the last time; -more adds runs instead.\n\n"+
			"  bench churn -h    an hour of joining and leaving: does memory grow?\n"+
			"  bench beside -h   a server of another make, beside plenum's figures\n"+
			"  bench storm -h    XMPP clients alone, against any server on this machine: the load of the table of signalling\n"+
			"  bench machine -h  what this machine does to all that is measured on it: how long its memory takes, at best and at worst\n"+
			"  bench render      writes performance.md anew from performance.json\n\nFlags:\n")
		f.PrintDefaults()
	}
	s.addTo(f, asUsual, "how often each row is measured; unless this is given those by which nothing is judged less often, as -list says")
	only := f.String("only", ".", "rows to measure, a regular `expression` on their names")
	list := f.Bool("list", false, "list the rows and end")
	_ = f.Parse(args) // ends the process on mistakes
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	all := slices.DeleteFunc(rows(), func(r row) bool { return !chosen.MatchString(r.name) })
	if f.NArg() > 0 || len(all) == 0 {
		return fmt.Errorf("there is no row to measure: -only %q %s (bench -list shows them)", *only, strings.Join(f.Args(), " "))
	}
	f.Visit(func(given *flag.Flag) {
		if given.Name == "runs" {
			all = uncapped(all)
		}
	})
	if *list {
		printRows(all, s.runs)
		return nil
	}
	return s.measure(ctx, all)
}

// uncapped are rows that are run as often as is asked for.
func uncapped(all []row) []row {
	for i := range all {
		all[i].most = 0
	}
	return all
}

// printRows lists rows below the titles of their tables, with how often and how
// long they are run.
func printRows(all []row, runs int) {
	last := ""
	for _, r := range all {
		if r.section != last {
			fmt.Println(r.section)
		}
		last = r.section
		fmt.Printf("  %-54s %d x %.0f s\n", r.name, r.times(runs), r.takes.Seconds())
	}
	fmt.Printf("%s, %s\n", count(len(all), "row"), inMinutes(lasts(all, runs)))
}

// renderCommand writes the table for people from what was measured.
func renderCommand(_ context.Context, args []string) error {
	f := flag.NewFlagSet("bench render", flag.ExitOnError)
	out := f.String("out", "docs", "`directory` of performance.json and performance.md")
	_ = f.Parse(args[1:]) // ends the process on mistakes
	b, err := openBook(*out)
	if err != nil {
		return err
	}
	return b.write()
}
