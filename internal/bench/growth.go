package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	delaySection = "Delay"
	roomSection  = "One room as it grows"
	roomsSection = "More and more rooms"
	restSection  = "At rest"
)

// delayRows are as many rooms of one size as make the server about 70 % busy.
func delayRows() []row {
	all := callRows(delaySection,
		call{66, 10, 2, "tile", 10 * time.Second, 20 * time.Second},
		middling,
		call{4, 100, 5, "tile", 10 * time.Second, 20 * time.Second})
	return slices.Insert(all, 2, collecting())
}

// growthRows are calls that differ in their size only: in each room one camera,
// which people see large, and one microphone; and rooms in which
// everybody has both and has muted them, to see what it costs to come in.
func growthRows() []row {
	sizes, counts := []int{10, 40, 100, 300, 1000}, []int{1, 10, 30, 100, 300}
	var all []row
	for _, n := range sizes {
		all = append(all, callRows(roomSection, growing(1, n, 1))...)
	}
	for _, n := range sizes {
		all = append(all, muted(roomSection, growing(1, n, n)))
	}
	for _, n := range counts {
		all = append(all, callRows(roomsSection, growing(n, 5, 1))...)
	}
	for _, n := range counts {
		all = append(all, muted(roomsSection, growing(n, 5, 5)))
	}
	return all
}

// restRows are a thousand people who have muted what they have. The server
// takes some seconds to notice that nothing happens any more.
func restRows() []row {
	var all []row
	for _, c := range []call{growing(25, 40, 40), growing(1, 1000, 1000)} {
		c.steady = 30 * time.Second
		r := muted(restSection, c)
		r.name = "at rest: " + r.name
		all = append(all, r)
	}
	return all
}

// untilCalm is how long after everybody is in nothing happens any more.
const untilCalm = 12 * time.Second

// muted is a call in which people announce what they have, and send none of it.
func muted(section string, c call) row {
	m := c.meeting()
	m.args, m.calm = append(m.args, "--muted"), untilCalm
	return row{section: section, name: fmt.Sprintf("%d x %d, muted", c.rooms, c.people), takes: m.takes(), once: m.run}
}

// growing comes at fifty a second.
func growing(rooms, people, cameras int) call {
	ramp := time.Second + time.Duration(rooms*people)*time.Second/50
	return call{rooms, people, cameras, "tile", ramp, 15 * time.Second}
}

// plot is a figure of the rows whose names match, over their sizes.
type plot struct {
	title, axis, column string
	names               string // pattern with %d for the size
	further             string // one more of what grows, if it takes CPU time for as long as it is there
}

var plots = map[string][]plot{
	roomSection: {
		{"Forwarding a packet, one room", "people in the room", "us per packet", "1 x %d, 1 camera, tile", "A further person"},
		{"Joining one room, all muted", "people in the room", "CPU-ms a join", "1 x %d, muted", ""},
	},
	roomsSection: {
		{"Forwarding a packet, rooms of 5", "rooms", "us per packet", "%d x 5, 1 camera, tile", "A further room"},
		{"Joining rooms of 5, all muted", "rooms", "CPU-ms a join", "%d x 5, muted", ""},
	},
}

// point is one row of a plot.
type point struct {
	size         int
	value, cores float64 // of the plot's column, and of the server
}

// points are the rows of the plot in their order, and which sizes are left out:
// those whose video was cut, as all the book tells, since their packets are others
// than those of the rest.
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
			cores, _ := median(e.Runs, "server cores")
			points = append(points, point{size, v, cores})
		}
	}
	return points, left
}

// read says in words what the plot shows. It is empty with fewer than two points.
func (p *plot) read(points []point) string {
	if len(points) < 2 {
		return ""
	}
	first, last := points[0], points[len(points)-1]
	text := fmt.Sprintf("\n%s: %s %s at %d and %s at %d, %s times as much for %s times as many %s.\n", p.title, number(first.value), p.column,
		first.size, number(last.value), last.size, number(last.value/first.value), number(float64(last.size)/float64(first.size)), p.axis)
	if p.further == "" {
		return text
	}
	var steps []string
	verdict, before := "less and less", math.Inf(1)
	for i, to := range points[1:] {
		from := points[i]
		each := 1000 * (to.cores - from.cores) / float64(to.size-from.size)
		if each >= before {
			verdict = "not always less than before"
		}
		before = each
		steps = append(steps, fmt.Sprintf("%s from %d to %d", number(each), from.size, to.size))
	}
	return text + fmt.Sprintf("%s takes, in milliseconds of CPU time a second: %s; %s.\n", p.further, strings.Join(steps, ", "), verdict)
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
		below = fmt.Sprintf("\nNot in it: %s %s. The server left out video there, and the packets are not the same.\n", strings.Join(left, " and "), p.axis)
	}
	return fmt.Sprintf("```mermaid\n%%%%{init: {\"themeVariables\": {\"xyChart\": {\"plotColorPalette\": \"#c7d7f2, #1f4fbf\"}}}}%%%%\nxychart-beta\n    title %q\n    x-axis %q [%s]\n    y-axis %q 0 --> %s\n    bar [%[6]s]\n    line [%[6]s]\n```\n%[7]s",
		p.title, p.axis, strings.Join(sizes, ", "), p.column, number(1.2*top), strings.Join(values, ", "), below+p.read(points))
}
