package loadtest

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/mono"
)

// snapshot writes down what the peer has counted. It runs in the worker.
func (m *peer) snapshot() record.Media {
	c := m.count
	if m.member != nil {
		c.KernelDrops = m.member.KernelDrops()
	}
	if m.agent != nil {
		c.ICERTT = m.agent.RTT()
	}
	if m.up != nil {
		c.UplinkEstimate = m.up.Estimate()
	}
	if m.delay != nil {
		h := *m.delay
		c.Delay = &h
	}
	c.Streams = make([]record.Stream, 0, len(m.order))
	for _, s := range m.order {
		c.Streams = append(c.Streams, streamRecord(s, m.w.now))
	}
	if m.audio != nil {
		c.Spoke = m.audio.Spoke()
		c.Sending = append(c.Sending, sendingRecord(&m.audio.Encoding, "opus", true, -1))
	}
	for _, v := range m.videos {
		for _, l := range v.Layers {
			c.Sending = append(c.Sending, sendingRecord(&l.Encoding, string(l.Codec()), l.Active, v.Limit()))
		}
	}
	return c
}

func streamRecord(s *lmedia.Stream, now mono.Time) record.Stream {
	st := s.Stats(s.Clock)
	kind := "audio"
	if s.Video {
		kind = "video"
	}
	freezes, frozen, longest := s.Standstill(now)
	return record.Stream{
		SSRC: s.SSRC, Kind: kind, Source: s.Source, Codec: s.Codec, Desktop: s.Desktop,
		Packets: st.Packets, Bytes: st.Bytes, Expected: uint64(max(int64(st.Packets)+st.Lost, 0)),
		Lost: st.Lost - int64(s.Recovered), Recovered: s.Recovered, Duplicates: s.Duplicates, Jitter: st.Jitter,
		Frames: s.Frames, KeyFrames: s.KeyFrames, Height: s.Height, Switches: s.Switches,
		Freezes: freezes, Frozen: frozen, LongestGap: longest, Bitrate: s.LastRate(),
	}
}

func sendingRecord(e *lmedia.Encoding, codec string, active bool, limit int) record.Sending {
	return record.Sending{
		SSRC: e.SSRC, Source: e.Source, Codec: codec, Height: e.Height, Active: active, Limit: limit,
		Packets: e.Packets, Bytes: e.Bytes, Repeated: e.Repeated, KeyFrames: e.KeyFrames,
	}
}

// snapshots are those of everybody's present session, one question for each
// worker: a busy one answers a hundred a second.
func (r *run) snapshots() map[*peer]record.Media {
	peers := map[*worker][]*peer{}
	for _, p := range r.all {
		p.mu.Lock()
		if p.peer != nil {
			peers[p.w] = append(peers[p.w], p.peer)
		}
		p.mu.Unlock()
	}
	all := make(map[*peer]record.Media, len(r.all))
	for w, list := range peers {
		w.ask(func() {
			for _, m := range list {
				all[m] = m.snapshot()
			}
		})
	}
	return all
}

// record writes down everything about the participant. media has what its
// present session counted, if it has one.
func (p *participant) record(media map[*peer]record.Media) record.Participant {
	out := record.Participant{Index: p.index, Room: p.room.name, Name: p.name, Role: p.role.Name, Again: p.back, NoMedia: p.role.Signalling}
	p.story.tell(&out)
	out.Listened, out.Silent = p.hearing.listened, p.hearing.silence
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil {
		c := p.client.Counters()
		out.Endpoint = p.client.Endpoint()
		keep := out.Signalling.KeepAlives
		out.Signalling = record.Signalling{
			StanzasIn: c.StanzasIn, StanzasOut: c.StanzasOut, BytesIn: c.BytesIn, BytesOut: c.BytesOut,
			Occupants: p.client.Occupants(), Ping: p.ping, KeepAlives: keep, Malformed: c.Malformed, Ignored: c.Ignored + p.ignored,
		}
	}
	sessions := slices.Clone(p.past)
	if last, ok := media[p.peer]; ok {
		sessions = append(sessions, last)
	}
	out.Media = merge(sessions)
	return out
}

