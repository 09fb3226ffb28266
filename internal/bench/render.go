package main

import (
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strings"
)

//go:embed performance.head.md
var head string

// section says how a table is shown.
type section struct {
	title  string
	intro  string
	tables [][]string // columns of each; two where one would be too wide
}

var sections = []section{
	{machineSection, machineIntro, [][]string{machineColumns()}},
	{signallingSection, signallingIntro, [][]string{{"connect CPU-s", "join CPU-s", "join s", "change CPU-s", "idle CPU %", "MB", "peak MB", "KB each", "load CPU-s"}}},
	{mediaSection, mediaIntro, [][]string{
		{"server cores", "packets/s", "us per packet", videoEach, "loss %", "delay p50 ms", "delay p99 ms", "added p99 ms", "failed"},
		{stealing, "video share %", "mean run", workerBusy, videoLimit, "KB each", "live KB each", "lent %", "load cores"},
	}},
	{costSection, costIntro, [][]string{{"packets/s", "us per packet", "server cores", "video share %", videoEach, "mean run", "loss %", "KB each", "live KB each", "load cores", stealing, "failed"}}},
	{profileSection, profileIntro, [][]string{shareColumns(), {"us per packet", "CPU-ms a join", "server cores", "packets/s", videoEach, "mean run", "packets a flush", "turns/s", "load cores"}}},
	{delaySection, delayIntro, [][]string{
		{roomsIn, triesFor, "server cores", workerBusy, coreWait, "packets/s", videoEach, "mean run", "loss %", "added p50 ms", "added p99 ms", "added p99.9 ms", "load cores", "failed"},
		append(partColumns(), "turns/s", "packets a flush", "us per packet", stealing, loadEach),
	}},
	{crowdSection, crowdIntro, [][]string{
		{"accepted p50 s", "accepted last s", "DTLS p50 s", "DTLS last s", "audio p50 s", "audio last s", "picture p50 s", "picture last s", comingIn, "audio loss %", "video loss %", "failed"},
		{"packets/s", "us per packet", "server cores", workerBusy, stealing, "video share %", videoEach, "mean run", "loss %", "delay p50 ms", "delay p99 ms", "added p99 ms", "KB each", "load KB each", "load cores"},
	}},
	{roomSection, roomIntro, growthColumns},
	{roomsSection, roomsIntro, growthColumns},
	{restSection, restIntro, [][]string{{"CPU %", "packets/s", "CPU-ms a join", "KB each", "live KB each", "load cores", stealing, "failed"}}},
	{churnSection, churnIntro, [][]string{{"minutes", "joins", "warm live MB", "end live MB", "warm empty MB", "end empty MB", "warm empty objects", "end empty objects", "warm outside MB", "end outside MB", "warm MB", "end MB", "warm goroutines", "end goroutines", "load cores"}}},
}

func machineColumns() []string {
	var all []string
	for _, w := range walks {
		all = append(all, w.name+" ns", w.name+" least ns", w.name+" most ns", w.name+" longest ms")
	}
	return append(all, stealing)
}

func partColumns() []string {
	var all []string
	for _, part := range parts {
		all = append(all, part+" p50 ms", part+" p99 ms")
	}
	return all
}

var growthColumns = [][]string{{"packets/s", "us per packet", "server cores", videoEach, "mean run", "loss %", "CPU-ms a join", "KB each", "live KB each", "added p99 ms", "load cores", "failed"}}

// remarks are what can be told from a table's figures, "" if they are missing.
var remarks = map[string]func(entries, all []entry) string{
	delaySection: func(entries, _ []entry) string {
		return strings.TrimSpace(tails(entries) + "\n\n" + collectionsMatter(entries))
	},
	churnSection:   func(entries, _ []entry) string { return verdictOfChurn(entries) },
	profileSection: besideRows,
	mediaSection:   inContainers,
	crowdSection:   inContainers,
}

