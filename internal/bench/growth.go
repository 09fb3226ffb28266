package main

import (
	"fmt"
	"strings"
	"time"
)

const (
	delaySection = "Delay"
	roomSection  = "One room as it grows"
	roomsSection = "More and more rooms"
	restSection  = "At rest"
)

// Calls that make the server about 70 % busy, with rooms of one size each. Large
// rooms are few, so that their number stays.
var (
	fives    = filling{call{190, 5, 1, "tile", 20 * time.Second, 15 * time.Second}}
	tens     = filling{call{68, 10, 2, "tile", 13 * time.Second, 15 * time.Second}}
	middling = filling{call{12, 40, 4, "tile", 10 * time.Second, 15 * time.Second}}
	hundreds = call{4, 100, 4, "tile", 10 * time.Second, 15 * time.Second}
	largest  = call{1, 300, 15, "tile", 10 * time.Second, 15 * time.Second}
	webinars = call{2, 300, 2, "tile", 12 * time.Second, 15 * time.Second} // all but two only watch
)

// delayRows are measured when what was cut while people came has come back: a
// large room takes longer for that.
func delayRows() []row {
	all := append([]row{fives.row(), tens.row(), middling.row(), collecting()},
		callRows(delaySection, hundreds)...)
	for _, c := range []call{largest, webinars} {
		m := c.meeting()
		m.calm = untilCalm
		all = append(all, row{section: delaySection, name: c.name(), takes: m.takes(), once: m.run})
	}
	return all
}

// growthRows are calls that differ in their size only, and fit into a core at
// the largest: in each room one voice, which all hear; and rooms in which
// everybody has microphone and camera and has muted both, to see what it costs
// to come in.
func growthRows() []row {
	sizes, counts := []int{10, 40, 100, 300, 1000}, []int{1, 10, 100, 300}
	var all []row
	for _, n := range sizes {
		all = append(all, voice(roomSection, growing(1, n, 1)))
	}
	all = append(all, callRows(roomSection, growing(1, 1000, 1))...) // for its memory
	for _, n := range sizes {
		all = append(all, muted(roomSection, growing(1, n, n), 0))
	}
	for _, n := range counts {
		all = append(all, voice(roomsSection, growing(n, 5, 1)))
	}
	for _, n := range counts {
		all = append(all, muted(roomsSection, growing(n, 5, 5), 0))
	}
	return all
}

// restRow is by what is judged what it costs if all mute: browsers do as it does.
const restRow = mutedRow + ", silence"

const mutedRow = "at rest: 25 x 40, muted"

// restRows are a thousand people who have muted what they have. The server
// takes some seconds to notice that nothing happens any more.
func restRows() []row {
	var all []row
	add := func(c call, further ...string) {
		c.steady = 30 * time.Second
		r := muted(restSection, c, untilCalm, further...)
		r.name = "at rest: " + r.name
		all = append(all, r)
	}
	add(growing(25, 40, 40))
	add(growing(1, 1000, 1000))
	add(growing(25, 40, 40), "silence")
	return all
}

// untilCalm is how long after everybody is in nothing happens any more.
const untilCalm = 12 * time.Second

// muted is a call in which people announce what they have, and send none of it.
// It is measured so much later than others. More flags of the load may be given.
func muted(section string, c call, calm time.Duration, flags ...string) row {
	m, name := c.meeting(), fmt.Sprintf("%d x %d", c.rooms, c.people)
	m.calm = calm
	for _, flag := range append([]string{"muted"}, flags...) {
		m.args, name = append(m.args, "--"+flag), name+", "+flag
	}
	return row{section: section, name: name, takes: m.takes(), once: m.run}
}

const voiceRow = "%d x %d, one voice"

// voice is a call in which one of each room has a microphone, and nobody a
// camera.
func voice(section string, c call) row {
	m := c.meeting()
	m.args = append(m.args, "--video", "0")
	return row{section: section, name: fmt.Sprintf(voiceRow, c.rooms, c.people), takes: m.takes(), once: m.run}
}

// growing comes at fifty a second.
func growing(rooms, people, cameras int) call {
	ramp := time.Second + time.Duration(rooms*people)*time.Second/50
	return call{rooms, people, cameras, "tile", ramp, 10 * time.Second}
}

// plot is a figure of the rows whose names match, over their sizes.
type plot struct {
	title, axis, column string
	names               string // pattern with %d for the size
	unit                string // of the work that is done: one of what
	// done is how much CPU time a row took, in us, and how many units of work that
	// was for, in the same time.
	done func(size int, runs []figures) (cpu, work float64)
}

const (
	perPacket = "packet"
	perPair   = "person told of another"
	perJoin   = "join"
)

