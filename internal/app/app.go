package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plenum-conf/plenum/internal/admin"
	"github.com/plenum-conf/plenum/internal/app/memory"
	"github.com/plenum-conf/plenum/internal/bridge"
	"github.com/plenum-conf/plenum/internal/cluster"
	"github.com/plenum-conf/plenum/internal/config"
	"github.com/plenum-conf/plenum/internal/focus"
	"github.com/plenum-conf/plenum/internal/metrics"
	"github.com/plenum-conf/plenum/internal/signal"
	"github.com/plenum-conf/plenum/internal/signal/service/endconference"
	"github.com/plenum-conf/plenum/internal/signal/service/metadata"
	"github.com/plenum-conf/plenum/internal/signal/service/speakerstats"
	"github.com/plenum-conf/plenum/internal/web"
)

// StopPatience is how long stopping may take before what is left is cut off.
const StopPatience = 4 * time.Second

// App is one running process with all its roles.
type App struct {
	cfg     *config.Config
	log     *slog.Logger
	metrics *metrics.Registry
	memory  memory.Plan

	httpLn  net.Listener
	adminLn net.Listener
	http    *http.Server
	admin   *http.Server

	pair   *tls.Certificate // of the public listener, nil without TLS
	public string           // the URL people open, without a slash at the end
	signal *signal.Server
	focus  *focus.Focus
	bridge *bridge.Bridge

	serving sync.WaitGroup
	failed  chan error // a listener that died

	stopping atomic.Bool
}

// New binds all listeners and builds the roles; nothing is answered before
// [App.Start]. Errors say which address or setting is at fault.
func New(c *config.Config, log *slog.Logger) (*App, error) {
	a := &App{cfg: c, log: log, metrics: metrics.New(Version()), memory: planMemory(), failed: make(chan error, 2)}
	for _, step := range []func() error{a.listen, a.buildSignal, a.buildBridge, a.buildFocus, a.buildWeb, a.buildAdmin} {
		if err := step(); err != nil {
			a.closeListeners()
			return nil, err
		}
	}
	return a, nil
}

