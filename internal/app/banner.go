package app

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Banner says, for a person at a terminal, what runs, where to go, what
// clients are offered and why, and what is unsafe about it.
func (a *App) Banner() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plenum %s\n\n", Version())
	if a.plays("web") {
		fmt.Fprintf(&b, "  Open     %s/AnyRoom\n", a.public)
	} else {
		fmt.Fprintf(&b, "  XMPP     %s/xmpp-websocket, without focus, media and pages\n", strings.Replace(a.public, "http", "ws", 1))
	}
	for i, line := range a.candidates() {
		label := ""
		if i == 0 {
			label = "Media"
		}
		fmt.Fprintf(&b, "  %-8s %s\n", label, line)
	}
	if a.adminLn != nil {
		fmt.Fprintf(&b, "  Admin    %s\n", a.AdminURL())
	}
	fmt.Fprintf(&b, "  Memory   %s\n", a.memory.Why)
	if w := a.warnings(); len(w) > 0 {
		b.WriteString("\n")
		for _, line := range w {
			fmt.Fprintf(&b, "  Beware   %s\n", line)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// candidates explains the addresses clients are offered for media.
func (a *App) candidates() []string {
	if a.bridge == nil {
		return nil
	}
	return a.bridge.Candidates()
}

// warnings lists what is unsafe or cannot work in the present setting.
func (a *App) warnings() []string {
	var w []string
	u, _ := url.Parse(a.public)
	if u != nil && u.Scheme == "http" && !isLocal(u.Hostname()) {
		w = append(w, fmt.Sprintf("browsers refuse camera and microphone on %s: use https (http.certificate, or a proxy and public-url).", a.public))
	}
	if u != nil && isLocal(u.Hostname()) && !isLocal(hostOf(a.cfg.HTTP.Listen)) {
		w = append(w, fmt.Sprintf("the public listener %s is reachable from outside, but clients are told to use %s: set --domain.", a.cfg.HTTP.Listen, a.public))
	}
	if !isLocal(hostOf(a.cfg.HTTP.Listen)) {
		w = append(w, "anybody who reaches this server can open rooms: there are no accounts yet.")
	}
	if a.adminLn != nil && !isLocal(hostOf(a.cfg.Admin.Listen)) {
		w = append(w, fmt.Sprintf("the admin listener %s has no login and is not on loopback.", a.cfg.Admin.Listen))
	}
	return w
}

func hostOf(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	return host
}

func isLocal(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
