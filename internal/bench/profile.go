package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

const profileSection = "What the profile shows"

// profiled is put before the name of the row of which a profile is.
const profiled = "profile: "

// Profiles that say what is in the way of goals.
const (
	largeProfile = profiled + largeRow
	audioProfile = profiled + audioRow
	restProfile  = profiled + restRow
	joinProfile  = profiled + "81 x 40, muted, all come"
	stormProfile = profiled + "storm-500, all come"
)

// shownBy is which profile shows what is in the way of a goal, by the goal's row.
var shownBy = map[string]string{
	largeRow:                           largeProfile,
	audioRow:                           audioProfile,
	"storm-500, all come at once":      stormProfile,
	"forum-81x40, all come at once":    joinProfile,
	"81 x 40, muted, all come at once": joinProfile,
	restRow:                            restProfile,
	mutedRow:                           restProfile,
	"at rest: 1 x 1000, muted":         restProfile,
}

// mostShares is how many shares of a profile are named beside a missed goal.
const mostShares = 3

// inTheWay is the largest shares of the profile that shows what a row's CPU time
// goes to, "" if there is none of the kind.
func inTheWay(entries []entry, row string) string {
	name, ok := shownBy[row]
	if !ok {
		return ""
	}
	shown := find(entries, profileSection, name)
	type part struct {
		column string
		value  float64
	}
	var parts []part
	for _, column := range shareColumns() {
		if v, ok := median(shown.Runs, column); ok {
			parts = append(parts, part{column, v})
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("What its CPU time goes to was not measured (%s).", name)
	}
	if why := shown.unlike(entries, row); why != "" {
		return fmt.Sprintf("What its CPU time goes to is not known: %s (%s, at %s).", why, name, shown.Commit)
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.value, a.value) })
	var words []string
	for _, p := range parts[:min(len(parts), mostShares)] {
		words = append(words, fmt.Sprintf("%s %s %%", strings.TrimSuffix(p.column, " %"), number(p.value)))
	}
	which := name
	if name != profiled+row && !strings.HasPrefix(row+",", strings.TrimPrefix(name, profiled)) { // "all come" is "all come at once"
		which = "of another load: " + name
	}
	return fmt.Sprintf("The largest shares of the server's CPU time are %s (%s, at %s).", strings.Join(words, ", "), which, shown.Commit)
}

// asDear is how many times as much as any run of its row a packet may take in a
// profile, or the reverse. On a machine that does nothing else it was 1.08: the
// profiler interrupts a hundred times a second.
const asDear = 1.25

// unlike says why a profile is of something else than a row of the same name,
// "" if it is of the same, or of one that is not compared.
func (e *entry) unlike(all []entry, row string) string {
	if e.Name != profiled+row {
		return ""
	}
	i := slices.IndexFunc(all, func(o entry) bool { return o.Name == row && len(o.Runs) > 0 })
	own, known := median(e.Runs, forwardingCost)
	if i < 0 || !known {
		return ""
	}
	theirs := sorted(all[i].Runs, forwardingCost)
	switch {
	case len(theirs) == 0:
		return ""
	case e.cut(all) != all[i].cut(all):
		return "video was cut in one of the row and its profile"
	case own > asDear*theirs[len(theirs)-1] || own*asDear < theirs[0]:
		return fmt.Sprintf("a packet took %s us in the profile and %s in the row", number(own), cell(all[i].Runs, forwardingCost))
	}
	return ""
}

// besideRows says how the profiles' packets compare with those of their rows.
func besideRows(profiles, all []entry) string {
	var lines []string
	for i := range profiles {
		e := &profiles[i]
		row, _ := strings.CutPrefix(e.Name, profiled)
		at := slices.IndexFunc(all, func(o entry) bool { return o.Name == row && len(o.Runs) > 0 })
		if _, known := median(e.Runs, forwardingCost); at < 0 || !known {
			continue
		}
		line := fmt.Sprintf("- %s: a packet takes %s times what it takes in its row", e.Name, ratio(e.Runs, all[at].Runs, forwardingCost))
		if why := e.unlike(all, row); why != "" {
			line += ", and shows nothing of it: " + why
		}
		lines = append(lines, line+".")
	}
	return strings.Join(lines, "\n")
}

