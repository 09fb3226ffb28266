package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/fleet"
	"github.com/plenum-conf/plenum/internal/loadtest/probe"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/report"
	"github.com/plenum-conf/plenum/internal/loadtest/scenario"
	"github.com/plenum-conf/plenum/internal/loadtest/site"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

type loadtestCmd struct {
	URL string `arg:"" optional:"" help:"The deployment: https://meet.example or http://localhost:8080. With --signalling-only also the WebSocket of a bare XMPP server: ws://localhost:5280/xmpp-websocket."`

	Scenario string `group:"Who comes" placeholder:"NAME|FILE" help:"A scenario that is shipped (--list) or a file of your own; flags go over it."`
	List     bool   `group:"Who comes" help:"List the scenarios that are shipped."`
	Show     string `group:"Who comes" placeholder:"NAME" help:"Print the file of a scenario that is shipped, to begin one of your own."`

	Rooms          *int           `group:"Who comes" placeholder:"N" help:"How many rooms. Default: 1."`
	Participants   *int           `group:"Who comes" placeholder:"N" help:"How many participants in each room. Default: 3."`
	Audio          *int           `group:"Who comes" placeholder:"N" help:"How many of a room have a microphone. Default: all."`
	Video          *int           `group:"Who comes" placeholder:"N" help:"How many of a room have a camera. Default: all."`
	Screens        *int           `group:"Who comes" placeholder:"N" help:"How many of a room share their screen. Default: none."`
	Muted          bool           `group:"Who comes" help:"All microphones and cameras are muted: they are announced, and nothing of them is sent. A screen is not muted."`
	Silence        bool           `group:"Who comes" help:"With --muted: microphones go on sending digital silence, as browsers do with lib-jitsi-meet."`
	Duration       *time.Duration `group:"Who comes" placeholder:"TIME" help:"How long the test lasts, ramp included. Default: 30s."`
	Ramp           string         `group:"Who comes" placeholder:"RATE" help:"How fast participants come: 20/s, or 30s for all of them together. Default: all at once."`
	Layout         *string        `group:"Who comes" enum:"tile,stage,mixed" placeholder:"LAYOUT" help:"What participants look at: tile (the default), stage or mixed."`
	Codec          *string        `group:"Who comes" enum:"vp8,vp9,h264,av1" placeholder:"CODEC" help:"Codec of the cameras: vp8 (simulcast, the default), vp9, h264 or av1 (one stream without layers)."`
	FullBitrate    bool           `group:"Who comes" help:"Fill the layers of simulcast up to a real camera's bitrates: without it they have about half."`
	Churn          string         `group:"Who comes" placeholder:"SHARE" help:"Which share leaves and comes back, such as 10%/min."`
	Network        string         `group:"Who comes" placeholder:"SPEC" help:"What the network of each participant does to media, each way: loss=2%,delay=50ms,jitter=10ms,rate=600k."`
	SignallingOnly bool           `group:"Who comes" help:"Join rooms, and decline media."`
	BreakEvery     time.Duration  `group:"Who comes" placeholder:"TIME" help:"Let each signalling connection break about this often, 2s or longer, to be resumed."`
	RoomPrefix     string         `group:"Who comes" default:"loadtest" help:"Rooms are named PREFIX-1, PREFIX-2, ..."`

	From       []string `group:"From where" placeholder:"HOST[:PORT]" help:"Machines that share the participants, on each of which plenum loadtest-agent waits. Default: this one alone."`
	SecretFile string   `group:"From where" type:"path" placeholder:"FILE" help:"File with the secret that these machines have as well."`

	JSON   string   `group:"What comes of it" name:"json" placeholder:"FILE" help:"Write everything that was measured to this file."`
	HTML   string   `group:"What comes of it" name:"html" placeholder:"FILE" help:"Write a page with plots to this file."`
	Assert []string `group:"What comes of it" sep:"none" placeholder:"CONDITIONS" help:"Fail unless these are met: join.p99<2s,loss<0.1%. A wrong name lists all. Default: failed=0,unfinished=0,silent<=1%, --max-loss, and with --from machines.lost=0."`
	Plain  bool     `group:"What comes of it" help:"Plain lines instead of a live view, as when the output is no terminal."`

	ServerMetrics string `group:"What comes of it" placeholder:"URL" help:"Where a plenum server under test has its metrics, to know its CPU: http://127.0.0.1:8081/metrics."`
	ServerPID     int    `group:"What comes of it" name:"server-pid" placeholder:"PID" help:"Process of a server under test on this machine, to know its CPU."`

	IRunThisServer bool `group:"Leave" name:"i-run-this-server" help:"Send media, more than 10 participants, or any who leave and come back or whose connections break, to an address that is neither this machine's nor in a private network."`

	Token        string `group:"How to get in" env:"PLENUM_LOADTEST_TOKEN" help:"JWT for all participants."`
	User         string `group:"How to get in" help:"Log in with this account."`
	Password     string `group:"How to get in" env:"PLENUM_LOADTEST_PASSWORD" help:"Password of the account."`
	RoomPassword string `group:"How to get in" help:"Password of the rooms."`
	Insecure     bool   `group:"How to get in" short:"k" help:"Accept any TLS certificate."`

	Domain    string  `group:"Details" placeholder:"DOMAIN" help:"Of a bare XMPP server: the domain to log in at. Default: the host of its URL."`
	MUC       string  `group:"Details" name:"muc" placeholder:"DOMAIN" help:"Of a bare XMPP server: where its rooms are. Default: conference.DOMAIN."`
	Request   string  `group:"Details" default:"auto" enum:"auto,http,iq" placeholder:"auto|http|iq" help:"How to ask for the conference. Default: auto, as config.js says."`
	Channel   string  `group:"Details" default:"auto" enum:"auto,websocket,sctp" placeholder:"auto|websocket|sctp" help:"Kind of the bridge channel. Default: auto, as config.js says."`
	Rewriting string  `group:"Details" default:"auto" enum:"auto,on,off" placeholder:"auto|on|off" help:"Advertise SSRC rewriting. Default: auto, as config.js says."`
	SRTP      string  `group:"Details" name:"srtp" default:"auto" enum:"auto,gcm,sha1" placeholder:"auto|gcm|sha1" help:"Protection of media: gcm offers AES-128-GCM only, sha1 AES-CM with HMAC-SHA1 only. Default: auto, both."`
	OpenOneIn int     `group:"Details" default:"8" help:"Decrypt one picture in this many; 1 for all."`
	MaxLoss   float64 `group:"Details" default:"1" help:"Without --assert: more lost packets than this, in percent, are a failure."`
}