// listen binds the TCP listeners first: the public URL depends on the port.
func (a *App) listen() (err error) {
	if a.httpLn, err = net.Listen("tcp", a.cfg.HTTP.Listen); err != nil {
		return fmt.Errorf("cannot open the public listener (http.listen): %w%s", err, hint(err, "--http ADDR:PORT"))
	}
	if a.pair, err = a.cfg.HTTP.Pair(); err != nil {
		return err
	}
	if a.pair != nil {
		a.httpLn = tls.NewListener(a.httpLn, &tls.Config{Certificates: []tls.Certificate{*a.pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	a.public = publicURL(a.cfg, a.httpLn.Addr().String())
	if a.cfg.Admin.Listen == "" {
		return nil
	}
	if a.adminLn, err = net.Listen("tcp", a.cfg.Admin.Listen); err != nil {
		return fmt.Errorf("cannot open the admin listener (admin.listen): %w%s", err, hint(err, "--admin ADDR:PORT"))
	}
	return nil
}

// hint says what to do about an address that cannot be listened on.
func hint(err error, flag string) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "\nAnother program uses this port, perhaps another plenum. End it, or choose another port with " + flag + "."
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "\nThis machine does not have this address. Choose another with " + flag + "; without an address, as in :8080, all of them are used."
	case errors.Is(err, syscall.EACCES):
		return "\nPorts below 1024 need a permission (CAP_NET_BIND_SERVICE). Give it, or choose another port with " + flag + "."
	}
	return ""
}

// publicURL is what people type: the configured URL, or one made of domain,
// port and whether there is a certificate.
func publicURL(c *config.Config, listen string) string {
	if c.PublicURL != "" {
		return strings.TrimRight(c.PublicURL, "/")
	}
	scheme, port := "http", "80"
	if c.HTTP.Certificate != "" {
		scheme, port = "https", "443"
	}
	_, p, _ := net.SplitHostPort(listen)
	u := url.URL{Scheme: scheme, Host: c.Domain}
	if p != port {
		u.Host = net.JoinHostPort(c.Domain, p)
	}
	return u.String()
}

// plays reports whether this process has a role.
func (a *App) plays(role string) bool { return slices.Contains(a.cfg.Roles, role) }

func (a *App) role(name string) *slog.Logger { return a.log.With("role", name) }

func (a *App) buildSignal() error {
	o := signal.DefaultOptions(a.cfg.Domain)
	o.Hibernation = a.cfg.Signal.Hibernation
	o.MaxFrame = a.cfg.Signal.MaxFrame
	o.MaxSessions, o.MaxSessionsEach = a.cfg.Signal.MaxSessions, a.cfg.Signal.MaxSessionsEach
	o.MaxOccupants = a.cfg.Signal.MaxOccupants
	o.History = a.cfg.Signal.History
	o.AnyoneOpens = !a.plays("focus")
	o.Services = []signal.Service{metadata.Feature(), speakerstats.Feature(), endconference.Feature()}
	o.Log, o.Metrics = a.role("signal"), a.metrics.Registerer()
	a.signal = signal.New(o)
	return nil
}

func (a *App) buildBridge() (err error) {
	if !a.plays("bridge") {
		return nil
	}
	o, err := bridgeOptions(&a.cfg.Media)
	if err != nil {
		return err
	}
	o.PublicURL = a.public
	o.Workers = mediaWorkers(runtime.GOMAXPROCS(0), softLimit(a.memory))
	o.Log, o.Metrics = a.role("bridge"), a.metrics.Registerer()
	if a.bridge, err = bridge.New(o); err != nil {
		return fmt.Errorf("cannot open the media port (media.listen %s): %w%s", a.cfg.Media.Listen, err, hint(err, "--media ADDR:PORT"))
	}
	return nil
}

// bridgeOptions is what the media section of the configuration says.
func bridgeOptions(m *config.Media) (o bridge.Options, err error) {
	o = bridge.DefaultOptions()
	if o.Listen, err = udpAddress(m.Listen); err != nil {
		return o, err
	}
	for _, s := range m.Advertise {
		ap, err := config.ParseAdvertise(s, 0)
		if err != nil {
			return o, fmt.Errorf("media.advertise: %w", err)
		}
		o.Advertise = append(o.Advertise, ap)
	}
	o.Loudest = bridge.Loudest{Above: m.Loudest.Above, Speakers: m.Loudest.Speakers}
	o.LastNLimits = m.LastNLimits
	o.NoOffload = os.Getenv("PLENUM_NO_OFFLOAD") != "" // for ./bench only
	return o, nil
}

// udpAddress reads "address:port" where the address may be missing.
func udpAddress(s string) (netip.AddrPort, error) {
	if strings.HasPrefix(s, ":") {
		s = "[::]" + s
	}
	s = strings.Replace(s, "localhost:", "127.0.0.1:", 1)
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return ap, fmt.Errorf("media.listen: %q must be address:port", s)
	}
	return ap, nil
}

func (a *App) buildFocus() (err error) {
	if !a.plays("focus") {
		return nil
	}
	o := focus.DefaultOptions()
	o.Domain = a.cfg.Domain
	o.MinParticipants = a.cfg.Focus.MinParticipants
	o.SingleParticipantTimeout = a.cfg.Focus.SingleParticipantTimeout
	o.ICERestart = a.cfg.Focus.ICERestart
	o.InitialTimeout = a.cfg.Focus.InitialTimeout
	o.SourceSignalingDelays = a.cfg.Focus.SourceSignalingDelays
	o.SSRCRewriting = a.cfg.Focus.SSRCRewriting
	o.RTPMIDDemux = a.cfg.Focus.RTPMIDDemux
	o.VideoCodecs = a.cfg.Focus.Codecs
	o.SCTP = a.cfg.Focus.DataChannel
	o.OpusDTX = a.cfg.Focus.OpusDTX
	o.AutoOwner = a.cfg.Focus.AutoOwner
	o.Router = a.signal
	o.Bridge = cluster.NewLocalBridge(a.bridge)
	o.Log, o.Metrics = a.role("focus"), a.metrics.Registerer()
	if a.focus, err = focus.New(o); err != nil {
		return err
	}
	a.bridge.SetReporter(a.focus)
	return nil
}

func (a *App) buildWeb() (err error) {
	o := web.DefaultOptions()
	o.Domain = a.cfg.Domain
	o.PublicURL = a.cfg.PublicURL
	o.Client.P2P = a.cfg.Web.P2P
	o.Client.ICERestart = a.cfg.Focus.ICERestart
	o.Client.SSRCRewriting = a.cfg.Focus.SSRCRewriting
	o.Client.RTPMIDDemux = a.cfg.Focus.RTPMIDDemux
	o.Client.Codecs = a.cfg.Focus.Codecs
	o.Health = func(context.Context) error { return a.Health() }
	o.Log = a.role("web")
	o.Handlers.Signal = a.signal.Handler()
	if a.plays("focus") {
		o.Handlers.ConferenceRequest = a.focus.Handler()
	}
	if a.plays("bridge") {
		o.Handlers.ColibriWS = a.bridge.Handler()
	}
	o.NoPages = !a.plays("web")
	if o.TrustedProxies, err = prefixes(a.cfg.HTTP.TrustedProxies); err != nil {
		return err
	}
	h, err := web.New(o)
	if err != nil {
		return err
	}
	a.http = web.NewServer(h, o.Log)
	return nil
}

func prefixes(all []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range all {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("http.trusted-proxies: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}

func (a *App) buildAdmin() error {
	if a.adminLn == nil {
		return nil
	}
	a.admin = web.NewServer(admin.Handler(admin.Options{
		Loopback: isLocal(hostOf(a.cfg.Admin.Listen)),
		Version:  Version(), Gatherer: a.metrics.Gatherer(), Health: a.Health,
		State: a.states(), Live: a.live,
	}), a.role("admin"))
	return nil
}

// states are what the debug tree shows of each role.
func (a *App) states() map[string]func() any {
	m := map[string]func() any{"process": a.processState, "signal": a.signal.State}
	if a.plays("focus") {
		m["focus"] = a.focus.State
	}
	if a.plays("bridge") {
		m["bridge"] = a.bridge.State
	}
	return m
}

// Health returns nil while every role can serve.
func (a *App) Health() error {
	if a.stopping.Load() {
		return errors.New("this server is being stopped")
	}
	return nil
}

// URL is the address to open in a browser, without a slash at the end.
func (a *App) URL() string { return a.public }

// AdminURL is the address of the admin listener, or "" when it is off.
func (a *App) AdminURL() string {
	if a.adminLn == nil {
		return ""
	}
	return "http://" + a.adminLn.Addr().String()
}

// Start begins to serve.
func (a *App) Start() error {
	if err := a.startRoles(); err != nil {
		return err
	}
	a.serve("http", a.http, a.httpLn)
	if a.admin != nil {
		a.serve("admin", a.admin, a.adminLn)
	}
	return nil
}

func (a *App) startRoles() error {
	if a.plays("bridge") {
		if err := a.bridge.Start(); err != nil {
			return fmt.Errorf("the bridge cannot start: %w", err)
		}
	}
	if a.plays("focus") {
		if err := a.focus.Start(); err != nil {
			return fmt.Errorf("the focus cannot start: %w", err)
		}
	}
	return nil
}

func (a *App) serve(name string, s *http.Server, ln net.Listener) {
	a.serving.Add(1)
	go func() {
		defer a.serving.Done()
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("the %s listener failed: %w", name, err)
		}
	}()
}

// Stop ends everything, in the order that lets clients come back: no new
// requests, then the XMPP connections are closed without a stream error, so
// that clients resume or rejoin elsewhere, then focus and media.
func (a *App) Stop(ctx context.Context) error {
	a.stopping.Store(true)
	var errs []error
	stop := func(name string, f func(context.Context) error) {
		// The public listener is closed already, which its server may or may
		// not have noticed.
		if err := f(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("stopping %s: %w", name, err))
		}
	}
	_ = a.httpLn.Close()
	stop("signal", a.signal.Shutdown)
	if a.plays("focus") {
		stop("focus", a.focus.Stop)
	}
	if a.plays("bridge") {
		stop("bridge", a.bridge.Stop)
	}
	stop("http", gently(a.http))
	if a.admin != nil {
		stop("admin", gently(a.admin))
	}
	a.serving.Wait()
	return errors.Join(errs...)
}

// requestPatience is how long stopping waits for requests that are being
// answered, such as a download or a profile that takes a minute.
const requestPatience = 500 * time.Millisecond

// gently shuts a server down, and cuts off what is still being answered then.
func gently(s *http.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, requestPatience)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return s.Close()
	}
}

func (a *App) closeListeners() {
	for _, ln := range []net.Listener{a.httpLn, a.adminLn} {
		if ln != nil {
			_ = ln.Close()
		}
	}
	if a.bridge != nil {
		_ = a.bridge.Stop(context.Background())
	}
}

// Serve runs the system until ctx ends or a listener fails. It writes what a
// person should know to out and logs to errOut.
func Serve(ctx context.Context, c *config.Config, out, errOut io.Writer) error {
	a, err := New(c, newLogger(c.Log, errOut))
	if err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		a.closeListeners()
		return err
	}
	defer tendMemory(a.memory, a.log)()
	_, _ = io.WriteString(out, a.Banner())
	select {
	case <-ctx.Done():
		_, _ = io.WriteString(out, "Stopping; clients are told to come back.\n")
	case err = <-a.failed:
	}
	limit, cancel := context.WithTimeout(context.Background(), StopPatience)
	defer cancel()
	return errors.Join(err, a.Stop(limit))
}