// profileRows are calls that use the server's core in different ways.
func profileRows() []row {
	var all []row
	add := func(name string, c call, change func(*meeting), flags ...string) {
		m := c.meeting()
		m.args = append(m.args, flags...)
		change(m)
		all = append(all, row{section: profileSection, name: name, most: 1, takes: m.takes(), once: m.profile})
	}
	asIs := func(*meeting) {}
	const steady = 30 * time.Second // a hundred samples for each second of CPU
	pictures, voices := fullOfPictures, fullOfVoices
	pictures.steady, voices.steady = steady, steady
	add(profiled+"1 x 300, 30 cameras, tile", call{1, 300, 30, "tile", 10 * time.Second, steady}, asIs)
	add(largeProfile, pictures, asIs, "--full-bitrate")
	add(audioProfile, voices, asIs, "--video", "0")
	quiet := growing(25, 40, 40)
	quiet.steady = time.Minute // of a server that does next to nothing
	add(restProfile, quiet, func(m *meeting) { m.calm = untilCalm }, "--muted", "--silence")
	add(joinProfile, call{81, 40, 40, "tile", 0, 20 * time.Second}, func(m *meeting) { m.coming = true }, "--muted", "--ramp", "all")
	storm := meeting{people: 500, ramp: 5 * time.Second, steady: 3 * time.Second, coming: true, args: []string{"--scenario", "storm-500", "--ramp", "all"}}
	return append(all, row{section: profileSection, name: stormProfile, most: 1, takes: storm.takes(), once: storm.profile})
}

// share is a part of the server's CPU time: that of samples whose innermost
// function with a share of its own begins with one of these, less "internal/"
// of this module.
type share struct {
	column string
	of     []string
}