var plots = map[string][]plot{
	roomSection: {
		{"Forwarding a packet, one room", "people in the room", forwardingCost, "1 x %d, one voice", perPacket, forwarded},
		{"Joining one room, all muted", "people in the room", "CPU-ms a join", "1 x %d, muted", perPair,
			func(n int, runs []figures) (cpu, work float64) { return joined(runs, n), float64(n * (n - 1)) }},
	},
	roomsSection: {
		{"Forwarding a packet, rooms of 5", "rooms", forwardingCost, "%d x 5, one voice", perPacket, forwarded},
		{"Joining rooms of 5, all muted", "rooms", "CPU-ms a join", "%d x 5, muted", perJoin,
			func(n int, runs []figures) (cpu, work float64) { return joined(runs, 5*n), float64(5 * n) }},
	},
}

// forwarded is what a row took in a second, and for how many packets.
func forwarded(_ int, runs []figures) (cpu, work float64) {
	cores, _ := median(runs, "server cores")
	work, _ = median(runs, "packets/s")
	return 1e6 * cores, work
}

// joined is what it took in all until so many were in.
func joined(runs []figures, people int) float64 {
	each, _ := median(runs, "CPU-ms a join")
	return 1000 * each * float64(people)
}

// point is one row of a plot: its value, and what the server took for which work.
type point struct {
	size             int
	value, cpu, work float64
}

// points are the rows of the plot in their order, and which sizes are left out:
// those of which the server left out a part, as their packets are others than those
// of the rest, or fewer.
func (p *plot) points(entries, all []entry) (points []point, left []string) {
	for _, e := range entries {
		var size int
		if n, err := fmt.Sscanf(e.Name, p.names, &size); n != 1 || err != nil || e.Name != fmt.Sprintf(p.names, size) {
			continue
		}
		if e.cut(all) {
			left = append(left, fmt.Sprint(size))
			continue
		}
		if v, ok := median(e.Runs, p.column); ok {
			cpu, work := p.done(size, e.Runs)
			points = append(points, point{size, v, cpu, work})
		}
	}
	return points, left
}

// dearer is how much more than a further unit of work took one step before a further
// one may take (at first, than one took on average): so much do runs differ. What
// grows with the square of the work takes twice as much at the least from one size to
// its double.
const dearer = 1.25

// read says in words what the plot shows, and whether the server's work grows
// faster than what is to be done. It is empty with fewer than two points.
func (p *plot) read(points []point) string {
	if len(points) < 2 {
		return ""
	}
	first, last := points[0], points[len(points)-1]
	text := fmt.Sprintf("\n%s: %s %s at %d and %s at %d, %s times as much for %s times as many %s.", p.title, number(first.value), p.column,
		first.size, number(last.value), last.size, number(last.value/first.value), number(float64(last.size)/float64(first.size)), p.axis)
	var steps, faster []string
	before := 0.0
	for i, to := range points[1:] {
		from := points[i]
		if from.work <= 0 || to.work <= from.work {
			continue
		}
		if before <= 0 {
			before = from.cpu / from.work
		}
		each := (to.cpu - from.cpu) / (to.work - from.work)
		steps = append(steps, fmt.Sprintf("%s from %d to %d", number(each), from.size, to.size))
		if each > dearer*before {
			faster = append(faster, fmt.Sprintf("%s after %s up to %d", number(each), number(before), from.size))
		}
		before = each
	}
	if len(steps) == 0 {
		return text + "\n"
	}
	verdict := "CPU time grows no faster than the work"
	if len(faster) > 0 {
		verdict = "CPU time grows faster than the work: " + strings.Join(faster, "; ")
	}
	return text + fmt.Sprintf(" A further %s takes, in us of CPU time: %s. %s.\n", p.unit, strings.Join(steps, ", "), verdict)
}

// draw writes the plot as a Mermaid chart, which the usual forges show as a
// picture and everybody else as its figures. It is empty with fewer than two
// points. What is left out is named below it.
//
// Mermaid's own colour of a line is next to invisible on white.
func (p *plot) draw(entries, all []entry) string {
	points, left := p.points(entries, all)
	if len(points) < 2 {
		return ""
	}
	var sizes, values []string
	top := 0.0
	for _, at := range points {
		sizes, values = append(sizes, fmt.Sprint(at.size)), append(values, number(at.value))
		top = max(top, at.value)
	}
	below := ""
	if len(left) > 0 {
		below = fmt.Sprintf("\nNot in it: %s %s. The server left out a part there, so that it does not compare.\n", strings.Join(left, " and "), p.axis)
	}
	return fmt.Sprintf("```mermaid\n%%%%{init: {\"themeVariables\": {\"xyChart\": {\"plotColorPalette\": \"#c7d7f2, #1f4fbf\"}}}}%%%%\nxychart-beta\n    title %q\n    x-axis %q [%s]\n    y-axis %q 0 --> %s\n    bar [%[6]s]\n    line [%[6]s]\n```\n%[7]s",
		p.title, p.axis, strings.Join(sizes, ", "), p.column, number(1.2*top), strings.Join(values, ", "), below+p.read(points))
}
