package verdict

import (
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// unit says what a metric counts.
type unit int

const (
	number unit = iota
	duration
	percentage
	bitrate
	cores
)

// metric is something that can be asserted.
type metric struct {
	name string
	unit unit
	of   func(*Summary) (float64, bool) // durations in seconds, shares of 1, bit/s
	help string
	sent bool // of media: known only if some were sent
}

// quantiles are what is known of everything that has a distribution.
var quantiles = []struct {
	name string
	of   func(*record.Histogram) time.Duration
}{
	{"p50", func(h *record.Histogram) time.Duration { return h.Quantile(0.5) }},
	{"p90", func(h *record.Histogram) time.Duration { return h.Quantile(0.9) }},
	{"p99", func(h *record.Histogram) time.Duration { return h.Quantile(0.99) }},
	{"p999", func(h *record.Histogram) time.Duration { return h.Quantile(0.999) }},
	{"max", (*record.Histogram).Max},
}

// metrics are all of them, by name.
var metrics = makeMetrics()

// order is that of help texts.
var order []string

func makeMetrics() map[string]metric {
	all := map[string]metric{}
	add := func(name string, u unit, help string, of func(*Summary) (float64, bool)) {
		all[name] = metric{name: name, unit: u, of: of, help: help}
		order = append(order, name)
	}
	spread := func(name, help string, of func(*Summary) *record.Histogram) {
		for _, q := range quantiles {
			add(name+"."+q.name, duration, help, func(s *Summary) (float64, bool) {
				h := of(s)
				if h == nil || h.Count() == 0 {
					return 0, false
				}
				return q.of(h).Seconds(), true
			})
		}
	}
	count := func(name, help string, of func(*Summary) int) {
		add(name, number, help, func(s *Summary) (float64, bool) { return float64(of(s)), true })
	}
	countMetrics(count)
	spread("join", "from the beginning until in the call", func(s *Summary) *record.Histogram { return &s.Join })
	for _, step := range record.Steps() {
		if step != record.Config {
			spread("step."+stepName(step), "how long this step of joining took", func(s *Summary) *record.Histogram { return s.step(step) })
		}
	}
	signalling := len(order)
	spread("delay", "from sender to receiver", func(s *Summary) *record.Histogram { return &s.Delay })
	spread("audio.jitter", "jitter of audio streams", func(s *Summary) *record.Histogram { return &s.Audio.Jitter })
	spread("video.jitter", "jitter of video streams", func(s *Summary) *record.Histogram { return &s.Video.Jitter })
	mediaMetrics(add)
	for _, name := range order[signalling:] {
		m := all[name]
		m.sent = true
		all[name] = m
	}
	machineMetrics(add)
	return all
}

func countMetrics(count func(string, string, func(*Summary) int)) {
	count("participants", "that began", func(s *Summary) int { return s.Participants })
	count("joined", "that came into their room", func(s *Summary) int { return s.Joined })
	count("incall", "that came into the call", func(s *Summary) int { return s.InCall })
	count("failed", "that could not go on", func(s *Summary) int { return s.Failed })
	count("unfinished", "still on their way in at the end", func(s *Summary) int { return s.Unfinished })
	count("errors", "participants that something went wrong for, by cause", func(s *Summary) int {
		n := 0
		for _, e := range s.Errors {
			n += e.People
		}
		return n
	})
	count("resumes", "signalling connections resumed", func(s *Summary) int { return s.Resumes })
	count("rejoins", "sessions that had to begin anew", func(s *Summary) int { return s.Rejoins })
	count("reinvites", "further invitations", func(s *Summary) int { return s.Reinvites })
	count("channel.lost", "bridge channels that broke", func(s *Summary) int { return s.ChannelLost })
	count("freezes", "gaps of more than 200 ms, and three of the sender's intervals, in a picture that should move", func(s *Summary) int { return s.Video.Freezes })
	count("silent.participants", "that received nothing at all for a second or longer, though others sent", func(s *Summary) int { return s.SilentPeople })
	count("machines.lost", "of several that shared the test", func(s *Summary) int { return s.LostMachines() })
	count("malformed", "packets and messages that could not be read", func(s *Summary) int { return int(s.Malformed + s.Unauthentic) })
}

func mediaMetrics(add func(string, unit, string, func(*Summary) (float64, bool))) {
	both := func(s *Summary) Kind {
		return Kind{Expected: s.Audio.Expected + s.Video.Expected, Lost: s.Audio.Lost + s.Video.Lost, Recovered: s.Audio.Recovered + s.Video.Recovered}
	}
	for _, k := range []struct {
		prefix, what string
		of           func(*Summary) Kind
	}{
		{"", "packets", both},
		{"audio.", "audio packets", func(s *Summary) Kind { return s.Audio }},
		{"video.", "video packets", func(s *Summary) Kind { return s.Video }},
	} {
		add(k.prefix+"loss", percentage, k.what+" that never came", func(s *Summary) (float64, bool) {
			kind := k.of(s)
			return kind.Loss(), kind.Expected > 0
		})
		add(k.prefix+"repaired", percentage, k.what+" that came only when sent again", func(s *Summary) (float64, bool) {
			kind := k.of(s)
			return kind.Repaired(), kind.Expected > 0
		})
	}
	add("silent", percentage, "of the time in which others sent, nothing at all came for a second or longer", func(s *Summary) (float64, bool) {
		return s.silence(), s.Listened > 0
	})
	add("frozen", duration, "how long pictures froze altogether", func(s *Summary) (float64, bool) { return s.Video.Frozen.Seconds(), s.Video.Streams > 0 })
	add("rate.in", bitrate, "received by all together, mean", func(s *Summary) (float64, bool) { return float64(s.RateIn), s.RateIn > 0 })
	add("rate.out", bitrate, "sent by all together, mean", func(s *Summary) (float64, bool) { return float64(s.RateOut), s.RateOut > 0 })
	add("downlink.min", bitrate, "the lowest estimate of the bridge", func(s *Summary) (float64, bool) { return float64(s.Downlink.Min), s.Downlink.Count > 0 })
	add("uplink.min", bitrate, "the lowest estimate of a sender", func(s *Summary) (float64, bool) { return float64(s.Uplink.Min), s.Uplink.Count > 0 })
}

func machineMetrics(add func(string, unit, string, func(*Summary) (float64, bool))) {
	add("cpu.generator", cores, "used by the generator, mean", func(s *Summary) (float64, bool) { return s.GeneratorCPU, true })
	add("cpu.generator.max", cores, "used by the generator in its busiest second", func(s *Summary) (float64, bool) { return s.GeneratorPeak, true })
	add("cpu.server", cores, "used by the server, mean", func(s *Summary) (float64, bool) {
		if s.Server == nil {
			return 0, false
		}
		return s.Server.CPU, true
	})
	add("cpu.server.max", cores, "used by the server in its busiest second", func(s *Summary) (float64, bool) {
		if s.Server == nil {
			return 0, false
		}
		return s.Server.Peak, true
	})
	add("late", percentage, "packets that the generator sent more than 20 ms too late", func(s *Summary) (float64, bool) { return s.Late, true })
	add("limited", number, "1 if the server may be better than the figures, because of the generator", func(s *Summary) (float64, bool) { return float64(min(len(s.Generator.Limited), 1)), true })
}

func (s *Summary) step(step record.Step) *record.Histogram {
	for i := range s.Steps {
		if s.Steps[i].Step == step {
			return &s.Steps[i].Took
		}
	}
	return nil
}

// stepName is a step in an assertion.
func stepName(s record.Step) string { return strings.ReplaceAll(string(s), " ", "-") }

// Names lists what can be asserted, with what it means, one a line. Those with
// quantiles are written once.
func Names() string {
	var b strings.Builder
	done := map[string]bool{}
	for _, name := range order {
		shown := name
		for _, q := range quantiles {
			if base, ok := strings.CutSuffix(name, "."+q.name); ok && metrics[base+".p50"].of != nil {
				shown = base + ".p50|p90|p99|p999|max"
			}
		}
		if strings.HasPrefix(shown, "step.") {
			shown = "step.NAME.p50|p90|p99|p999|max"
		}
		if done[shown] {
			continue
		}
		done[shown] = true
		b.WriteString("  " + shown + strings.Repeat(" ", max(34-len(shown), 1)) + metrics[name].help + "\n")
	}
	b.WriteString("  NAME is one of " + strings.Join(stepNames(), ", ") + "\n")
	return b.String()
}

func stepNames() []string {
	var out []string
	for _, s := range record.Steps() {
		if s != record.Config {
			out = append(out, stepName(s))
		}
	}
	return out
}
