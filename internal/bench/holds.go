package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// kind is a row from which can be told what a core holds: those of delays, which
// are meant to keep it as busy as that, and those of what a packet costs.
type kind struct {
	section, row, what string
	each               float64 // KB to give the server for each of these people (docs/memory.md)
}

var held = []kind{
	{delaySection, fives.name(), "rooms of 5, one camera", watching},
	{delaySection, tens.name(), "rooms of 10, two cameras", watching},
	{delaySection, middling.name(), "rooms of 40, four cameras", watching},
	{delaySection, hundreds.name(), "rooms of 100, four cameras", watching},
	{delaySection, largest.name(), fmt.Sprintf("rooms of 300, %d cameras", largest.cameras), watching},
	{delaySection, webinars.name(), "webinars of 300, two cameras", watching},
	{costSection, largeRow, "rooms of 40, one camera, large, a real one's bits", watching},
	{costSection, audioRow, "rooms of 40, four microphones, no camera", listening},
}

const (
	comfortable = 0.7 // of a core
	// Of a core that does much less, or much more, nothing is told: the cost of a
	// packet falls with the number of packets.
	leastTold, mostTold = 0.5, 0.85
	// What docs/memory.md counts: MB of a server with nobody in, KB for who is sent
	// video and for all others, and how many times that is given to it.
	alone, watching, listening, spare = 64, 100, 40, 1.5
)

// given is how much memory to give a server to whose people belongs so much, in
// MB, as docs/memory.md counts it.
func given(ofPeople float64) float64 { return spare * (alone + ofPeople) }

// capacity is what a core holds of one kind when it is as busy as is comfortable.
type capacity struct {
	people  float64
	rate    float64 // Mbit/s, both ways together
	perHead float64 // KB of memory
}

// capacity tells it from a row in which so much of a core was busy.
func (e *entry) capacity(cores, each float64) (capacity, bool) {
	var rooms, people float64
	_, err := fmt.Sscanf(e.Name, "%f x %f", &rooms, &people)
	if found, ok := median(e.Runs, roomsIn); ok {
		rooms = found
		_, err = fmt.Sscanf(e.Name, asManyRooms+" x %f", &people)
	}
	rate, said := median(e.Runs, "Mbit/s")
	live, weighed := median(e.Runs, "live KB each")
	if err != nil || !said || !weighed || cores <= 0 {
		return capacity{}, false
	}
	times := comfortable / cores
	return capacity{times * rooms * people, times * rate, max(each, live)}, true
}

