package app

import (
	"fmt"
	"time"

	"github.com/plenum-conf/plenum/internal/admin"
	"github.com/plenum-conf/plenum/internal/app/memory"
)

// live is what the start page of the admin listener shows. It asks nobody who
// is busy: every part is a count that is kept anyway.
func (a *App) live() []admin.Figure {
	s := a.signal.Overview()
	all := []admin.Figure{
		{Name: "Rooms", Value: fmt.Sprint(s.Rooms)},
		{Name: "People connected", Value: fmt.Sprint(s.Sessions), Note: "signalling sessions, those that may still come back included"},
	}
	if a.plays("focus") {
		all = append(all, admin.Figure{Name: "Conferences", Value: fmt.Sprint(a.focus.Conferences()), Note: "rooms the focus looks after"})
	}
	if a.plays("bridge") {
		all = append(all, a.liveMedia()...)
	}
	f := memory.ReadFigures()
	return append(all, admin.Figure{
		Name: "Memory", Value: megabytes(f.Total),
		Note: fmt.Sprintf("held by the process: %s lived after the last collection, and with what has come since the heap holds %s; %s", megabytes(f.Live), megabytes(f.Objects), a.memory.Why),
	})
}

func (a *App) liveMedia() []admin.Figure {
	b := a.bridge.Overview()
	delay, note := "no media", "time from a packet's arrival to the end of sending its copies"
	if b.Delays.Count() > 0 {
		delay = short(b.Delays.Quantile(0.99))
		note = fmt.Sprintf("99 %% of packets of the last ten seconds were here no longer than that, half of them %s", short(b.Delays.Quantile(0.5)))
	}
	return []admin.Figure{
		{Name: "Participants with media", Value: fmt.Sprint(b.Endpoints), Note: fmt.Sprintf("in %s on this bridge", conferences(b.Conferences))},
		{Name: "Packets in, out", Value: fmt.Sprintf("%d, %d a second", b.PacketsIn, b.PacketsOut)},
		{Name: "Delay", Value: delay, Note: note},
		{Name: "Busiest worker", Value: fmt.Sprintf("%.0f %%", 100*b.Busy), Note: "part of the last second in which it did not wait"},
	}
}

func conferences(n int) string {
	if n == 1 {
		return "1 conference"
	}
	return fmt.Sprintf("%d conferences", n)
}

// megabytes writes so many bytes with two digits at least.
func megabytes(n uint64) string {
	v := float64(n) / (1 << 20)
	if v < 9.95 {
		return fmt.Sprintf("%.1f MB", v)
	}
	return fmt.Sprintf("%.0f MB", v)
}

// short writes a duration with two digits or so.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d \u00b5s", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
