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

// delayRows are as many rooms of one size as make the server about 70 % busy.
func delayRows() []row {
	return callRows(delaySection,
		call{50, 10, 2, "tile", 10 * time.Second, 20 * time.Second},
		call{6, 40, 4, "tile", 10 * time.Second, 20 * time.Second},
		call{2, 100, 6, "tile", 10 * time.Second, 20 * time.Second},
		call{1, 300, 24, "tile", 10 * time.Second, 20 * time.Second})
}

// growthRows are calls that differ in their size only: in each room one camera,
// of which people see a thumbnail, and one microphone; and rooms in which
// nobody has either, to see what it costs to be there.
func growthRows() []row {
	var all []row
	for _, cameras := range []int{1, 0} {
		for _, n := range []int{10, 40, 100, 300, 1000} {
			all = append(all, callRows(roomSection, growing(1, n, cameras))...)
		}
		for _, n := range []int{1, 10, 30, 100, 300} {
			all = append(all, callRows(roomsSection, growing(n, 5, cameras))...)
		}
	}
	return all
}

// restRows are a thousand people who have muted what they have.
func restRows() []row {
	var all []row
	for _, c := range []call{growing(25, 40, 40), growing(1, 1000, 1000)} {
		m := c.meeting()
		m.steady, m.args = 30*time.Second, append(m.args, "--muted")
		all = append(all, row{section: restSection, name: fmt.Sprintf("%d x %d, muted", c.rooms, c.people), once: m.run})
	}
	return all
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
}

var plots = map[string][]plot{
	roomSection: {
		{"Forwarding a packet, one room", "people in the room", "us per packet", "1 x %d, 1 cameras, tile"},
		{"Joining, one room", "people in the room", "CPU-ms a join", "1 x %d, silent"},
	},
	roomsSection: {
		{"Forwarding a packet, rooms of 5", "rooms", "us per packet", "%d x 5, 1 cameras, tile"},
		{"Joining, rooms of 5", "rooms", "CPU-ms a join", "%d x 5, silent"},
	},
}

// draw writes the plot as a Mermaid chart, which the usual forges show as a
// picture and everybody else as its figures. It is empty with fewer than two
// points.
func (p *plot) draw(entries []entry) string {
	var sizes, values []string
	top := 0.0
	for _, e := range entries {
		var size int
		if n, err := fmt.Sscanf(e.Name, p.names, &size); n != 1 || err != nil || e.Name != fmt.Sprintf(p.names, size) {
			continue
		}
		if v, ok := median(e.Runs, p.column); ok {
			sizes, values = append(sizes, fmt.Sprint(size)), append(values, number(v))
			top = max(top, v)
		}
	}
	if len(values) < 2 {
		return ""
	}
	return fmt.Sprintf("```mermaid\nxychart-beta\n    title %q\n    x-axis %q [%s]\n    y-axis %q 0 --> %s\n    line [%s]\n```\n",
		p.title, p.axis, strings.Join(sizes, ", "), p.column, number(1.2*top), strings.Join(values, ", "))
}
