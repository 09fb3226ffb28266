package bridge

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// wordClient is the listener of a crowd for which SSRCs are rewritten. It knows
// whose a packet is by the maps alone.
type wordClient struct {
	*crowd
	link   *wsLink
	owner  map[uint32]int           // by SSRC: whose it is, as told last
	packet map[int]map[uint16]bool  // by microphone: numbers of the packets that were heard
	last   map[uint32]rtp.Header    // by SSRC
	slots  map[uint32]time.Duration // when they were told of first, from the start
	start  time.Duration
}

func (c *wordClient) now() time.Duration { return time.Duration(c.w.now) - c.start }

func newWordClient(t *testing.T, people int, change func(*Options), how func(*colibri.EndpointModify)) *wordClient {
	c := &wordClient{
		crowd: newCrowdFor(t, people, change, how), owner: map[uint32]int{}, packet: map[int]map[uint16]bool{},
		last: map[uint32]rtp.Header{}, slots: map[uint32]time.Duration{},
	}
	c.start = time.Duration(c.w.now)
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	c.link = newWSLink(c.w.b, ours, nil, c.listener())
	channelOpen{c.listener(), c.link}.handle(c.w)
	return c
}

// read takes the maps that were sent so far.
func (c *wordClient) read() {
	for _, raw := range c.link.queue {
		msg, err := colibri.ParseMessage(raw)
		if err != nil {
			c.t.Fatal(err)
		}
		m, ok := msg.(*colibri.AudioSourcesMap)
		if !ok {
			continue
		}
		for _, x := range m.Mapped {
			if _, known := c.slots[x.SSRC]; !known {
				c.slots[x.SSRC] = c.now()
			}
			c.owner[x.SSRC] = slices.IndexFunc(c.all, func(ep *endpoint) bool { return ep.id == x.Owner })
		}
	}
	c.link.queue, c.link.bytes = nil, 0
}

// say is 20 ms in which everybody with a microphone sends a packet. The maps
// are read after each: one that came too late is missed by the packet.
func (c *wordClient) say(who map[int]bool) {
	c.w.now = c.w.now.Add(20 * time.Millisecond)
	c.listener().heard = c.w.now
	for i := c.first; i < len(c.all)-1; i++ {
		level := uint8(roomNoise)
		if who[i] {
			level = voice
		}
		before := c.w.count.own[cAudioForwarded]
		c.mic(i, level)
		if c.w.count.own[cAudioForwarded] != before {
			c.read()
			c.w.turnOver()
			c.listen(i)
		}
	}
	c.w.wheel.Advance(c.w.now, c.w.fire)
	c.w.turnOver()
	c.read()
}

// listen takes what microphone i has made the bridge send.
func (c *wordClient) listen(i int) {
	c.t.Helper()
	for _, h := range c.heard() {
		if h.SSRC == c.c.feedbackVideo {
			continue
		}
		told, known := c.slots[h.SSRC]
		switch {
		case !known || c.owner[h.SSRC] != i:
			c.t.Fatalf("a packet of %d in the slot of %d, known: %v", i, c.owner[h.SSRC], known)
		case c.now()-told < newLineHold:
			c.t.Fatalf("a packet in a slot that is known since %v", c.now()-told)
		}
		if last, any := c.last[h.SSRC]; any && (h.Seq != last.Seq+1 || int32(h.Timestamp-last.Timestamp) <= 0) {
			c.t.Fatalf("number %d at %d follows %d at %d", h.Seq, h.Timestamp, last.Seq, last.Timestamp)
		}
		c.last[h.SSRC] = h
		if c.packet[i] == nil {
			c.packet[i] = map[uint16]bool{}
		}
		c.packet[i][binary.BigEndian.Uint16(h.Payload())] = true
	}
}

// word is what somebody says: packets from the first to the last.
type word struct {
	who         int
	first, last uint16
}

// TestNoClippedWord: among forty microphones, with ever others speaking, up to
// as many at a time as are forwarded, whoever gets audio in slots hears every
// word from the first packet to the last, and is told whose it is before. The
// number of slots stays small.
func TestNoClippedWord(t *testing.T) {
	for name, how := range map[string]func(*colibri.EndpointModify){"by SSRC": rewriting, "by MID": demuxing} {
		t.Run(name, func(t *testing.T) { noClippedWord(t, how) })
	}
}

func noClippedWord(t *testing.T, how func(*colibri.EndpointModify)) {
	const people = 40
	c := newWordClient(t, people+1, func(*Options) {}, how)
	for range 300 {
		c.say(nil) // what is noise becomes known as such
	}
	words := c.converse(rand.New(rand.NewPCG(1, 2)), people, 45*50)
	for _, w := range words {
		missing := 0
		for seq := w.first; seq <= w.last; seq++ {
			if !c.packet[w.who][seq] {
				missing++
			}
		}
		if missing != 0 {
			t.Errorf("of a word of %d, packets %d to %d, %d are missing", w.who, w.first, w.last, missing)
		}
	}
	if len(words) < 150 || len(c.slots) > earlyAudio+2*freeAudio {
		t.Errorf("%d words in %d slots", len(words), len(c.slots))
	}
	if n := c.w.count.own[dropUntold] + c.w.count.own[dropNoSlot] + c.w.count.own[dropSeal]; n != 0 {
		t.Errorf("%d packets were not sent", n)
	}
}

// converse lets ever others speak for some packets, as many at a time as are
// forwarded, and until their words have ended.
func (c *wordClient) converse(rng *rand.Rand, people, packets int) (words []word) {
	speaking := map[int]bool{}
	until, places := make([]int, people), c.w.b.opt.Loudest.Speakers
	for now := 0; now < packets || len(speaking) > 0; now++ {
		// A place is free some time after the last word of who had it.
		taken := 0
		for i, end := range until {
			if speaking[i] = now < end; !speaking[i] {
				delete(speaking, i)
			}
			if now < end+15 && end > 0 {
				taken++
			}
		}
		if i := rng.IntN(people); now < packets && taken < places && !speaking[i] && rng.IntN(4) == 0 {
			n := 10 + rng.IntN(40)
			speaking[i], until[i] = true, now+n
			words = append(words, word{i, c.seqs[i] + 1, c.seqs[i] + uint16(n)})
		}
		c.say(speaking)
	}
	return words
}