const machineIntro = `What this machine is like when nothing is measured on it. For twenty seconds a program on the server's core reads numbers from
memory, each of which says where the next one is: 20,000 from 256 KB, which fit into the caches that a core has for itself, then
20,000 from 4 MB, which do not, and so on. "256 KB ns" and "4 MB ns" are the CPU time of one read; "256 KB least ns",
"256 KB most ns", "4 MB least ns" and "4 MB most ns" are that of the half seconds in which it was shortest and longest.
"256 KB longest ms" and "4 MB longest ms" are the longest that 20,000 reads took by the clock. Steal is told below, with the
columns of "Media".

A packet from one of a thousand people is like reads from the 4 MB: since the last one, what the server knows of its sender has
made room in the caches for what it knows of others. Where "most" is several times "least", the same packets take more CPU time in
one second than in another. Nothing within the machine says why; most likely others use the same processor.
`

const signallingIntro = `XMPP alone, without media; "81 x 40" is 81 rooms of 40 people. Clients log in over WebSocket without TLS (connect), all join
their rooms at once with presences of 1.3 KB until everybody has everybody's presence (join), all change their presence at once
(change), and are silent for twenty seconds (idle); in the largest row a thousand join a second. plenum runs as
` + "`plenum serve --roles signal`" + `, Prosody with ` + "`internal/bench/peers/prosody.cfg.lua`" + ` and each of its two ways of collecting
garbage, of which the slower stands in one shape only.

"MB" is resident memory at the end of the silence, after ten seconds of which plenum gives back what it does not use, "KB each" what
a participant adds to it, and "peak MB" the most that it ever was. "Load CPU-s" is what the load took for joining.
Prosody was not seen to do anything in the silence (idle CPU %), not even to collect its garbage: its "MB" is its peak, and says
more of its collector than of what a participant needs.

Most of Prosody's memory is what it keeps until it is acknowledged (XEP-0198). Clients acknowledge as Jitsi's do, when they are
asked; but Prosody asks each about once in a storm, and keeps a copy of each stanza for each receiver until then. Without
stream management (` + "`./bench storm -unmanaged`" + `) it was 540 MB instead of 2,300 for 81 x 40, with 15.5 s of CPU time to join
instead of 16.5, and 320 MB instead of 1,400 for 1 x 321, with 8.6 instead of 12.5 s: seen once, by hand, with the generational
collector.
`

const mediaIntro = `Synthetic participants (` + "`plenum loadtest`" + `) with VP8 in three layers and Opus call through one server. "1 x 300, 20 cameras" is one
room of 300 people, of whom 20 have camera and microphone; one or two of a room talk at a time. In tile view everybody asks for
every camera, but no more than 25, as high as the web client's tiles are (720 lines for one, 360 for up to five, 180 for more),
in stage view for the speaker large and some of the rest small; these cameras send about half the bits of real ones. All figures
are of the time in which everybody is in. The columns, here and below:

- packets/s: audio and video packets forwarded, each counted once a receiver. Video share %: which part of them is video.
- us per packet: the server's whole CPU time, signalling included, for each of them, received, encrypted (AES-128-GCM) and sent.
- video/s each: how many video packets a second a participant gets. "Cut" stands there if a part of what was asked for was left out:
  if the server told so of more than 5 % of the participants; if of each camera came 5 % less than in another row of rooms with as
  many people and cameras, or than its thirty pictures a second; or, where there is no camera, if 5 % of the voices are missing. Such a
  row forwards other packets, and its time for a packet does not compare. What the worker went by stands below the table.
- worker busy: the part of the time in which the worker that forwards media was at work, by its own clock. That goes on while
  something else has its core, so it may be more than "server cores". Where video is cut, it settles at 0.8 to 0.9. It is less
  while video that was cut when many came is coming back, in steps of some seconds, and where room is kept for voices that were
  heard lately.
- limit/s each: how many video packets a second the worker lets one receiver have; no figure is no limit.
- mean run: how many packets left with one message of a system call. Those of one receiver that have one size can go together.
- steal %: how long the hypervisor let the server's core wait, by what the kernel says. It counts as CPU time.
- loss %: what receivers miss of what they were sent.
- delay p50, p99 ms: from the sender's to the receiver's process, both of which are the load. It is the median of the seconds'
  medians and the mean of their 99th percentiles, of those packets that the load decrypts.
- added p50, p99 ms: the server's part by its own clock (see "Delay"), of all packets of the last ten seconds, each until the last of
  its copies has left. One bad second weighs more in it than in "delay p99", so that it may be the larger one.
- CPU-ms a join: the server's CPU time until everybody was in, for each participant.
- KB each: resident memory a participant, with garbage, for which there is room of up to 128 MB whatever the number of
  participants (memory.md). Live KB each: what is left of it right after a collection, heap and stacks, with some 2 MB of
  buffers that the first packets make.
- lent %: with two cores, which the server shares with the load, what its busier worker had encrypted and sent by the other.

Somebody who only receives takes less than 24 KB of live heap in the bridge with one sender in the room, and less than 52 KB with
thirty (the test ` + "`TestMemoryOfReceivers`" + ` fails if it is more), and no goroutine (` + "`TestMemoryOfSessions`" + `).

"In 512 MB": the server in a control group of so much memory, in which nothing is configured (memory.md). The kernel must not
kill it, and no more people than without may fail.

Rows with the name of another server are of one that was running already (` + "`./bench beside`" + `): all its daemons' CPU time and
memory, for the packets that came to their receivers.
`