// merge makes one account of all sessions: counters are added, the rest is of
// the last one.
func merge(sessions []record.Media) *record.Media {
	if len(sessions) == 0 {
		return nil
	}
	out := sessions[len(sessions)-1]
	for _, s := range sessions[:len(sessions)-1] {
		for _, pair := range [][2]*uint64{
			{&out.PacketsIn, &s.PacketsIn}, {&out.BytesIn, &s.BytesIn}, {&out.PacketsOut, &s.PacketsOut}, {&out.BytesOut, &s.BytesOut},
			{&out.RTCPIn, &s.RTCPIn}, {&out.RTCPOut, &s.RTCPOut}, {&out.Opened, &s.Opened}, {&out.Unauthentic, &s.Unauthentic},
			{&out.Malformed, &s.Malformed}, {&out.UnknownSSRC, &s.UnknownSSRC}, {&out.UnknownType, &s.UnknownType},
			{&out.EarlyPackets, &s.EarlyPackets}, {&out.Padding, &s.Padding}, {&out.Retransmitted, &s.Retransmitted},
			{&out.NacksOut, &s.NacksOut}, {&out.NacksIn, &s.NacksIn}, {&out.KeyFramesOut, &s.KeyFramesOut},
			{&out.KeyFramesIn, &s.KeyFramesIn}, {&out.ChannelIn, &s.ChannelIn}, {&out.ChannelOut, &s.ChannelOut},
			{&out.ChannelMalformed, &s.ChannelMalformed}, {&out.Late, &s.Late}, {&out.KernelDrops, &s.KernelDrops},
		} {
			*pair[0] += *pair[1]
		}
		out.Streams = append(slices.Clone(s.Streams), out.Streams...)
		if out.Delay == nil {
			out.Delay = s.Delay
		} else {
			out.Delay.Merge(s.Delay)
		}
	}
	return &out
}

// book takes stock each second.
type book struct {
	r      *run
	last   tally
	spent  []time.Duration
	at     mono.Time
	cpu    time.Duration
	lost   int64
	freeze int
	delay  record.Histogram
	errors int64
	in     uint64
	out    uint64
	resume int

	unjudged time.Duration // since listen judged
}

func newBook(r *run) *book {
	return &book{r: r, spent: make([]time.Duration, len(r.workers)), at: r.began, cpu: r.cpu}
}

// mediaSum is what all workers have counted so far.
type mediaSum struct {
	tally
	lost    int64
	freezes int
	delay   record.Histogram
}

// stream adds one stream.
func (s *mediaSum) stream(st *lmedia.Stream) {
	s.lost += st.Stats(st.Clock).Lost - int64(st.Recovered)
	s.freezes += st.Freezes
}

// add takes a worker's sums; it runs in the worker.
func (s *mediaSum) add(w *worker, over time.Duration) {
	s.packetsIn += w.total.packetsIn
	s.packetsOut += w.total.packetsOut
	s.bytesIn += w.total.bytesIn
	s.bytesOut += w.total.bytesOut
	s.late += w.total.late
	s.lost += w.gone.lost
	s.freezes += w.gone.freezes
	s.kernelDrops += w.total.kernelDrops
	s.delay.Merge(&w.delay)
	for m := range w.peers {
		s.kernelDrops += m.member.KernelDrops()
		m.tellPulse()
		for _, st := range m.order {
			st.Rate(over)
			s.stream(st)
		}
	}
}

