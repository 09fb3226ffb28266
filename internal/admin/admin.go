package admin

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options says where the listener gets what it shows.
type Options struct {
	Version string
	// Gatherer holds the metrics.
	Gatherer prometheus.Gatherer
	// State has one function per role; each returns a plain struct for the
	// debug tree and is safe to call from any goroutine.
	State map[string]func() any
	// Loopback says that the listener is reachable from this machine only, so
	// that requests by another name than its own come from a web page that was
	// made to point here.
	Loopback bool
	// Live returns what the start page shows, anew every few seconds. It must be
	// cheap, and safe to call from any goroutine.
	Live func() []Figure
	// Health returns nil when the process can serve, else what is wrong.
	Health func() error
}

// Figure is one line of the start page.
type Figure struct {
	Name  string `json:"name"`  // in plain words
	Value string `json:"value"` // with its unit
	Note  string `json:"note,omitempty"`
}

// Handler returns the whole listener.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /about/live", func(w http.ResponseWriter, _ *http.Request) { live(w, o.Live) })
	mux.HandleFunc("GET /about/health", func(w http.ResponseWriter, _ *http.Request) { health(w, o.Health) })
	mux.HandleFunc("GET /about/version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"name": "plenum", "version": o.Version})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/state", func(w http.ResponseWriter, r *http.Request) { state(w, o.State, "") })
	mux.HandleFunc("GET /debug/state/{role}", func(w http.ResponseWriter, r *http.Request) {
		state(w, o.State, r.PathValue("role"))
	})
	mux.HandleFunc("POST /debug/collect", collect)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	if o.Loopback {
		return ownName(sameOrigin(mux))
	}
	return sameOrigin(mux)
}

// ownName refuses requests for hosts that are not this machine. A page whose
// name resolves to a loopback address (DNS rebinding) is of the same origin as
// far as its browser knows.
func ownName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			http.Error(w, "The admin listener answers as localhost only.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocal(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}

// sameOrigin refuses requests that a web page of another origin makes a
// browser send: the listener is often open on an operator's own machine.
func sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			http.Error(w, "The admin listener does not answer other web pages.", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func health(w http.ResponseWriter, check func() error) {
	if err := check(); err != nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "failing", "reason": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// collect makes the runtime collect its garbage and answers when that is done:
// what the metrics say of memory is then what lives. A heap profile with gc=1
// does the same and costs a heap profile.
func collect(w http.ResponseWriter, _ *http.Request) {
	runtime.GC()
	w.WriteHeader(http.StatusNoContent)
}

// state writes the debug tree: all roles, or one.
func state(w http.ResponseWriter, roles map[string]func() any, role string) {
	if role == "" {
		tree := map[string]any{}
		for name, f := range roles {
			tree[name] = f()
		}
		writeJSON(w, http.StatusOK, tree)
		return
	}
	f, ok := roles[role]
	if !ok {
		http.Error(w, fmt.Sprintf("There is no role %q here; there are: %s.", role, names(roles)), http.StatusNotFound)
		return
	}
	writeJSON(w, http.StatusOK, f())
}

func names(roles map[string]func() any) string {
	var all []string
	for name := range roles {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "The state cannot be written as JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n'))
}
