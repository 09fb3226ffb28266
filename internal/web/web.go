package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// healthTimeout bounds one question to Options.Health.
const healthTimeout = 2 * time.Second

// server is the web role at work. It holds nothing that changes.
type server struct {
	opt    Options
	assets *assets
	pages  *pages
	serve  map[kind]func(http.ResponseWriter, *http.Request, route)
}

// New makes the handler for all HTTP paths of this server. The handler is
// safe for use by several goroutines.
func New(opt Options) (http.Handler, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	assets, err := loadAssets()
	if err != nil {
		return nil, err
	}
	pages, err := loadPages(assets)
	if err != nil {
		return nil, err
	}
	s := &server{opt: opt.withDefaults(), assets: assets, pages: pages}
	s.serve = s.table()
	if s.opt.NoPages {
		for _, k := range []kind{welcome, roomPage, goTrimmed, interfaceConfigJS, favicon, manifest, asset} {
			s.serve[k] = s.serveNotFound
		}
	}
	return s, nil
}

// table is the dispatcher: one line for each kind of path.
func (s *server) table() map[kind]func(http.ResponseWriter, *http.Request, route) {
	return map[kind]func(http.ResponseWriter, *http.Request, route){
		notFound:          s.serveNotFound,
		welcome:           s.servePage,
		roomPage:          s.servePage,
		goTrimmed:         s.serveTrimmed,
		configJS:          s.serveConfig,
		interfaceConfigJS: s.serveInterfaceConfig,
		signalling:        s.door(s.opt.Handlers.Signal, "/xmpp-websocket"),
		bosh:              s.door(s.opt.Handlers.BOSH, "/http-bind"),
		conferenceRequest: s.door(s.opt.Handlers.ConferenceRequest, "/conference-request/v1"),
		bridgeChannel:     s.door(s.opt.Handlers.ColibriWS, ""),
		health:            s.serveHealth,
		unlock:            s.serveUnlock,
		robots:            s.serveRobots,
		favicon:           s.serveFavicon,
		manifest:          s.serveManifest,
		asset:             s.serveAsset,
	}
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.setCommonHeaders(w, r)
	rt := parsePath(r.URL.Path)
	if !methodAllowed(rt.kind, r.Method) {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	s.serve[rt.kind](w, r, rt)
}

// methodAllowed lets the doors to other roles decide for themselves; all
// else is read-only.
func methodAllowed(k kind, method string) bool {
	switch k {
	case signalling, bosh, conferenceRequest, bridgeChannel:
		return true
	}
	return method == http.MethodGet || method == http.MethodHead
}

// door hands requests to another role under path, or under the requested
// path when that is empty.
func (s *server) door(h http.Handler, path string) func(http.ResponseWriter, *http.Request, route) {
	if h == nil {
		return s.serveNotFound
	}
	return func(w http.ResponseWriter, r *http.Request, rt route) {
		s.setDoorHeaders(w)
		if r.Method == http.MethodOptions && path != "/conference-request/v1" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		r = behindDoor(r, path, rt.tenant)
		r.RemoteAddr = s.clientOf(r)
		h.ServeHTTP(w, r)
	}
}

// behindDoor is r as the other role sees it: on its own path, with the tenant
// as the only "prefix" of the query. It is the callee's to change.
func behindDoor(r *http.Request, path, tenant string) *http.Request {
	if path == "" {
		return r.WithContext(r.Context())
	}
	u := *r.URL
	u.Path, u.RawPath = path, ""
	u.RawQuery = withPrefix(u.RawQuery, tenant)
	r2 := r.WithContext(r.Context())
	r2.URL = &u
	return r2
}

// withPrefix puts prefix=tenant in front of a query and takes away what the
// client itself wrote there. The rest stays byte for byte, tokens included.
func withPrefix(query, tenant string) string {
	var out []string
	if tenant != "" {
		out = append(out, "prefix="+url.QueryEscape(tenant))
	}
	for part := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(key); part == "" || err != nil || name == "prefix" {
			continue
		}
		out = append(out, part)
	}
	return strings.Join(out, "&")
}

func (s *server) serveTrimmed(w http.ResponseWriter, r *http.Request, rt route) {
	target := tenantPath(rt.tenant) + url.PathEscape(rt.room)
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusMovedPermanently)
}

func (s *server) serveHealth(w http.ResponseWriter, r *http.Request, _ route) {
	status, body := http.StatusOK, `{"status":"ok"}`
	if err := s.healthy(r.Context()); err != nil {
		// The reason is for the operator's log, not for everybody.
		s.opt.Log.Warn("health check failed", "err", err)
		status, body = http.StatusServiceUnavailable, `{"status":"unavailable"}`
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	writeBody(w, r, status, []byte(body+"\n"))
}

func (s *server) healthy(ctx context.Context) error {
	if s.opt.Health == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	return s.opt.Health(ctx)
}

// serveUnlock is the keepalive address: clients look at nothing but the
// X-Jitsi-Shard header.
func (s *server) serveUnlock(w http.ResponseWriter, r *http.Request, _ route) {
	s.setDoorHeaders(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	writeBody(w, r, http.StatusOK, []byte("OK\n"))
}

// fail answers 500 and logs why. The path is logged, the query never: it may
// hold a token.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.opt.Log.Error("request failed", "path", r.URL.Path, "err", err)
	http.Error(w, "internal error", http.StatusInternalServerError)
}

// NewServer returns an http.Server for h with time limits that suit it:
// headers must come within ten seconds, idle connections are dropped after
// two minutes. Read and write have no limit of their own, because WebSockets
// live as long as a meeting.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