const costIntro = `What a core forwards when it has enough to do, as "server cores" says, and what one thing that is changed does to that.
One camera in each room with a real camera's bitrates that everybody sees large: its pictures take several packets each, which
leave in runs (mean run) where the kernel can segment them. That and its counterpart, UDP_SEGMENT and UDP_GRO, are switched
off in "without offload"; "HMAC-SHA1" is AES128_CM_HMAC_SHA1_80 instead of AES-128-GCM: both in fewer rooms, since with a
full core video would be cut, and nothing could be compared. And audio alone, in packets of 100 bytes. The more packets there
are in a second, the less each of them costs: rows of different load do not compare.
`

const profileIntro = `What the server's CPU time goes to, in percent of it, by CPU profiles (` + "`/debug/pprof/profile`" + `) taken while everybody is in. One
is of a server in whose rooms nothing happens any more, and two are of people who all come at once, from the first to the last
and until they have settled. A sample belongs to the innermost function that has a share of its own:

- sendmmsg, recvmmsg: the two system calls of media. On loopback the receivers' side of the kernel is in the first one.
- wait: the poller and the runtime's scheduler.
- seal: encryption for each receiver. group: runs to one destination, and what the kernel is told of them.
- forward: choosing, numbering and rewriting for each receiver.
- take in: what came from senders, once for all receivers: opened, looked at, kept.
- reports: receivers' reports, bandwidth estimates, and reports and feedback to others.
- layers: layers chosen anew, messages on bridge channels, what conferences do by time.
- handshake: DTLS and SCTP, with their cryptography. streams: TCP, TLS, HTTP and WebSocket, with their system calls.
- signalling: what XMPP, focus and web do with what came. memory: allocation, growth of stacks, and collection.
- other: the clock, address tables, timers, and what belongs to nobody.

A profile's packets are compared with those of the row of the same name below the table. The profiler itself takes some
8 %, seen on a machine that did nothing else; where it is half as much again, the machine did something else at the time,
the load's core takes more as well, and the shares are not told of as what is in the way of a goal.

What a turn of a worker has to send for a room leaves together, in system calls of up to a thousand datagrams (packets a flush).
Turns/s are how often the worker looks for what came. How many datagrams leave with one message of such a call (mean run) decides
most. Thumbnails are pictures of one packet, of
different sizes and from different senders, and few of them leave for one receiver in one turn. Waiting for
more would have to last longer than a packet may be delayed: at a hundred packets a second for one receiver, forty
milliseconds for four; and a voice is one packet every twenty milliseconds. Large pictures take several packets each, which
arrive and leave together: runs are as long as the pictures, without waiting for anything.
`

