package bridge

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/srtp"
)

const meeting = "11111111-2222-3333-4444-555555555555"

// inside runs f on the worker of the meeting.
func (r *rig) inside(f func(c *conference)) {
	r.t.Helper()
	r.mu.Lock()
	w := r.homes[meeting]
	r.mu.Unlock()
	if w == nil {
		r.t.Fatal("the conference has gone")
	}
	done := make(chan struct{})
	w.mail.postAlways(call(func(w *worker) {
		defer close(done)
		if c := w.conferences[meeting]; c != nil {
			f(c)
		}
	}))
	<-done
}

type call func(w *worker)

func (f call) handle(w *worker) { f(w) }

// ask is what a client says on its channel, without one.
func (c *client) ask(m colibri.Message) {
	c.r.inside(func(conf *conference) { conf.endpoints[c.id].message(m) })
}

// counted is the sum of a counter over all workers.
func (r *rig) counted(i counter) (n uint64) {
	for _, w := range r.workers {
		done := make(chan struct{})
		w.mail.postAlways(call(func(w *worker) { n += w.count.own[i]; close(done) }))
		<-done
	}
	return n
}

func want(height int) *colibri.ReceiverVideoConstraints {
	return &colibri.ReceiverVideoConstraints{DefaultConstraints: &colibri.VideoConstraints{MaxHeight: height}}
}

// TestMediaCrosses: what one client sends arrives at two others, whoever's
// socket it came to.
func TestMediaCrosses(t *testing.T) {
	for _, workers := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			r := newRig(t, workers)
			a := r.join(meeting, "aaaaaaaa", 1000)
			b := r.join(meeting, "bbbbbbbb", 2000, srtp.AES128CMHMACSHA180)
			c := r.join(meeting, "cccccccc", 0)
			if a.Profile() != srtp.AEADAES128GCM || b.Profile() != srtp.AES128CMHMACSHA180 {
				t.Errorf("profiles %v and %v", a.Profile(), b.Profile())
			}
			for _, to := range []*client{b, c} {
				to.ask(want(720))
			}
			for _, to := range []*client{b, c} {
				to.until("audio", func() { a.audio(30) }, func() bool { return len(to.packets(1000)) > 3 })
				to.until("video", func() { a.allVideo(true) }, func() bool { return len(to.packets(1001)) > 3 })
			}
			a.until("audio of b", func() { b.audio(30) }, func() bool { return len(a.packets(2000)) > 3 })
			c.mu.Lock()
			defer c.mu.Unlock()
			checkAudio(t, c.packets(1000))
			checkVideo(t, c.packets(1001))
			if n := len(c.packets(1002)) + len(c.packets(1003)); n != 0 {
				t.Errorf("%d packets under SSRCs that receivers do not know", n)
			}
		})
	}
}

func checkAudio(t *testing.T, got []rtp.Header) {
	t.Helper()
	tcc := map[uint16]bool{}
	for i, h := range got {
		if !bytes.Equal(h.Payload(), []byte("opus from aaaaaaaa")) || h.PayloadType != ptOpus {
			t.Fatalf("packet %d: payload type %d, payload %q", i, h.PayloadType, h.Payload())
		}
		if level, ok := h.Extension(extLevel); !ok || level[0]&0x7f != 30 {
			t.Errorf("audio level %v %v", level, ok)
		}
		if _, ok := h.Extension(extMIDNumber); ok {
			t.Error("the sender's mid was forwarded")
		}
		data, _ := h.Extension(extTCC)
		seq, ok := rtp.TransportSeq(data)
		if !ok || tcc[seq] {
			t.Errorf("transport-wide number %d %v", seq, ok)
		}
		tcc[seq] = true
		if i > 0 && h.Seq != got[i-1].Seq+1 {
			t.Errorf("number %d after %d", h.Seq, got[i-1].Seq)
		}
	}
}

func checkVideo(t *testing.T, got []rtp.Header) {
	t.Helper()
	for i := 1; i < len(got); i++ {
		if d := got[i].Seq - got[i-1].Seq; d != 1 && d != 2 {
			t.Errorf("number %d after %d", got[i].Seq, got[i-1].Seq)
		}
		if int32(got[i].Timestamp-got[i-1].Timestamp) <= 0 {
			t.Errorf("timestamp %d after %d", got[i].Timestamp, got[i-1].Timestamp)
		}
	}
}
