package verdict

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

const ms = time.Millisecond

// joined is a participant that took these steps.
func joined(i int, total time.Duration) record.Participant {
	return record.Participant{
		Index: i, Room: "r-1", Name: fmt.Sprintf("Audio %d", i+1), State: record.InCall, Began: time.Duration(i) * time.Second,
		Steps: []record.StepTime{
			{Step: record.Config}, {Step: record.TCP, At: ms, Took: ms}, {Step: record.Room, At: total / 4, Took: total/4 - ms},
			{Step: record.Offer, At: total / 2, Took: total / 4}, {Step: record.ICE, At: total * 3 / 4, Took: total / 4},
			{Step: record.DTLS, At: total, Took: total / 4}, {Step: record.Accepted, At: total * 3 / 4, Took: total / 4},
		},
		Media: &record.Media{
			Sending: []record.Sending{{Source: "a", Packets: 500}},
			Streams: []record.Stream{
				{Kind: "audio", Packets: 1000, Expected: 1000, Jitter: ms},
				{Kind: "video", Packets: 3000, Expected: 3000, Frames: 300, Height: 360, Jitter: 2 * ms},
			},
			Delay: spread(ms, 100), DownlinkEstimate: 2_000_000,
		},
	}
}

func spread(step time.Duration, n int) *record.Histogram {
	var h record.Histogram
	for i := range n {
		h.Add(time.Duration(i+1) * step)
	}
	return &h
}

func report(all ...record.Participant) *record.Report {
	return &record.Report{
		Target: "http://localhost", Duration: 10 * time.Second, Participants: all,
		Machine: record.Machine{Cores: 2, CPU: 5 * time.Second},
		Seconds: []record.Second{{At: time.Second, InCall: 1, BitsIn: 3e6, BitsOut: 1e6, CPU: 0.7, PacketsOut: 100}, {At: 2 * time.Second, CPU: 0.1}},
	}
}

func TestAllIsWell(t *testing.T) {
	s := Judge(report(joined(0, 100*ms), joined(1, 200*ms), joined(2, 400*ms)))
	if s.Participants != 3 || s.Joined != 3 || s.InCall != 3 || s.Failed+s.Unfinished+s.Left != 0 {
		t.Errorf("%+v", s)
	}
	text := strings.Join(s.Words, " ")
	for _, want := range []string{"All 3 participants got into the call", "Of 12,000 packets none was lost", "No picture froze", "0.50 of 2 cores and had time to spare"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in: %s", want, text)
		}
	}
	if s.Join.Max() != 400*ms || s.Heights[360] != 3 || s.RateIn != 3e6 || s.Downlink.Median != 2_000_000 || s.Uplink.Count != 0 {
		t.Errorf("%+v", s)
	}
	for _, p := range s.People {
		if len(p.Reasons) > 0 {
			t.Errorf("%s: %q", p.Name, p.Reasons)
		}
	}
}

// TestUntimed: a delay of audio alone is not told as one of everything.
func TestUntimed(t *testing.T) {
	for _, tc := range []struct {
		codecs    [2]string
		has, hasn string
	}{
		{[2]string{"VP8", "VP8"}, "half of the packets took", "is not known"},
		{[2]string{"VP8", "H264"}, "half of the packets took", "audio packets took"},
		{[2]string{"VP8", "AV1"}, "Of 1 of 2 video streams it is not known how long pictures took", "audio packets took"},
		{[2]string{"VP9", "AV1"}, "half of the audio packets took", "half of the packets"},
		{[2]string{"VP9", "AV1"}, "Of 2 of 2 video streams it is not known", "half of the packets"},
	} {
		a, b := joined(0, 100*ms), joined(1, 200*ms)
		a.Media.Streams[1].Codec, b.Media.Streams[1].Codec = tc.codecs[0], tc.codecs[1]
		text := strings.Join(Judge(report(a, b)).Words, " ")
		if !strings.Contains(text, tc.has) || strings.Contains(text, tc.hasn) {
			t.Errorf("%v: %s", tc.codecs, text)
		}
	}
}

