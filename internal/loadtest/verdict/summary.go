package verdict

import (
	"cmp"
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// Summary is a load test in figures and words.
type Summary struct {
	Target   string
	Began    time.Time
	Duration time.Duration

	Participants int // that began
	NoMedia      int // of these, who decline media
	Waiting      int // whose turn never came
	Joined       int // that came into their room
	InCall       int // that came into the call; who declines media: into the room
	Left         int // that have left, as planned
	Failed       int
	Unfinished   int // that were neither in the call nor failed at the end; who waits alone in a room is not counted

	Join  record.Histogram // from the beginning until in the call; waiting for other people is left out
	Steps []StepSum        // in the order of record.Steps; steps nobody took are left out
	First int              // that are left out of the step of the offer, as they came into an empty room

	Audio, Video Kind
	Listened     time.Duration    // of all together, in which they should have received media
	Silent       time.Duration    // of it, in which nothing at all came, for a second or longer
	SilentPeople int              // for whom that was so
	SilentFrom   time.Duration    // since the run began: from then on nobody received anything that should have; 0 if somebody did
	Delay        record.Histogram // sender to receiver
	Untimed      int              // video streams that are not in Delay: only pictures of VP8 tell when they were sent
	Heights      map[int]int      // height of pictures received at the end -> number of streams

	RateIn, RateOut       int64 // mean while somebody was in the call, bit/s
	PeakIn, PeakOut       int64
	Downlink, Uplink      Estimates
	Resumes, Rejoins      int
	Reinvites             int
	ChannelLost           int
	SpeakerChanges        int
	StanzasIn, StanzasOut uint64
	Unauthentic           uint64 // packets that could not be decrypted
	Malformed             uint64 // packets and messages that could not be read

	Errors []Cause // most frequent first

	Generator     record.Machine
	GeneratorCPU  float64      // cores, mean
	GeneratorPeak float64      // cores
	Sent          uint64       // packets of media
	Late          float64      // share of them sent too late
	Machines      []MachineSum // of several, each; none if it was one
	Server        *ServerSum

	People []Person // everybody, the worst first
	Words  []string // the verdict, a sentence each
	Beware []string // what else is to be known about the figures
}

// StepSum is how long one step took everybody.
type StepSum struct {
	Step  record.Step
	Took  record.Histogram // since the step it waits for
	Since record.Histogram // since the participant began
}

// Kind is what came of audio or of video.
type Kind struct {
	Streams    int
	Packets    uint64
	Expected   uint64
	Lost       uint64 // never came
	Recovered  uint64 // came only as a repetition
	Duplicates uint64
	Jitter     record.Histogram // one value a stream
	Frames     uint64
	Switches   int
	Freezes    int
	Frozen     time.Duration
	LongestGap time.Duration
}

// Loss is the share of packets that never came, 0 to 1.
func (k *Kind) Loss() float64 { return share(k.Lost, k.Expected) }

// Repaired is the share of packets that came only as a repetition.
func (k *Kind) Repaired() float64 { return share(k.Recovered, k.Expected) }

// Estimates are the bandwidth estimates of those who have one, in bit/s.
type Estimates struct {
	Count            int
	Min, Median, Max int64
}

// Cause is something that went wrong, and for how many.
type Cause struct {
	Cause  string
	Step   record.Step
	People int
	Times  int
	Fatal  bool
	Who    []string // some of them
}

// MachineSum is one of several machines that shared the test.
type MachineSum struct {
	record.Machine
	Used float64 // cores, mean
}

// LostMachines is how many of them could not tell to the end.
func (s *Summary) LostMachines() int {
	n := 0
	for i := range s.Machines {
		if s.Machines[i].Lost != "" {
			n++
		}
	}
	return n
}

// ServerSum is what the server needed.
type ServerSum struct {
	Source    string
	CPU, Peak float64 // cores
	Memory    uint64  // the most, bytes; 0 if unknown
}

// silence is the share of the time in which something should have come that
// nothing did, 0 to 1.
func (s *Summary) silence() float64 { return share(uint64(s.Silent), uint64(s.Listened)) }

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Judge makes the summary of a report.
func Judge(r *record.Report) *Summary {
	s := &Summary{Target: r.Target, Began: r.Began, Duration: r.Duration, Heights: map[int]int{}, Generator: r.Machine}
	steps := map[record.Step]*StepSum{}
	causes := map[string]*Cause{}
	var down, up []int64
	for i := range r.Participants {
		p := &r.Participants[i]
		if p.State == record.Waiting {
			s.Waiting++
			continue
		}
		s.Participants++
		if p.NoMedia {
			s.NoMedia++
		}
		s.state(p)
		s.steps(p, steps)
		s.counters(p)
		addCauses(p, causes)
		if m := p.Media; m != nil {
			s.media(m)
			down, up = append(down, m.DownlinkEstimate), append(up, m.UplinkEstimate)
		}
	}
	for _, step := range record.Steps() {
		if t := steps[step]; t != nil && step != record.Config {
			s.Steps = append(s.Steps, *t)
		}
	}
	s.Errors = sorted(causes)
	s.Downlink, s.Uplink = estimates(down), estimates(up)
	s.seconds(r)
	s.People = people(r)
	s.words()
	return s
}

// state counts how far a participant got.
func (s *Summary) state(p *record.Participant) {
	if _, ok := at(p, record.Room); ok {
		s.Joined++
	}
	join, in := JoinTime(p)
	if in {
		s.InCall++
		s.Join.Add(join)
	}
	switch {
	case p.State == record.Failed:
		s.Failed++
	case p.State == record.Left:
		s.Left++
	case !in && !waitsAlone(p):
		s.Unfinished++
	}
}

// at is when a participant was through with a step.
func at(p *record.Participant, step record.Step) (time.Duration, bool) {
	for _, t := range p.Steps {
		if t.Step == step {
			return t.At, true
		}
	}
	return 0, false
}

// waitsAlone reports whether nobody came after a participant that was alone:
// then no server invites it.
func waitsAlone(p *record.Participant) bool {
	_, offered := at(p, record.Offer)
	return p.Alone && !offered && !p.NoMedia && p.State == record.InRoom
}

// JoinTime is how long a participant took to get into the call: until its
// session-accept was confirmed and DTLS was over; who declines media: until it
// was in the room. Who was alone in the room waited for somebody else to come;
// that is left out. False if it did not get there.
func JoinTime(p *record.Participant) (time.Duration, bool) {
	end, ok := at(p, record.Room)
	if p.NoMedia || !ok {
		return end, ok
	}
	room := end
	for _, step := range []record.Step{record.Accepted, record.ICE, record.DTLS} {
		t, ok := at(p, step)
		if !ok {
			return 0, false
		}
		end = max(end, t)
	}
	if offer, ok := at(p, record.Offer); ok && p.Alone {
		end -= max(offer-room, 0)
	}
	return end, true
}

// steps adds a participant's steps. The first in a room is offered a session
// when the second comes: that says nothing about the server.
func (s *Summary) steps(p *record.Participant, all map[record.Step]*StepSum) {
	for _, t := range p.Steps {
		if t.Step == record.Offer && p.Alone {
			s.First++
			continue
		}
		sum := all[t.Step]
		if sum == nil {
			sum = &StepSum{Step: t.Step}
			all[t.Step] = sum
		}
		sum.Took.Add(t.Took)
		sum.Since.Add(t.At)
	}
}

func (s *Summary) counters(p *record.Participant) {
	s.Listened += p.Listened
	if p.Silent >= time.Second {
		s.Silent += p.Silent
		s.SilentPeople++
	}
	s.Resumes += p.Resumes
	s.Rejoins += p.Rejoins
	s.Reinvites += p.Reinvites
	s.ChannelLost += p.ChannelLost
	s.StanzasIn += p.Signalling.StanzasIn
	s.StanzasOut += p.Signalling.StanzasOut
	s.Malformed += uint64(p.Signalling.Malformed)
}

func (s *Summary) media(m *record.Media) {
	s.Delay.Merge(m.Delay)
	s.SpeakerChanges += m.SpeakerChanges
	s.Unauthentic += m.Unauthentic
	s.Malformed += m.Malformed + m.ChannelMalformed
	for i := range m.Streams {
		st := &m.Streams[i]
		if st.Kind == "audio" {
			s.Audio.add(st)
			continue
		}
		s.Video.add(st)
		if st.Codec != "" && st.Codec != "VP8" {
			s.Untimed++
		}
		if st.Height > 0 {
			s.Heights[st.Height]++
		}
	}
}

func (k *Kind) add(st *record.Stream) {
	k.Streams++
	k.Packets += st.Packets
	k.Expected += st.Expected
	k.Lost += uint64(max(st.Lost, 0))
	k.Recovered += st.Recovered
	k.Duplicates += st.Duplicates
	k.Jitter.Add(st.Jitter)
	k.Frames += st.Frames
	k.Switches += st.Switches
	k.Freezes += st.Freezes
	k.Frozen += st.Frozen
	k.LongestGap = max(k.LongestGap, st.LongestGap)
}

// maxWho is how many participants a cause names.
const maxWho = 5

// addCauses gathers errors by what happened and where.
func addCauses(p *record.Participant, causes map[string]*Cause) {
	for _, e := range p.Errors {
		key := string(e.Step) + "\x00" + e.Cause
		c := causes[key]
		if c == nil {
			c = &Cause{Cause: e.Cause, Step: e.Step}
			causes[key] = c
		}
		c.People++
		c.Times += e.Count
		c.Fatal = c.Fatal || e.Fatal
		if len(c.Who) < maxWho {
			c.Who = append(c.Who, p.Name+" in "+p.Room)
		}
	}
}

// sorted puts the causes that most suffered from first.
func sorted(causes map[string]*Cause) []Cause {
	var out []Cause
	for _, c := range causes {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.People, a.People), cmp.Compare(b.Times, a.Times), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Cause, b.Cause))
	})
	return out
}