const delayIntro = `How long media stay in the server, from the kernel's stamp on a datagram that came in to the end of the system call that sends the
last of its copies: the bridge's own histogram, which is always on (` + "`plenum_bridge_delay_seconds`" + `), over the last ten seconds of
each run. There are as many rooms of one size as should keep the server's core about 70 % busy. "n x 40" finds how many that are:
a run whose core has more or less to do, or that leaves something out, is repeated with fewer or more rooms, up to twice ("tries").
"Server cores" says how busy the core was, and a bound is applied only where that is near. "Core wait %" is the time in which threads
of the server could run and had no core: from 1 % on that is what "p99" may tell of. Not all of it is lost: threads of the Go runtime
that may wait are in it too, each counted for no longer than it ran, which is a tenth of a per cent or two where nothing else runs.
Rooms of 300 are measured twelve seconds later than the others, when what was cut while people came has come back. Participants
send at moments of their own, to half a millisecond.

In one row the server is made to collect its garbage each second, which it would else hardly do in so short a time; what that does
is told below the tables.

The second table tells of what the time consists, in four parts that follow one another: "socket", until a read took the packet in,
since the worker was at something else, asleep, or had no core; "turn", until what was read with it and goes first was sent;
"work", until its copies went to the kernel; "send", the system call. The quantiles of parts do not add up to those of the whole.
Turns/s are how often the worker looked for what had come, "packets a flush" how many left with one system call.
"Load cores for 1,000" is how many cores the load would take for a thousand of these participants, if it took for each what it
took here.
`

const crowdIntro = `Many who come at once, or nearly so: scenarios of ` + "`plenum loadtest`" + ` (` + "`--show NAME`" + ` prints them). Storm-500 is one room of
500 with five cameras, forum-321 one of 321, and forum-81x40 is 81 rooms of 40 with four cameras and microphones each, 3,240
people; in the muted row everybody has camera and microphone and nobody sends.

The first table is of coming in. Accepted: from a participant's first request to its accepted Jingle session. DTLS: to the keys of
its media, which may be there before the answer to session-accept is. Audio: to the first packet of somebody else's microphone.
Picture: to the first that is complete and needs no other before it. "Last" is the slowest of all who got so far. These are times
of server and load, which have one core each: in storm-500 the load reads a quarter of a million presences. "Coming in CPU-s" is
what the server took until its bridge had everybody. Audio loss % and video loss % are from the first participant on.

The second table is of the time when all are in. Forum-81x40 asks for far more than one core can forward: video goes first, then the
microphones of those who do not talk; one voice in each of 81 rooms alone is 158,000 packets a second. That "audio last" is
late is then not the server's doing: with one voice in each room let through, who talks hears nobody before somebody else talks, and
of the 81 who begin one has the word for nearly half a minute (the conversations are drawn by lot, the same each time). Lost is
what a receiver misses of what it was sent: video that the server did not even begin to send is not in it, and makes "video/s
each" less. "Load KB each" is the memory that the load takes for each.
`

const roomIntro = `Does the server's work grow faster than what is to be done? In the rows with one voice somebody talks and all others listen, which
fits into a core with a thousand of them. In "muted" rooms everybody has camera and microphone, announces them and sends neither:
they show what it costs to come in (WebSocket, XMPP, conference request, offer, ICE, DTLS, bridge channel, at fifty people a
second). Who comes is told of everybody who is there, and everybody of the newcomer, by presences and by two sources: a room of n
makes n x (n - 1) times that one person is told of another, which is n - 1 times for each join.

Below each picture stands what a further one took, from one size to the next. CPU time grows faster than the work if that is more
than it was a step before, by a quarter or more; the first step is compared with what one took on average.
`

const roomsIntro = `The same with one to three hundred rooms of five people: here the work of a join is the same in all rows.
`

const restIntro = `A thousand people have come with microphone and camera, announced both, and muted both; half a minute in which none of them does
anything. "CPU %" is of one core, of the server's whole process: ICE checks (each client's every 2.5 s, and the server's own),
XMPP pings, and reports, as often as a browser sends them (loadtest.md). With "silence" microphones go on sending, five packets a
second each, as with lib-jitsi-meet in a browser that is asked for pauses, which it is by default (` + "`focus.opus-dtx`" + `).
`