// TestReasons: for each thing that can go wrong there is a reason, and those
// who fared worst come first.
func TestReasons(t *testing.T) {
	change := func(f func(p *record.Participant)) func() record.Participant {
		return func() record.Participant {
			p := joined(7, 300*ms)
			f(&p)
			return p
		}
	}
	for _, tc := range []struct {
		name, reason string
		p            func() record.Participant
	}{
		{"fatal", "failed at tcp: connection refused", change(func(p *record.Participant) {
			p.State, p.Steps, p.Media = record.Failed, nil, nil
			p.Errors = []record.Error{{Step: record.TCP, Cause: "connection refused", Fatal: true, Count: 1}}
		})},
		{"trouble", "ice: no answer (3 times)", change(func(p *record.Participant) {
			p.Errors = []record.Error{{Step: record.ICE, Cause: "no answer", Count: 3}}
		})},
		{"unfinished", `the last step it took was "offer"`, change(func(p *record.Participant) { p.State, p.Steps = record.InRoom, p.Steps[:4] })},
		{"slow", `took 8.0 s to get into the call, of which 2.0 s for the step`, func() record.Participant { return joined(7, 8*time.Second) }},
		{"audio loss", "lost 5.00 % of the audio packets", change(func(p *record.Participant) { p.Media.Streams[0].Lost = 50 })},
		{"video loss", "lost 1.00 % of the video packets for good", change(func(p *record.Participant) { p.Media.Streams[1].Lost = 30 })},
		{"freeze", "pictures froze twice", change(func(p *record.Participant) { p.Media.Streams[1].Freezes, p.Media.Streams[1].Frozen = 2, time.Second })},
		{"delay", "was on its way for", change(func(p *record.Participant) { p.Media.Delay = spread(5*ms, 100) })},
		{"deaf", "heard nobody, though 2 others", change(func(p *record.Participant) { p.Media.Streams = p.Media.Streams[1:] })},
		{"blind", "saw nobody", change(func(p *record.Participant) { p.Media.Streams, p.Media.Forwarded = p.Media.Streams[:1], 3 })},
		{"forged", "4 packets could not be decrypted", change(func(p *record.Participant) { p.Media.Unauthentic = 4 })},
		{"garbled", "2 packets or messages", change(func(p *record.Participant) { p.Media.Malformed = 2 })},
		{"resumed", "broke and was resumed once", change(func(p *record.Participant) { p.Resumes = 1 })},
		{"anew", "joined anew 2 times", change(func(p *record.Participant) { p.Rejoins = 2 })},
		{"channel", "its bridge channel broke 2 times", change(func(p *record.Participant) { p.ChannelLost = 2 })},
	} {
		tc.reason = strings.Replace(tc.reason, "twice", "2 times", 1)
		s := Judge(report(joined(0, 100*ms), joined(1, 200*ms), tc.p()))
		worst := s.People[0]
		if worst.Index != 7 || !slices.ContainsFunc(worst.Reasons, func(r string) bool { return strings.Contains(r, tc.reason) }) {
			t.Errorf("%s: %d, %q", tc.name, worst.Index, worst.Reasons)
		}
	}
}

// TestAlone: who comes into an empty room waits for people. That is neither a
// slow join nor, if nobody comes, an unfinished one.
func TestAlone(t *testing.T) {
	p := joined(0, 40*time.Second)
	p.Alone = true
	s := Judge(report(p))
	if s.Join.Max() != 30*time.Second || s.step(record.Offer) != nil { // the offer took ten
		t.Errorf("%v, %+v", s.Join.Max(), s.step(record.Offer))
	}
	if s.NoteOnSteps() != `The step "offer" leaves out one participant who was first in a room, and was offered a session when the next one came.` {
		t.Error(s.NoteOnSteps())
	}
	if s := Judge(report(p, p, joined(1, ms))); !strings.Contains(s.NoteOnSteps(), "leaves out 2 participants who were first in their rooms") {
		t.Error(s.NoteOnSteps())
	}
	if s := Judge(report(joined(1, ms))); s.NoteOnSteps() != "" {
		t.Error(s.NoteOnSteps())
	}
	p.State, p.Steps = record.InRoom, p.Steps[:3]
	if s := Judge(report(p)); s.Unfinished != 0 || s.Joined != 1 || s.InCall != 0 || len(s.People[0].Reasons) > 0 {
		t.Errorf("%+v", s)
	}
	p.Alone = false
	if s := Judge(report(p)); s.Unfinished != 1 {
		t.Errorf("%+v", s)
	}
}

