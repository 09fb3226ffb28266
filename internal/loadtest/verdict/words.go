package verdict

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// words writes the verdict.
func (s *Summary) words() {
	say := func(format string, args ...any) { s.Words = append(s.Words, fmt.Sprintf(format, args...)) }
	s.wordsOfJoining(say)
	if all := s.Audio.Expected + s.Video.Expected; all > 0 {
		s.wordsOfMedia(say, all)
	}
	s.wordsOfSilence(say)
	if s.Resumes+s.Rejoins > 0 {
		say("Signalling connections were resumed %s, sessions begun anew %s.", times(s.Resumes), times(s.Rejoins))
	}
	s.wordsOfMachines(say)
	s.wordsOfLimits(say)
}

func (s *Summary) wordsOfJoining(say func(string, ...any)) {
	into := s.Into()
	switch {
	case s.Participants == 0:
		say("Nobody began.")
		return
	case s.InCall == s.Participants:
		say("All %s participants got into the %s, half of them within %s, 99 %% within %s, the slowest in %s.",
			Count(uint64(s.InCall)), into, Brief(s.Join.Quantile(0.5)), Brief(s.Join.Quantile(0.99)), Brief(s.Join.Max()))
	case s.InCall == 0:
		say("None of %s participants got into the %s.", Count(uint64(s.Participants)), into)
	default:
		say("%s of %s participants got into the %s, half of them within %s, 99 %% within %s.",
			Count(uint64(s.InCall)), Count(uint64(s.Participants)), into, Brief(s.Join.Quantile(0.5)), Brief(s.Join.Quantile(0.99)))
	}
	if s.Failed > 0 {
		say("%s failed%s.", Count(uint64(s.Failed)), s.mainCause())
	}
	if s.Unfinished > 0 {
		say("%s were still on their way in at the end.", Count(uint64(s.Unfinished)))
	}
	if s.Waiting > 0 {
		say("For %s more the test ended before their turn came.", Count(uint64(s.Waiting)))
	}
}

// NoteOnSteps says whom a step leaves out, "" if nobody.
func (s *Summary) NoteOnSteps() string {
	switch s.First {
	case 0:
		return ""
	case 1:
		return `The step "offer" leaves out one participant who was first in a room, and was offered a session when the next one came.`
	}
	return fmt.Sprintf(`The step "offer" leaves out %s participants who were first in their rooms, and were offered a session when the next one came.`, Count(uint64(s.First)))
}

// Into is what participants join: the call, or the room if all of them decline
// media.
func (s *Summary) Into() string {
	if s.Participants > 0 && s.NoMedia == s.Participants {
		return "room"
	}
	return "call"
}

// mainCause says why most of those who failed did.
func (s *Summary) mainCause() string {
	for _, c := range s.Errors {
		if c.Fatal {
			return ", most often because: " + c.Cause
		}
	}
	return ""
}

func (s *Summary) wordsOfMedia(say func(string, ...any), all uint64) {
	lost, again := s.Audio.Lost+s.Video.Lost, s.Audio.Recovered+s.Video.Recovered
	switch {
	case lost+again == 0:
		say("Of %s packets none was lost.", Count(all))
	case lost == 0:
		say("Of %s packets %s (%s) had to be sent again, and none was lost for good.", Count(all), Count(again), Percent(share(again, all)))
	default:
		say("Of %s packets %s (%s) were lost for good: %s of audio, %s of video; %s came when they were sent again.", Count(all), Count(lost), Percent(share(lost, all)),
			Percent(s.Audio.Loss()), Percent(s.Video.Loss()), Count(again))
	}
	s.wordsOfDelay(say)
	switch {
	case s.Video.Freezes > 0:
		say("Pictures froze %s, for %s together, in %d streams.", times(s.Video.Freezes), Brief(s.Video.Frozen), s.Video.Streams)
	case s.Video.Streams > 0:
		say("No picture froze.")
	}
}