const churnIntro = `Does the server's memory grow with time? ` + "`./bench churn`" + ` lets a hundred people, in rooms of ten with three cameras, leave and
come back twice a minute each, for an hour: it is meant for the night. "Warm" is after a fifth of the time and "end" at the end
of it; everybody leaves each time, before the server is looked at without them.

- live MB: heap and stacks right after a collection of garbage, during calls; a mean of one look a second. Half of it are
  packets kept to be sent again, and these are as many as come: where the machine does something else for a while, less video
  comes and less is live. A quarter more at the end is allowed.
- empty MB, empty objects, goroutines: what is there when everybody has left. A tenth more is allowed, and on top of it 4 MB
  that a socket's buffers grow by once, and five goroutines that come and go.
- outside MB: what of the resident size is not the Go runtime's, during calls. A tenth and 2 MB are allowed.
- MB: the resident size, of which up to 128 MB are room for garbage (memory.md); it is not judged.

Minutes are how long it took, and joins how many came, the first ones included. It fails too if fewer came back than should have.
`

// render writes performance.md.
func render(b *book) []byte {
	var out strings.Builder
	fmt.Fprintf(&out, head, inMinutes(lasts(rows(), asUsual)))
	holds(&out, b.Rows)
	missedMusts(&out, b.Rows)
	for _, s := range sections {
		entries := slices.DeleteFunc(slices.Clone(b.Rows), func(e entry) bool { return e.Section != s.title })
		absent := missing(s.title, b.Rows)
		if len(entries) == 0 {
			if absent != "" {
				fmt.Fprintf(&out, "\n## %s\n%s", s.title, absent)
			}
			continue
		}
		fmt.Fprintf(&out, "\n## %s\n\n%s\n", s.title, s.intro)
		for _, p := range plots[s.title] {
			if chart := p.draw(entries, b.Rows); chart != "" {
				out.WriteString(chart + "\n")
			}
		}
		s.show(&out, entries, b.Rows)
		judge(&out, s.title, b.Rows)
		if say := remarks[s.title]; say != nil {
			if text := say(entries, b.Rows); text != "" {
				fmt.Fprintf(&out, "\n%s\n", text)
			}
		}
		if c, ok := comparisons[s.title]; ok {
			c.compare(&out, entries)
		}
		limits(&out, entries, b.Rows)
		variants(&out, entries, b.Rows)
		notes(&out, entries)
		out.WriteString(absent)
	}
	steps(&out, b.Rows)
	return []byte(out.String())
}