func estimates(all []int64) Estimates {
	all = slices.DeleteFunc(all, func(v int64) bool { return v <= 0 })
	if len(all) == 0 {
		return Estimates{}
	}
	slices.Sort(all)
	return Estimates{Count: len(all), Min: all[0], Median: all[len(all)/2], Max: all[len(all)-1]}
}

// seconds takes what is known of each second.
func (s *Summary) seconds(r *record.Report) {
	var in, out, busy, late uint64
	for _, sec := range r.Seconds {
		s.GeneratorPeak = max(s.GeneratorPeak, sec.CPU)
		s.PeakIn, s.PeakOut = max(s.PeakIn, int64(sec.BitsIn)), max(s.PeakOut, int64(sec.BitsOut))
		late += sec.Late
		s.Sent += sec.PacketsOut
		if sec.InCall > 0 {
			busy++
			in += sec.BitsIn
			out += sec.BitsOut
		}
	}
	s.RateIn, s.RateOut = int64(in/max(busy, 1)), int64(out/max(busy, 1))
	s.Late = share(late, s.Sent)
	if r.Duration > 0 {
		s.GeneratorCPU = r.Machine.CPU.Seconds() / r.Duration.Seconds()
		for _, m := range r.Machines {
			s.Machines = append(s.Machines, MachineSum{m, m.CPU.Seconds() / r.Duration.Seconds()})
		}
	}
	s.SilentFrom = silentFrom(r.Seconds)
	if r.Server != nil {
		s.server(r.Server)
	}
}

// silentFrom is when the seconds began in which nobody received anything to
// the end, though some should have; 0 if there are none.
func silentFrom(all []record.Second) (from time.Duration) {
	for i := len(all) - 1; i > 0 && all[i].Silent == all[i].Listening; i-- {
		switch {
		case all[i].Silent > 0:
			from = all[i-1].At
		case all[i].PacketsIn > 0:
			return from
		}
	}
	return from
}

func (s *Summary) server(r *record.Server) {
	sum := &ServerSum{Source: r.Source}
	for _, x := range r.Samples {
		sum.CPU += x.CPU / float64(len(r.Samples))
		sum.Peak = max(sum.Peak, x.CPU)
		sum.Memory = max(sum.Memory, x.Memory)
	}
	if len(r.Samples) > 0 {
		s.Server = sum
	}
	if r.Error != "" {
		s.Beware = append(s.Beware, "the server's own figures are not complete: "+r.Error)
	}
}