// wordsOfSilence says who received nothing at all.
func (s *Summary) wordsOfSilence(say func(string, ...any)) {
	switch {
	case s.nothingCame():
		say("Nobody heard or saw anybody: %s packets of media were sent, and none came from the server%s.", Count(s.Sent), s.channelCause())
	case s.SilentFrom > 0:
		say("From second %.0f on nothing came from the server.", s.SilentFrom.Seconds())
	}
	if s.SilentPeople > 0 {
		say("%d of %d participants received nothing at all for a second or longer, though they should have: %s of the %s that all together listened.",
			s.SilentPeople, s.Participants, Brief(s.Silent), Brief(s.Listened))
	}
}

// nothingCame reports whether the server forwarded no media to anybody who
// should have received some.
func (s *Summary) nothingCame() bool {
	return s.SilentPeople > 0 && s.Audio.Packets+s.Video.Packets == 0
}

// channelCause says what most bridge channels suffered from: without one a
// bridge may forward nothing.
func (s *Summary) channelCause() string {
	for _, c := range s.Errors {
		if c.Step == record.Channel {
			return ", which may be because of this: " + c.Cause
		}
	}
	return ""
}

// wordsOfDelay says how long packets took, and of which that is not known.
func (s *Summary) wordsOfDelay(say func(string, ...any)) {
	among, what := "", "packets"
	if len(s.Machines) > 1 {
		among = ", where both are on the same machine,"
	}
	if s.Untimed > 0 && s.Untimed == s.Video.Streams {
		what = "audio packets"
	}
	switch {
	case s.Delay.Count() > 0:
		say("From sender to receiver%s half of the %s took at most %s, 99 %% at most %s, the slowest %s.", among, what,
			Brief(s.Delay.Quantile(0.5)), Brief(s.Delay.Quantile(0.99)), Brief(s.Delay.Max()))
	case len(s.Machines) > 1:
		say("How long packets took from sender to receiver is not known: no two participants of a room were on the same machine.")
	}
	if s.Untimed > 0 {
		say("Of %d of %d video streams it is not known how long pictures took: only those of VP8 tell when they were sent.", s.Untimed, s.Video.Streams)
	}
}

// wordsOfMachines says what several machines did not tell.
func (s *Summary) wordsOfMachines(say func(string, ...any)) {
	for i := range s.Machines {
		if m := &s.Machines[i]; m.Lost != "" {
			say("The machine %s with %s of the participants was lost (%s): these are not in the figures, or not all of them.", m.Name, Count(uint64(max(m.Participants, 0))), m.Lost)
		}
	}
}

// wordsOfLimits says whose figures these are.
func (s *Summary) wordsOfLimits(say func(string, ...any)) {
	if s.Server != nil {
		say("The server used %.2f cores on average and %.2f at most.", s.Server.CPU, s.Server.Peak)
	}
	if len(s.Generator.Limited) > 0 {
		say("The server may be better than these figures, because of the generator: %s.", strings.Join(s.Generator.Limited, "; "))
		return
	}
	say("The generator used %.2f of %d cores and had time to spare.", s.GeneratorCPU, s.Generator.Cores)
}

// Brief writes a duration as exactly as a reader wants to know.
func Brief(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d >= 10*time.Millisecond:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	case d == 0:
		return "0 ms"
	}
	return strconv.FormatFloat(float64(d)/1e6, 'f', 2, 64) + " ms"
}

// Percent writes a share of 1.
func Percent(v float64) string {
	switch {
	case v == 0:
		return "0 %"
	case v < 0.0001:
		return "less than 0.01 %"
	case v < 0.1:
		return strconv.FormatFloat(100*v, 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(100*v, 'f', 1, 64) + " %"
}

// Count writes a number with a comma between thousands.
func Count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Rate writes bits a second.
func Rate(bits int64) string {
	switch {
	case bits >= 1e9:
		return fmt.Sprintf("%.2f Gbit/s", float64(bits)/1e9)
	case bits >= 1e6:
		return fmt.Sprintf("%.1f Mbit/s", float64(bits)/1e6)
	}
	return fmt.Sprintf("%.0f kbit/s", float64(bits)/1e3)
}