// The defaults of a test without a scenario.
const (
	defaultRooms, defaultParticipants = 1, 3
	defaultDuration                   = 30 * time.Second
)

// Run carries the test out, shows how it goes, and at the end what came of it.
// It fails when a condition is not met.
func (l *loadtestCmd) Run(out io.Writer) error {
	if l.List || l.Show != "" {
		return l.shipped(out)
	}
	if l.URL == "" {
		return errors.New("which deployment? Give its URL, such as http://localhost:8080; plenum loadtest --help says what else there is")
	}
	plan, err := l.plan()
	if err != nil {
		return err
	}
	conditions, err := verdict.Parse(strings.Join(l.Assert, ","))
	if len(l.Assert) > 0 && err != nil {
		return fmt.Errorf("--assert: %w", err)
	}
	server, err := l.server()
	if err != nil {
		return err
	}
	run, err := l.runner()
	if err != nil {
		return err
	}
	files, err := l.openReports()
	if err != nil {
		return err
	}
	rep, interrupted, err := l.carryOut(out, run, plan, server)
	if err != nil {
		files.discard()
		return err
	}
	return l.tell(out, files, rep, conditions, interrupted)
}

// shipped shows the scenarios that are shipped.
func (l *loadtestCmd) shipped(out io.Writer) error {
	if l.Show != "" {
		text := scenario.Text(l.Show)
		if text == "" {
			return unknownScenario(l.Show)
		}
		_, err := io.WriteString(out, text)
		return err
	}
	for _, name := range scenario.Names() {
		s, _ := scenario.Named(name)
		if _, err := fmt.Fprintf(out, "%-12s  %s\n", name, s.About); err != nil {
			return err
		}
	}
	return nil
}

func unknownScenario(name string) error {
	return fmt.Errorf("there is neither a file nor a scenario %q; shipped are %s", name, strings.Join(scenario.Names(), ", "))
}