// missing says which rows of a section were never measured, "" for none.
func missing(title string, all []entry) string {
	var names []string
	for _, r := range rows() {
		if r.section == title && find(all, title, r.name).Name == "" {
			names = append(names, r.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("\nNot measured: %s.\n", strings.Join(names, "; "))
}

// show writes the tables: medians, with the spread where it is wide enough to be seen.
func (s *section) show(out *strings.Builder, entries, all []entry) {
	for i := range s.tables {
		columns, entries := s.filled(i, entries)
		if len(entries) == 0 {
			continue
		}
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(out, "| | %s |\n|---|---:|%s\n", strings.Join(append([]string{"runs"}, columns...), " | "), strings.Repeat("---:|", len(columns)))
		for _, e := range entries {
			fmt.Fprintf(out, "| %s | %s |", e.title(all), e.often())
			for _, c := range columns {
				fmt.Fprintf(out, " %s |", e.cell(c, all))
			}
			out.WriteByte('\n')
			if s.title == profileSection {
				before(out, columns, e)
			}
		}
	}
}

// filled is what there is to show of a table: columns that some row has, and rows
// that have some. The first table has all rows.
func (s *section) filled(table int, entries []entry) (columns []string, with []entry) {
	for _, c := range s.tables[table] {
		if slices.ContainsFunc(entries, func(e entry) bool { return e.has(c) }) {
			columns = append(columns, c)
		}
	}
	for _, e := range entries {
		if table == 0 || slices.ContainsFunc(columns, e.has) {
			with = append(with, e)
		}
	}
	return columns, with
}

// has says whether the table shows this figure of the row.
func (e *entry) has(column string) bool {
	if _, now := median(e.Runs, column); now {
		return true
	}
	return e.Section == profileSection && slices.ContainsFunc(e.Earlier, func(p past) bool { _, then := p.Medians[column]; return then })
}

// title is the row's name, with a mark if it cannot be compared with the row of
// which it is a variant.
func (e *entry) title(all []entry) string {
	name := e.Name
	if base := e.variantOf(all); base != nil && !e.together(base) {
		name += fmt.Sprintf(" (at %s: see below)", e.Commit)
	}
	return name
}

// cell is a figure of the row. Where it is that of the video that came, it says
// if more would have come from a server with less to do.
func (e *entry) cell(column string, all []entry) string {
	text := cell(e.Runs, column)
	switch n := e.cutRuns(); {
	case column != videoEach:
	case e.cut(all):
		text += ", cut"
	case n > 0:
		text += fmt.Sprintf(", cut in %d of %d", n, len(e.Runs))
	}
	return text
}

// before shows a row as it was at earlier commits, as rows below it.
func before(out *strings.Builder, columns []string, e entry) {
	for _, old := range e.Earlier {
		fmt.Fprintf(out, "| - at %s, %s | |", old.Commit, old.Date)
		for _, c := range columns {
			fmt.Fprintf(out, " %s |", cell([]figures{old.Medians}, c))
		}
		out.WriteByte('\n')
	}
}

// often is how many runs the row is of.
func (e *entry) often() string {
	if e.Failed > 0 {
		return fmt.Sprintf("%d, and %d failed", len(e.Runs), e.Failed)
	}
	return fmt.Sprint(len(e.Runs))
}

// notes say where and when the rows were measured, once for all that agree, and
// which those are if not all do.
func notes(out *strings.Builder, entries []entry) {
	type where struct{ machine, commit, date string }
	var order []where
	var versions []string
	names := map[where][]string{}
	for _, e := range entries {
		w := where{e.Machine, e.Commit, e.Date}
		if names[w] == nil {
			order = append(order, w)
		}
		names[w] = append(names[w], e.Name)
		if e.Version != "" && !slices.Contains(versions, e.Version) {
			versions = append(versions, e.Version)
		}
	}
	out.WriteByte('\n')
	for _, w := range order {
		which := ""
		if len(order) > 1 {
			which = ": " + strings.Join(names[w], "; ")
		}
		fmt.Fprintf(out, "Measured at %s on %s, %s%s.\n", w.commit, w.date, w.machine, which)
	}
	if len(versions) > 0 {
		fmt.Fprintf(out, "Prosody is of version %s.\n", strings.Join(versions, ", "))
	}
}

// median is that of a column, and false if no run has it.
func median(runs []figures, column string) (float64, bool) {
	all := sorted(runs, column)
	if len(all) == 0 {
		return 0, false
	}
	return middle(all), true
}

// middle is the median of sorted values, of which there is one at least.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func sorted(runs []figures, column string) []float64 {
	var all []float64
	for _, r := range runs {
		if v, ok := r[column]; ok {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

func cell(runs []figures, column string) string {
	all := sorted(runs, column)
	if len(all) == 0 {
		return "-"
	}
	if len(all) == 2 && number(all[0]) != number(all[1]) { // a range would say more than is known
		return number(all[0]) + ", " + number(all[1])
	}
	return spread(middle(all), all[0], all[len(all)-1])
}

// spread shows between what a figure lies, if that can be seen.
func spread(mid, low, high float64) string {
	if number(low) == number(high) {
		return number(mid)
	}
	return fmt.Sprintf("%s (%s-%s)", number(mid), number(low), number(high))
}

// count is so many of something.
func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// number writes three significant digits, and no fraction of large figures.
func number(v float64) string {
	digits := 0
	if a := math.Abs(v); a != 0 && a < 100 {
		digits = min(2-int(math.Floor(math.Log10(a))), 3)
	}
	return fmt.Sprintf("%.*f", digits, v)
}