// TestLimited: when the generator was the limit, the verdict says so.
func TestLimited(t *testing.T) {
	r := report(joined(0, 100*ms))
	r.Machine.Limited = []string{"it was tired"}
	s := Judge(r)
	if text := strings.Join(s.Words, " "); !strings.Contains(text, "may be better") || !strings.Contains(text, "tired") || strings.Contains(text, "spare") {
		t.Error(text)
	}
}

// TestMachines: of several machines each is told of, the lost ones in words,
// and what cannot be known of their clocks.
func TestMachines(t *testing.T) {
	r := report(joined(0, 100*ms), joined(1, 200*ms))
	r.Machines = []record.Machine{{Name: "here", Participants: 2, CPU: 4 * time.Second}, {Name: "there", Participants: 3, CPU: time.Second, Lost: "after 7 s: it is gone"}}
	s := Judge(r)
	text := strings.Join(s.Words, " ")
	if !strings.Contains(text, "machine there with 3 of the participants was lost (after 7 s: it is gone)") || strings.Contains(text, "machine here with") ||
		!strings.Contains(text, "where both are on the same machine, half") {
		t.Error(text)
	}
	if s.LostMachines() != 1 || s.Machines[0].Used != 0.4 || s.Machines[1].Used != 0.1 {
		t.Errorf("%+v", s.Machines)
	}
	for i := range r.Participants {
		r.Participants[i].Media.Delay = nil
	}
	if text := strings.Join(Judge(r).Words, " "); !strings.Contains(text, "is not known: no two participants of a room") {
		t.Error(text)
	}
}