// line is a line of the table.
func (c capacity) line(what string, e *entry) string {
	at := cell(e.Runs, "server cores")
	if len(e.Runs) == 1 {
		at += ", once"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", what, number(c.people), number(c.rate), number(given(c.people*c.perHead/1024)), at, cell(e.Runs, lateTail), cell(e.Runs, "mean run"))
}

const holdsIntro = `
## What a core holds

| | people | Mbit/s | MB | measured at | added p99 ms | mean run |
|---|---:|---:|---:|---:|---:|---:|
%s

- People: how many one core of this machine carries when it is 70 %% busy. With more the server lets people in later and sends
  less video; audio suffers last. It is told in proportion from a row below, where so much of a core was busy ("measured at", in
  cores). All people of a room see all its cameras, as tiles or, where it says "large", one on the whole screen. With each
  camera goes a microphone, and all others of the room have neither, as in a webinar.
- Mbit/s: what the network takes then, both ways together, with the load's cameras, which send 90, 230 and 550 kbit/s. Real ones
  send about twice that: plan with twice the column, and one to two Mbit/s instead of it for each person who looks at one large
  picture. Neither comes on top of the column. Where it says "a real one's bits", the column is what real ones take. Real
  thumbnails are a packet a picture as well; larger ones are several, which leave together and cost less each.
- Added p99 ms: how long media stayed in the server then, but for a hundredth of the packets ("Delay").
- Nobody has measured rooms in which everybody has a camera: they hold fewer people.
- Mean run: how many datagrams leave with one message of a system call, which decides most of what a packet costs.
- MB: the memory to give a server with these people, by the formula of [memory.md](memory.md), or with what was measured of each
  if that was more. A part of it is room for garbage, for which the process takes up to 128 MB where there is more.
- Rooms of another size: take the line beside it that holds fewer people.
- Different meetings on one core: the parts of it that they take add up. Half of the people of one line and half of those of another fill it.
- Several cores: each has one worker, and a new room goes to the one with least to do, so that people and Mbit/s of cores add up.
  That is the design, and was not measured. A room that one core cannot carry is spread over several (ARCHITECTURE.md, "When one
  core is not enough"): %s.
- People who come at once take CPU time too, %s.
- Another machine: the proportions hold better than the numbers. Measure one row there, with two cores and nothing else to do,
  and compare the people of which this table then tells there:
  ` + "`./bench -only '^%s$' -runs 2 -out /tmp/bench`" + `.
`

// holds writes what can be told of a core, if anything was measured.
func holds(out *strings.Builder, entries []entry) {
	var lines, refused, absent []string
	var told []entry
	known, sample := map[string]capacity{}, ""
	for _, h := range held {
		e := find(entries, h.section, h.row)
		cores, _ := median(e.Runs, "server cores")
		c, ok := e.capacity(cores, h.each)
		switch {
		case !ok:
			absent = append(absent, h.what)
		case e.cut(entries):
			refused = append(refused, h.what+" (a part was cut)")
		case cores < leastTold || cores > mostTold:
			refused = append(refused, fmt.Sprintf("%s (measured at %s cores, which is too far from %g)", h.what, number(cores), comfortable))
		default:
			lines, known[h.row], told = append(lines, c.line(h.what, &e)), c, append(told, e)
			if sample == "" || h.row == middling.name() {
				sample = h.row
			}
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(out, holdsIntro+"%s", strings.Join(lines, "\n"), spreadRoom(entries), coming(entries), sample, example(known))
	if slices.ContainsFunc(told, func(e entry) bool { return !e.together(&told[0]) }) {
		out.WriteString("\nThe rows are not all of one day, and this machine is not equally fast on all: \"The time before\" shows by how much.\n")
		notes(out, told)
	}
	if len(absent) > 0 {
		fmt.Fprintf(out, "\nNot measured: %s.\n", strings.Join(absent, "; "))
	}
	if len(refused) > 0 {
		fmt.Fprintf(out, "\nMeasured, but nothing is told from it: %s.\n", strings.Join(refused, "; "))
	}
}

// spreadRoom is what was measured of a room on two cores.
func spreadRoom(entries []entry) string {
	e := find(entries, mediaSection, onTwoCores)
	cores, ok := median(e.Runs, "server cores")
	lent, said := median(e.Runs, "lent %")
	if !ok || !said {
		return "how well was not measured"
	}
	return fmt.Sprintf(`of that one row was measured, "%s", on cores which the load shared: %s cores, and %s %% of the packets sent by the second`,
		onTwoCores, number(cores), number(lent))
}

// coming is what those take who come.
func coming(entries []entry) string {
	e := find(entries, roomSection, "1 x 300, muted")
	if each, ok := median(e.Runs, "CPU-ms a join"); ok {
		return fmt.Sprintf(`%s ms each in a room of 300 ("%s")`, number(each), roomSection)
	}
	return fmt.Sprintf(`which the tables of "%s" show`, roomSection)
}

// What the example has: people in rooms of twenty, a webinar, and what is counted
// of a camera's bits.
const (
	inTwenties, inWebinar = 500.0, 300.0
	real                  = 2
)

// example is how big a machine has to be, "" if the rows it takes are not known.
func example(known map[string]capacity) string {
	ten, isTen := known[tens.name()]
	forty, isForty := known[middling.name()]
	webinar, isWebinar := known[webinars.name()]
	if !isTen || !isForty || !isWebinar {
		return ""
	}
	size, room := 40, forty
	if ten.people < forty.people {
		size, room = 10, ten
	}
	a, b := inTwenties/room.people, inWebinar/webinar.people
	memory := given((inTwenties*room.perHead + inWebinar*webinar.perHead) / 1024)
	rate := a*room.rate + b*webinar.rate
	return fmt.Sprintf(`
An example: how big a machine for %g people in rooms of 20, and a webinar of %g with two cameras?

- Rooms of 20 lie between those of 10 and of 40, of which a core holds %s and %s people; the fewer are those of %d: %g / %s = %s cores.
- The webinar: %g / %s = %s cores.
- Together %s cores that are 70 %% busy: %s for plenum.
- Network: %s x %s + %s x %s = %s Mbit/s, with real cameras some %s.
- Memory: 1.5 x (64 MB + %s MB) = %s MB.
`, inTwenties, inWebinar,
		number(ten.people), number(forty.people), size, inTwenties, number(room.people), number(a),
		inWebinar, number(webinar.people), number(b),
		number(a+b), count(int(math.Ceil(a+b)), "core"),
		number(a), number(room.rate), number(b), number(webinar.rate), number(rate), number(real*rate),
		number(memory/spare-alone), number(memory))
}