// declined is a flag about media, given although all decline them; "" if there
// is none.
func (l *loadtestCmd) declined() string {
	switch {
	case !l.SignallingOnly:
		return ""
	case l.Muted:
		return "--muted"
	case l.Silence:
		return "--silence"
	case l.Screens != nil && *l.Screens != 0:
		return "--screens"
	case l.Codec != nil:
		return "--codec"
	case l.FullBitrate:
		return "--full-bitrate"
	}
	return ""
}

// scenario is what flags and file describe.
func (l *loadtestCmd) scenario() (*scenario.Scenario, error) {
	if flag := l.declined(); flag != "" {
		return nil, fmt.Errorf("%s is about media, and with --signalling-only everybody declines them: leave out one of the two", flag)
	}
	over := scenario.Over{
		Duration: l.Duration, Rooms: l.Rooms, Participants: l.Participants,
		Ramp: l.Ramp, Layout: given(l.Layout, ""), Codec: given(l.Codec, ""), Churn: l.Churn, Network: l.Network,
		BreakEvery: l.BreakEvery, Signalling: l.SignallingOnly, FullBitrate: l.FullBitrate, Muted: l.Muted, Silence: l.Silence,
	}
	s, err := l.base()
	if err != nil {
		return nil, err
	}
	return s, s.Apply(over)
}

// base is the scenario that flags go over.
func (l *loadtestCmd) base() (*scenario.Scenario, error) {
	equal := l.Audio != nil || l.Video != nil || l.Screens != nil
	switch {
	case l.Scenario != "" && equal:
		return nil, errors.New("--audio, --video and --screens describe equal rooms; with --scenario the file says who has what")
	case l.Scenario != "":
		return readScenario(l.Scenario)
	}
	s, err := scenario.Equal(scenario.Shape{
		Rooms: given(l.Rooms, defaultRooms), Participants: given(l.Participants, defaultParticipants),
		Audio: given(l.Audio, -1), Video: given(l.Video, -1), Screens: given(l.Screens, 0),
	})
	if err == nil {
		s.Duration = defaultDuration
	}
	return s, err
}

// given is the value of a flag, or what holds without it.
func given[T any](flag *T, otherwise T) T {
	if flag == nil {
		return otherwise
	}
	return *flag
}

func readScenario(name string) (*scenario.Scenario, error) {
	if s, ok := scenario.Named(name); ok {
		return s, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, unknownScenario(name)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, scenario.MaxFile+1))
	if err != nil {
		return nil, err
	}
	s, err := scenario.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// plan makes the plan that flags and file describe.