func TestNothing(t *testing.T) {
	s := Judge(&record.Report{})
	if len(s.Words) == 0 || s.Words[0] != "Nobody began." {
		t.Errorf("%q", s.Words)
	}
	for name, m := range metrics {
		m.of(s) // must not panic
		if m.help == "" || m.name != name {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestAssertions(t *testing.T) {
	p := joined(1, 200*ms)
	p.Media.Streams[0].Lost = 20
	r := report(joined(0, 100*ms), p)
	r.Server = &record.Server{Source: "pid", Samples: []record.ServerSample{{CPU: 0.5}, {CPU: 1.5}}}
	s := Judge(r)
	for text, want := range map[string]bool{
		"join.max<=200ms": true, "join.max<200ms": false, "join.p99 < 2s": true, "join.p50>1s": false,
		"loss<0.3%": true, "loss<0.1%": false, "audio.loss=1%": true, "video.loss=0": true, "video.loss!=0": false,
		"step.tcp.max<2ms": true, "step.first-audio.p99<1s": false, "failed=0": true, "incall==2": true, "participants>=2": true,
		"cpu.generator<0.6": true, "cpu.server=1": true, "cpu.server.max>1": true, "rate.in>2.9M": true, "rate.in>4M": false,
		"downlink.min>=2000k": true, "uplink.min>1": false, "limited=0": true, "freezes=0": true, "delay.p50<60ms": true,
	} {
		all, err := Parse(text)
		if err != nil || len(all) != 1 {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if ok, found := all[0].Check(s); ok != want {
			t.Errorf("%q: %v, %s", text, ok, found)
		}
	}
	all, err := Parse("join.p99<2s, loss<0.1%,failed=0")
	if err != nil || len(all) != 3 || all[1].Text != "loss<0.1%" {
		t.Errorf("%+v, %v", all, err)
	}
	if _, found := all[1].Check(s); found != "it is 0.25 %" {
		t.Error(found)
	}
	for text, want := range map[string]string{
		"": "such as join.p99<2s", "loss": "such as", "<2": "such as", "join.p99<2": "duration", "loss<0.1": "percentage", "loss<x%": "percentage",
		"jion.p99<2s": "join.p50|p90|p99|p999|max", "step.nap.p50<1s": "first-key-frame", "failed<NaN": "number", "failed<-1": "number",
		"cpu.server<all": "cores", "rate.in<fast": "600k", "loss!1%": "write <", "loss<1%,": "such as", "join.p99<-2s": "duration",
		strings.Repeat("failed=0,", 200) + "failed=0": "more than", strings.Repeat("x", 5000): "more than",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// FuzzParse: whatever is read can be checked, and is read again from its own
// text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"join.p99<2s,loss<0.1%", "rate.in>=1.5M", "failed=0", "a<b<c", "loss<=1e-3%"} {
		f.Add(s)
	}
	s := Judge(report(joined(0, 100*ms)))
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse(text)
		if err != nil {
			return
		}
		for _, a := range all {
			a.Check(s)
			again, err := Parse(a.Text)
			if err != nil || len(again) != 1 || again[0].limit != a.limit || again[0].op != a.op {
				t.Fatalf("%q: %v", a.Text, err)
			}
		}
	})
}

// TestInto: who is muted is in the call; who declines media is in the room.
func TestInto(t *testing.T) {
	muted, declines := joined(0, ms), joined(1, ms)
	muted.Media = &record.Media{}
	declines.NoMedia, declines.Media = true, nil
	for _, tc := range []struct {
		all  []record.Participant
		want string
	}{
		{[]record.Participant{muted}, "All 1 participants got into the call"},
		{[]record.Participant{declines}, "All 1 participants got into the room"},
		{[]record.Participant{muted, declines}, "All 2 participants got into the call"},
	} {
		if text := strings.Join(Judge(report(tc.all...)).Words, " "); !strings.Contains(text, tc.want) {
			t.Errorf("%q is missing in: %s", tc.want, text)
		}
	}
}

// TestNothingSent: a condition about media says when there were none.
func TestNothingSent(t *testing.T) {
	p := joined(0, ms)
	p.Media = &record.Media{}
	r := report(p)
	r.Seconds = []record.Second{{At: time.Second, InCall: 1}}
	s := Judge(r)
	for name, want := range map[string]string{"audio.loss<1%": "nothing was sent", "delay.p99<1s": "nothing was sent", "cpu.server<1": "there is no such figure in this test"} {
		a, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if ok, found := a[0].Check(s); ok || found != want {
			t.Errorf("%s: %v, %q", name, ok, found)
		}
	}
}

// TestSilence: who is said to have received nothing for a second or longer did
// so for that long.
func TestSilence(t *testing.T) {
	short, long := joined(0, ms), joined(1, ms)
	short.Listened, short.Silent = 10*time.Second, 329*ms
	long.Listened, long.Silent = 10*time.Second, 2*time.Second
	for _, tc := range []struct {
		all    []record.Participant
		people int
		silent time.Duration
		want   string
	}{
		{[]record.Participant{short}, 0, 0, ""},
		{[]record.Participant{short, long}, 1, 2 * time.Second, "1 of 2 participants received nothing at all for a second or longer, though they should have: 2.0 s of the 20.0 s "},
	} {
		s := Judge(report(tc.all...))
		text := strings.Join(s.Words, " ")
		reasons := 0
		for _, p := range s.People {
			reasons += strings.Count(strings.Join(p.Reasons, " "), "received nothing at all for 2.0 s")
		}
		if s.SilentPeople != tc.people || s.Silent != tc.silent || s.Listened == 0 || !strings.Contains(text, tc.want) || strings.Contains(text, "329") || reasons != tc.people {
			t.Errorf("%d silent for %v, %d reasons: %s", s.SilentPeople, s.Silent, reasons, text)
		}
	}
}

// TestSilentFrom: from when on nothing came, if nothing came to the end.
func TestSilentFrom(t *testing.T) {
	sec := func(listening, silent int, in uint64) record.Second {
		return record.Second{Listening: listening, Silent: silent, PacketsIn: in}
	}
	for _, tc := range []struct {
		name string
		all  []record.Second
		want time.Duration // seconds
	}{
		{"all is well", []record.Second{sec(2, 0, 9), sec(2, 0, 9)}, 0},
		{"dead", []record.Second{sec(2, 0, 9), sec(2, 2, 0), sec(2, 2, 0)}, 1},
		{"dead, and nobody talks", []record.Second{sec(2, 0, 9), sec(2, 2, 0), sec(0, 0, 0), sec(2, 2, 0), sec(0, 0, 0)}, 1},
		{"dead for a time", []record.Second{sec(2, 0, 9), sec(2, 2, 0), sec(2, 0, 9)}, 0},
		{"one of two", []record.Second{sec(2, 0, 9), sec(2, 1, 4)}, 0},
		{"muted", []record.Second{sec(0, 0, 0), sec(0, 0, 0)}, 0},
	} {
		for i := range tc.all {
			tc.all[i].At = time.Duration(i+1) * time.Second
		}
		if got := silentFrom(tc.all); got != tc.want*time.Second {
			t.Errorf("%s: from %v", tc.name, got)
		}
	}
}
