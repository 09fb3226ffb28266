package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// Person is one participant in a few figures.
type Person struct {
	Index    int
	Name     string
	Room     string
	Endpoint string
	State    record.State
	Began    time.Duration
	Join     time.Duration // 0 if it did not get into the call
	InCall   bool
	Expected uint64
	Lost     uint64
	DelayP50 time.Duration
	DelayP99 time.Duration
	Freezes  int
	Frozen   time.Duration
	Reasons  []string // why it fared badly, the worst first; none if all was well
	score    float64
}

// Loss is the share of packets that never came, 0 to 1.
func (p *Person) Loss() float64 { return share(p.Lost, p.Expected) }

// From where on something is worth a word.
const (
	slowJoin  = 3 * time.Second
	muchLoss  = 0.001
	longDelay = 250 * time.Millisecond
)

// reason is a reason with its weight: about how many seconds of a broken
// meeting it is worth.
type reason struct {
	weight float64
	text   string
}

// senders is who sends in a room.
type senders struct{ audio map[int]bool }

// people makes a list of everybody who began, the worst first.
func people(r *record.Report) []Person {
	rooms := map[string]*senders{}
	for i := range r.Participants {
		noteSender(&r.Participants[i], rooms)
	}
	var out []Person
	for i := range r.Participants {
		if p := &r.Participants[i]; p.State != record.Waiting {
			out = append(out, person(p, rooms[p.Room]))
		}
	}
	slices.SortStableFunc(out, func(a, b Person) int { return cmp.Compare(b.score, a.score) })
	return out
}

// noteSender notes who has sent audio for a while.
func noteSender(p *record.Participant, rooms map[string]*senders) {
	if rooms[p.Room] == nil {
		rooms[p.Room] = &senders{audio: map[int]bool{}}
	}
	if p.Media == nil || p.State != record.InCall {
		return
	}
	for _, s := range p.Media.Sending {
		if s.Height == 0 && s.Packets > 100 {
			rooms[p.Room].audio[p.Index] = true
		}
	}
}

func person(p *record.Participant, room *senders) Person {
	out := Person{Index: p.Index, Name: p.Name, Room: p.Room, Endpoint: p.Endpoint, State: p.State, Began: p.Began}
	if out.Endpoint == "" {
		out.Endpoint = "-"
	}
	out.Join, out.InCall = JoinTime(p)
	all := errorReasons(p)
	all = append(all, joinReasons(p, &out)...)
	if p.Media != nil {
		all = append(all, mediaReasons(p, &out, room)...)
	}
	if p.Silent >= time.Second {
		all = append(all, reason{10 * p.Silent.Seconds(), fmt.Sprintf("received nothing at all for %s", Brief(p.Silent))})
	}
	all = append(all, signallingReasons(p)...)
	slices.SortStableFunc(all, func(a, b reason) int { return cmp.Compare(b.weight, a.weight) })
	for _, r := range all {
		out.Reasons = append(out.Reasons, r.text)
		out.score += r.weight
	}
	return out
}

func errorReasons(p *record.Participant) []reason {
	var out []reason
	for _, e := range p.Errors {
		text := e.Cause
		if e.Step != "" {
			text = fmt.Sprintf("%s: %s", e.Step, e.Cause)
		}
		if e.Count > 1 {
			text += fmt.Sprintf(" (%d times)", e.Count)
		}
		weight := 2.0
		if e.Fatal {
			weight, text = 1000, "failed at "+text
			if e.Step == "" {
				text = "failed: " + e.Cause
			}
		}
		out = append(out, reason{weight, text})
	}
	return out
}

// joinReasons says what was wrong with getting in.
func joinReasons(p *record.Participant, out *Person) []reason {
	into := "call"
	if p.NoMedia {
		into = "room"
	}
	switch {
	case out.InCall && out.Join > slowJoin:
		step, took := slowest(p)
		return []reason{{out.Join.Seconds(), fmt.Sprintf("took %s to get into the %s, of which %s for the step %q", Brief(out.Join), into, Brief(took), step)}}
	case out.InCall || p.State == record.Failed || p.State == record.Left || waitsAlone(p):
		return nil
	}
	last := "nothing"
	if n := len(p.Steps); n > 0 {
		last = string(p.Steps[n-1].Step)
	}
	return []reason{{500, fmt.Sprintf("did not get into the %s; the last step it took was %q", into, last)}}
}

// slowest is the step that took the longest, on the way into the call.
func slowest(p *record.Participant) (step record.Step, took time.Duration) {
	for _, t := range p.Steps {
		late := t.Step == record.FirstAudio || t.Step == record.FirstKeyFrame || t.Step == record.Channel || t.Step == record.Offer && p.Alone
		if !late && t.Took > took {
			step, took = t.Step, t.Took
		}
	}
	return step, took
}

// mediaReasons says what was wrong with audio and video.
func mediaReasons(p *record.Participant, out *Person, room *senders) []reason {
	m := p.Media
	var audio, video Kind
	for i := range m.Streams {
		if m.Streams[i].Kind == "audio" {
			audio.add(&m.Streams[i])
		} else {
			video.add(&m.Streams[i])
		}
	}
	out.Expected, out.Lost = audio.Expected+video.Expected, audio.Lost+video.Lost
	out.Freezes, out.Frozen = video.Freezes, video.Frozen
	if m.Delay != nil {
		out.DelayP50, out.DelayP99 = m.Delay.Quantile(0.5), m.Delay.Quantile(0.99)
	}
	var all []reason
	add := func(when bool, weight float64, format string, args ...any) {
		if when {
			all = append(all, reason{weight, fmt.Sprintf(format, args...)})
		}
	}
	add(audio.Loss() > muchLoss, 400*audio.Loss(), "lost %s of the audio packets", Percent(audio.Loss()))
	add(video.Loss() > muchLoss, 200*video.Loss(), "lost %s of the video packets for good", Percent(video.Loss()))
	add(video.Freezes > 0, 0.5+video.Frozen.Seconds(), "pictures froze %s, %s together", times(video.Freezes), Brief(video.Frozen))
	add(out.DelayP99 > longDelay, out.DelayP99.Seconds(), "one packet in a hundred was on its way for %s or longer", Brief(out.DelayP99))
	others := len(room.audio)
	if room.audio[p.Index] {
		others--
	}
	add(p.State == record.InCall && others > 0 && audio.Packets == 0, 100, "heard nobody, though %d others sent audio", others)
	add(m.Forwarded > 0 && video.Packets == 0, 100, "saw nobody, though the bridge said that it forwards %d videos", m.Forwarded)
	add(m.KernelDrops > 0, 0.1, "%d packets were lost in the generator's own queue", m.KernelDrops)
	add(m.Unauthentic > 0, 5, "%d packets could not be decrypted", m.Unauthentic)
	add(m.Malformed+m.ChannelMalformed > 0, 5, "%d packets or messages of the bridge could not be read", m.Malformed+m.ChannelMalformed)
	return all
}

// signallingReasons says what was wrong with the connections.
func signallingReasons(p *record.Participant) []reason {
	var all []reason
	add := func(n int, weight float64, format string) {
		if n > 0 {
			all = append(all, reason{weight * float64(n), fmt.Sprintf(format, times(n))})
		}
	}
	add(p.Resumes, 1, "its signalling connection broke and was resumed %s")
	add(p.Rejoins, 5, "it lost its session and joined anew %s")
	add(p.Reinvites, 3, "it was invited again %s")
	add(p.ChannelLost, 1, "its bridge channel broke %s")
	add(p.Signalling.Malformed, 5, "the server sent something that could not be read %s")
	return all
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