func (l *loadtestCmd) plan() (loadtest.Plan, error) {
	u, err := url.Parse(l.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && !site.IsBare(u) {
		return loadtest.Plan{}, fmt.Errorf("%q is not the URL of a deployment: it begins with https:// or http://, such as https://meet.example", l.URL)
	}
	s, err := l.scenario()
	if err != nil {
		return loadtest.Plan{}, err
	}
	p, err := s.Plan(l.URL, l.RoomPrefix)
	if err != nil {
		return p, fmt.Errorf("the scenario: %w", err)
	}
	auto := func(s string) string { return strings.TrimPrefix(s, "auto") }
	p.Request, p.Channel, p.Rewriting = auto(l.Request), auto(l.Channel), auto(l.Rewriting)
	p.Token, p.User, p.Password, p.RoomPassword = l.Token, l.User, l.Password, l.RoomPassword
	p.Profiles = loadtest.ProfilesOf(auto(l.SRTP))
	p.Insecure, p.OpenOneIn = l.Insecure, l.OpenOneIn
	p.PrivateOnly = !l.IRunThisServer && !p.Modest()
	p.Domain, p.MUC = l.Domain, l.MUC
	return p, nil
}

// server is what can be known of the server's own use, nil for nothing.
func (l *loadtestCmd) server() (*probe.Source, error) {
	switch {
	case l.ServerMetrics != "":
		return probe.Metrics(l.ServerMetrics)
	case l.ServerPID != 0:
		return probe.Process(l.ServerPID)
	}
	return nil, nil
}

// runner is what carries a plan out.
type runner func(context.Context, loadtest.Plan, loadtest.Options) (*record.Report, error)

// runner is this machine, or others.
func (l *loadtestCmd) runner() (runner, error) {
	switch {
	case len(l.From) == 0 && l.SecretFile != "":
		return nil, errors.New("--secret-file is for --from: which machines?")
	case len(l.From) == 0:
		return loadtest.Run, nil
	case l.SecretFile == "":
		return nil, errors.New("--from needs --secret-file, with the secret that these machines have as well")
	}
	secret, err := readSecret(l.SecretFile)
	return func(ctx context.Context, plan loadtest.Plan, opt loadtest.Options) (*record.Report, error) {
		return fleet.Run(ctx, l.From, secret, plan, opt)
	}, err
}

// carryOut runs the plan and shows it.
func (l *loadtestCmd) carryOut(out io.Writer, run runner, plan loadtest.Plan, server *probe.Source) (*record.Report, bool, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	running, end := context.WithCancel(ctx)
	defer end()
	n := plan.Participants()
	width := l.width(out)
	view := report.NewView(out, report.Header{Target: plan.URL, Participants: n, Duration: plan.Duration}, width)
	opt := loadtest.Options{OnSecond: func(sec record.Second) {
		view.Second(sec)
		if sec.Began >= n && sec.Failed == sec.Began {
			end() // there is nobody left to wait for
		}
	}}
	seen := probe.Watch(ctx, server)
	rep, err := run(running, plan, opt)
	var refused *loadtest.NotPrivateError
	if errors.As(err, &refused) {
		err = fmt.Errorf("%w. If it is yours to test, say --i-run-this-server; without it at most %d participants without media go there, for %v at most, who neither leave nor break their connections",
			refused, loadtest.ModestParticipants, loadtest.ModestDuration)
	}
	watched := seen()
	if err != nil {
		return nil, false, err
	}
	rep.Server = watched
	return rep, ctx.Err() != nil, nil
}

// width is how the view learns the width of the terminal; nil for plain lines.
func (l *loadtestCmd) width(out io.Writer) func() int {
	f, ok := out.(*os.File)
	if !ok || l.Plain || os.Getenv("TERM") == "dumb" {
		return nil
	}
	if _, ok := terminalWidth(f); !ok {
		return nil
	}
	return func() int {
		w, _ := terminalWidth(f)
		return w
	}
}

// tell writes the reports and decides. What a file refuses to take is said
// at the end: the verdict is told in any case.
func (l *loadtestCmd) tell(out io.Writer, files reportFiles, rep *record.Report, conditions []verdict.Assertion, interrupted bool) error {
	sum := verdict.Judge(rep)
	if len(l.Assert) == 0 {
		conditions = l.usual(sum, interrupted)
	}
	checks, unmet := held(conditions, sum)
	unwritten := files.write(rep, sum, checks)
	if sum.Participants > 0 && sum.Failed == sum.Participants && len(sum.Errors) > 0 {
		return errors.Join(fmt.Errorf("nobody got in: %s", report.Cause(sum.Errors[0])), unwritten)
	}
	_, err := io.WriteString(out, "\n"+report.Text(sum, checks))
	return errors.Join(err, unmet, unwritten)
}

// held holds the conditions against a summary. The error names all that are
// not met.
func held(conditions []verdict.Assertion, sum *verdict.Summary) (checks []report.Check, _ error) {
	var unmet []string
	for _, a := range conditions {
		ok, found := a.Check(sum)
		checks = append(checks, report.Check{Text: a.Text, OK: ok, Found: found})
		if !ok {
			unmet = append(unmet, fmt.Sprintf("%s is not met: %s", a.Text, found))
		}
	}
	if len(unmet) > 0 {
		return checks, errors.New(strings.Join(unmet, "; "))
	}
	return checks, nil
}

// usual are the conditions of a test without --assert. One that was ended by
// hand may have left people on their way.
func (l *loadtestCmd) usual(sum *verdict.Summary, interrupted bool) []verdict.Assertion {
	text := "failed=0"
	if !interrupted {
		text += ",unfinished=0"
	}
	if len(sum.Machines) > 0 {
		text += ",machines.lost=0"
	}
	if sum.Listened > 0 || sum.Audio.Expected+sum.Video.Expected > 0 {
		text += fmt.Sprintf(",loss<=%g%%", max(l.MaxLoss, 0))
	}
	if sum.Listened > 0 {
		text += ",silent<=1%"
	}
	conditions, _ := verdict.Parse(text)
	return conditions
}