// shares are tried in this order, for each function of a stack from the
// innermost on.
var shares = []share{
	{"sendmmsg %", []string{"netio.(*sender).all"}},
	{"recvmmsg %", []string{"netio.(*receiver).once"}},
	{"seal %", []string{"srtp.(*Sealer)", "srtp.(*Stream)"}},
	{"forward %", []string{"bridge.(*mediaSource).forward", "bridge.(*videoSub)", "bridge.(*audioSub)", "bridge.(*outHeader)"}},
	{"group %", []string{"netio.(*outbox)", "netio.(*Socket).flush", "netio.(*Socket).Buffer", "netio.(*Socket).Commit"}},
	{"take in %", []string{"bridge.(*worker).arrive", "netio.(*Socket).received"}},
	{"reports %", []string{"bridge.(*endpoint).rtcpPacket", "bridge.(*endpoint).sendReports", "bridge.(*endpoint).sendFeedback", "bwe."}},
	{"layers %", []string{"bridge.(*worker).reallocate", "bridge.(*worker).tell", "bridge.(*worker).govern", "bridge.(*conference)", "bridge/alloc."}},
	{"handshake %", []string{"bridge/secure.", "netio.(*single)", "github.com/pion/"}},
	{"streams %", []string{"netio/nowait.", "netio/readable.", "netio/wsframe.", "net.", "net/http.", "crypto/tls.", "github.com/gobwas/", "internal/poll.(*FD)"}},
	{"signalling %", []string{"signal.", "focus.", "muc.", "xmpp.", "jingle.", "source.", "web.", "colibri."}},
	{"memory %", []string{"runtime.gcBgMarkWorker", "runtime.gcStart", "runtime.mallocgc", "runtime.newstack", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcWriteBarrier"}},
	{"wait %", []string{"netio.(*Socket)", "runtime.netpoll", "runtime.futex", "runtime.usleep", "internal/poll.", "runtime.mcall", "runtime.mstart", "runtime.schedule", "runtime.gopark", "runtime.goready"}},
}

func shareColumns() []string {
	var all []string
	for _, s := range shares {
		all = append(all, s.column)
	}
	return append(all, otherShare)
}

// otherShare is what no share has a claim to.
const otherShare = "other %"

// profile lets synthetic participants call against a fresh server as run does,
// and takes a profile of its CPU while all of them are in, or while they come.
func (c *meeting) profile(ctx context.Context, s *settings, dir string) (figures, error) {
	p, public, admin, err := startAll(ctx, s, dir, c.server...)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	file := filepath.Join(dir, "report.json")
	var w window
	f, err := s.underLoad(ctx, dir, c.ramp+c.steady+patience, func() (f figures, err error) {
		if !c.coming {
			if _, err := c.awaitEverybody(ctx, admin); err != nil {
				return nil, err
			}
			if err := pause(ctx, settled+c.calm); err != nil {
				return nil, err
			}
		}
		f, w, err = c.sample(ctx, admin)
		return f, err
	}, append([]string{public, "--json", file}, c.args...)...)
	if err != nil {
		return nil, err
	}
	return f, f.readReport(file, w)
}

// sample takes a profile, and counts what was forwarded in the meantime.
func (c *meeting) sample(ctx context.Context, admin string) (figures, window, error) {
	before, err := scrape(ctx, admin)
	w := window{from: time.Now()}
	if err != nil {
		return nil, w, err
	}
	body, err := get(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%.0f", admin, c.steady.Seconds()))
	if err != nil {
		return nil, w, err
	}
	defer body.Close()
	f, used, err := readProfile(body)
	if err != nil {
		return nil, w, err
	}
	after, err := scrape(ctx, admin)
	w.to = time.Now()
	if err != nil {
		return nil, w, err
	}
	in, err := c.here(after)
	if err != nil {
		return nil, w, err
	}
	f.packets(change{before, after}, used.Seconds(), w.to.Sub(w.from).Seconds())
	f.batches(change{before, after}, w.to.Sub(w.from).Seconds())
	if c.coming {
		f["CPU-ms a join"] = 1000 * used.Seconds() / float64(in)
		delete(f, forwardingCost) // of whose time most was for something else
	} else {
		f.video(change{before, after}, in)
		f.governed(change{before, after}, w.to.Sub(w.from).Seconds())
	}
	return f, w, nil
}

// batches adds how often the workers look for something to do, and how much
// they send at a time.
func (f figures) batches(c change, wall float64) {
	f["turns/s"] = c.of("plenum_bridge_turns_total") / wall
	f["packets a flush"] = c.of("plenum_bridge_socket_send_datagrams_total") / max(c.of("plenum_bridge_socket_flushes_total"), 1)
}

// readProfile divides a CPU profile into shares, and says of how much CPU time
// they are.
func readProfile(r io.Reader) (figures, time.Duration, error) {
	p, err := profile.Parse(r)
	if err != nil {
		return nil, 0, fmt.Errorf("profile of the server: %w", err)
	}
	f, all := figures{otherShare: 0}, int64(0)
	for _, s := range shares {
		f[s.column] = 0
	}
	for _, s := range p.Sample {
		spent := s.Value[len(s.Value)-1] // samples, then nanoseconds
		f[shareOf(s)] += float64(spent)
		all += spent
	}
	if all == 0 {
		return nil, 0, errors.New("the server did nothing while it was profiled")
	}
	for column := range f {
		f[column] *= 100 / float64(all)
	}
	return f, time.Duration(all), nil
}

// shareOf is the column a sample belongs to.
func shareOf(s *profile.Sample) string {
	for _, l := range s.Location {
		for _, line := range l.Line { // those inlined first
			if line.Function == nil {
				continue
			}
			name := strings.TrimPrefix(line.Function.Name, "github.com/plenum-conf/plenum/internal/")
			for _, s := range shares {
				if s.has(name) {
					return s.column
				}
			}
		}
	}
	return otherShare
}

func (s *share) has(function string) bool {
	for _, prefix := range s.of {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}