// second takes stock of the second that has passed.
func (b *book) second(now mono.Time) record.Second {
	over := now.Sub(b.at)
	s := record.Second{At: now.Sub(b.r.began)}
	var sum mediaSum
	for i, w := range b.r.workers {
		w.ask(func() { sum.add(w, over) })
		spent := time.Duration(w.spent.Load())
		s.BusiestShare = max(s.BusiestShare, float64(spent-b.spent[i])/float64(over))
		b.spent[i] = spent
	}
	b.people(&s)
	b.listen(&s, over)
	s.PacketsIn, s.PacketsOut = sum.packetsIn-b.last.packetsIn, sum.packetsOut-b.last.packetsOut
	s.BitsIn, s.BitsOut = 8*(sum.bytesIn-b.last.bytesIn), 8*(sum.bytesOut-b.last.bytesOut)
	s.Late, s.KernelDrops = sum.late-b.last.late, sum.kernelDrops-b.last.kernelDrops
	s.Lost, s.Freezes = sum.lost-b.lost, max(sum.freezes-b.freeze, 0)
	since := sum.delay.Since(&b.delay)
	s.DelayP50, s.DelayP99 = since.Quantile(0.5), since.Quantile(0.99)
	cpu := cpuTime()
	s.CPU = float64(cpu-b.cpu) / float64(over)
	errs := b.r.errors.Load()
	s.Errors = int(errs - b.errors)
	b.last, b.lost, b.freeze, b.delay, b.cpu, b.at, b.errors = sum.tally, sum.lost, sum.freezes, sum.delay, cpu, now, errs
	return s
}

// people counts where everybody is.
func (b *book) people(s *record.Second) {
	var in, out uint64
	resumes := 0
	for _, p := range b.r.all {
		p.story.mu.Lock()
		state := p.story.state
		resumes += p.story.resumes
		if !p.story.alone { // who is alone waits for people, not for the server
			s.WorstJoin = max(s.WorstJoin, p.story.inCall)
		}
		p.story.mu.Unlock()
		switch state {
		case record.Waiting:
			continue
		case record.InRoom:
			s.InRoom++
		case record.InCall:
			s.InRoom++
			s.InCall++
		case record.Failed:
			s.Failed++
		case record.Left:
			s.Left++
		}
		s.Began++
		if p.mu.TryLock() { // who is busy is counted the next time
			if p.client != nil {
				c := p.client.Counters()
				p.seenIn, p.seenOut = c.StanzasIn, c.StanzasOut
			}
			p.mu.Unlock()
		}
		in += p.seenIn
		out += p.seenOut
	}
	s.StanzasIn, s.StanzasOut, s.Resumes = in-b.in, out-b.out, resumes-b.resume
	b.in, b.out, b.resume = in, out, resumes
}

// machine says what the generator needed, and whether it was the limit.
func (r *run) machine(seconds []record.Second) record.Machine {
	m := record.Machine{Cores: runtime.GOMAXPROCS(0), CPU: cpuTime() - r.cpu, PeakMemory: peakMemory()}
	var packets, late, dropped uint64
	full, busy := 0, 0
	for _, s := range seconds {
		packets += s.PacketsOut
		late += s.Late
		dropped += s.KernelDrops
		if s.CPU > 0.9*float64(m.Cores) {
			full++
		}
		if s.BusiestShare > 0.9 {
			busy++
		}
	}
	if full > 0 && full*10 >= len(seconds) {
		m.Limited = append(m.Limited, fmt.Sprintf("in %d of %d seconds it used more than 90 %% of its %d cores", full, len(seconds), m.Cores))
	}
	if busy > 0 && busy*10 >= len(seconds) {
		m.Limited = append(m.Limited, fmt.Sprintf("in %d of %d seconds a media worker had hardly a pause", busy, len(seconds)))
	}
	if late*100 > packets {
		m.Limited = append(m.Limited, fmt.Sprintf("it was late %d times by more than %v (was the machine busy?)", late, tooLate))
	}
	if dropped > 0 {
		m.Limited = append(m.Limited, fmt.Sprintf("%d datagrams were lost in its own queues", dropped))
	}
	return m
}
