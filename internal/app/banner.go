package app

import (
	"fmt"
	"strings"
	"time"
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
	b.WriteString("\n")
	if f := examine(a.cfg, a.public, a.pair, time.Now()); len(f.Mistakes)+len(f.Beware) > 0 {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

// candidates explains the addresses clients are offered for media.
func (a *App) candidates() []string {
	if a.bridge == nil {
		return nil
	}
	return a.bridge.Candidates()
}
