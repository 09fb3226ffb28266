package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/testkit/browser"
	"github.com/plenum-conf/plenum/internal/testkit/capture"
	"github.com/plenum-conf/plenum/internal/testkit/peer"
)

var recordTo = flag.String("record", "", "write captures of what browsers send to this directory, see internal/testkit/capture")

// recorded is a capture to be made. Encodings are as RTCRtpSender takes them.
type recorded struct {
	file        string
	sender      string // what the first line says
	engine      browser.Engine
	codec       string
	profile     string // what has to stand in the codec's parameters
	encodings   []encoding
	descriptors bool // the AV1 dependency descriptor is agreed
	height      int  // of the camera, lines
}

type encoding struct {
	Rid         string  `json:"rid,omitempty"`
	Active      bool    `json:"active"`
	Scale       float64 `json:"scaleResolutionDownBy"`
	MaxBitrate  int     `json:"maxBitrate"`
	Scalability string  `json:"scalabilityMode,omitempty"`
}

// sizes are the encodings of a simulcast sender, and whole is the only one of
// another.
func sizes(rates ...int) (all []encoding) {
	for i, rate := range rates {
		all = append(all, encoding{fmt.Sprint(i), true, float64(int(1) << (len(rates) - 1 - i)), rate, "L1T3"})
	}
	return all
}

func whole(mode string) []encoding { return []encoding{{"", true, 1, 400_000, mode}} }

// openH264 is what Chromium can send beside what only some hardware does.
const openH264 = "packetization-mode=1;profile-level-id=42e01f"

var recordings = []recorded{
	{"vp8_simulcast.txt", "Chromium 156, libvpx, three sizes, the largest with a pause", browser.Chromium, "vp8", "", sizes(60_000, 150_000, 400_000), false, 540},
	{"vp8_simulcast_firefox.txt", "Firefox 153, three sizes, the largest with a pause", browser.Firefox, "vp8", "", sizes(60_000, 150_000, 400_000), true, 540},
	{"h264_simulcast.txt", "Chromium 156, OpenH264, three sizes, the largest with a pause", browser.Chromium, "h264", openH264, sizes(60_000, 150_000, 400_000), false, 540},
	{"h264_simulcast_descriptors.txt", "Chromium 156, OpenH264, three sizes, the largest with a pause, with dependency descriptors", browser.Chromium, "h264", openH264, sizes(60_000, 150_000, 400_000), true, 540},
	{"h264_simulcast_firefox.txt", "Firefox 153, three sizes, the largest with a pause", browser.Firefox, "h264", "packetization-mode=1", sizes(60_000, 150_000, 400_000), true, 540},
	{"vp9_firefox.txt", "Firefox 153, asked for L3T3_KEY: it knows no scalability modes", browser.Firefox, "vp9", "", whole("L3T3_KEY"), true, 360},
	{"plain_av1_firefox.txt", "Firefox 153, asked for L3T3_KEY and dependency descriptors: it knows neither", browser.Firefox, "av1", "", whole("L3T3_KEY"), true, 360},
}

// TestRecordCaptures is no test but how test data is made: it lets each engine
// send to a peer that acknowledges every packet and asks for key frames, and
// writes down what comes. The last encoding pauses on the way.
func TestRecordCaptures(t *testing.T) {
	if *recordTo == "" {
		t.Skip("nothing to be recorded: -record is not set")
	}
	srv := httptest.NewServer(http.FileServer(http.Dir("testdata")))
	defer srv.Close()
	for _, r := range recordings {
		t.Run(r.file, func(t *testing.T) {
			if browser.Find(r.engine) == "" {
				t.Fatalf("there is no %s", r.engine)
			}
			url := srv.URL + "/record.html"
			var p browser.Page
			if r.engine == browser.Firefox {
				p = browser.StartFirefox(t, url)
			} else {
				p = browser.StartChromium(t).Open(url)
			}
			all := r.record(t, p)
			if err := os.WriteFile(filepath.Join(*recordTo, r.file), capture.Write(r.sender, all), 0o644); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d packets", len(all))
		})
	}
}

const (
	recordFor  = 9 * time.Second
	recordMost = 700 // packets
	// pauseAt and resumeAt are when the last encoding pauses.
	pauseAt, resumeAt = 4 * time.Second, 6 * time.Second
	// keyFrames is how often each encoding is asked for a key frame; they are
	// asked one after the other.
	keyFrames = 1500 * time.Millisecond
)

// record connects a page with a peer and returns what it sent.
func (r *recorded) record(t *testing.T, p browser.Page) []capture.Packet {
	t.Helper()
	rec := &recording{codec: r.codec, begun: map[uint32]mono.Time{}}
	var err error
	if rec.peer, err = peer.New(); err != nil {
		t.Fatal(err)
	}
	defer rec.peer.Close()
	rec.connect(t, p, r)
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	last, active := len(r.encodings)-1, true
	for start := time.Now(); time.Since(start) < recordFor; <-beat.C {
		rec.feedback()
		if now := time.Since(start); active != (now < pauseAt || now > resumeAt) && last > 0 {
			active = !active
			if err := p.Evaluate(fmt.Sprintf("change(%d, {active: %t})", last, active), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	var places map[uint32]int
	if err := p.Evaluate("streams()", &places); err != nil {
		t.Fatal(err)
	}
	all := rec.packets(places)
	seen := map[int]bool{}
	for i := range all {
		seen[all[i].Encoding] = true
	}
	if len(seen) != len(r.encodings) {
		t.Fatalf("of %d encodings only %v came: is the machine busy?", len(r.encodings), seen)
	}
	return all
}

// recording is what a peer has received.
type recording struct {
	peer       *peer.Peer
	codec      string
	extensions map[string]uint8

	mu    sync.Mutex
	tcc   rtp.Recorder
	got   []arrival
	begun map[uint32]mono.Time // when an SSRC was first seen, or asked for a key frame
}

type arrival struct {
	at mono.Time
	h  rtp.Header
}

func (r *recording) connect(t *testing.T, p browser.Page, what *recorded) {
	t.Helper()
	var offer struct {
		Unknown, Ufrag, Pwd, Fingerprint string
		Candidates                       []struct {
			Priority uint32
			Addr     netip.AddrPort
		}
		Extensions map[string]uint8
	}
	ask := map[string]any{
		"codec": what.codec, "profile": what.profile, "encodings": what.encodings,
		"width": what.height * 16 / 9, "height": what.height, "frameRate": 15,
	}
	if err := p.Evaluate("offer("+jsObject(ask)+")", &offer); err != nil {
		t.Fatal(err)
	}
	if offer.Unknown != "" {
		t.Skipf("%s does not send %s, but %s", what.engine, what.codec, offer.Unknown)
	}
	r.extensions = offer.Extensions
	if !what.descriptors {
		delete(r.extensions, media.ExtDependencyDescriptor)
	}
	r.peer.OnRTP(r.onRTP)
	local := r.peer.Local()
	reply := map[string]any{"ufrag": local.Ufrag, "pwd": local.Pwd, "fingerprint": local.Fingerprint.Value, "descriptors": what.descriptors}
	if err := p.Evaluate("answer("+jsObject(reply)+")", nil); err != nil {
		t.Fatal(err)
	}
	remote := &media.Transport{Ufrag: offer.Ufrag, Pwd: offer.Pwd, Fingerprint: &media.Fingerprint{Hash: "sha-256", Value: offer.Fingerprint, Setup: "passive"}}
	for _, c := range offer.Candidates {
		remote.Candidates = append(remote.Candidates, media.Candidate{Component: 1, Protocol: "udp", Type: "host", Priority: c.Priority, Addr: c.Addr})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.peer.Connect(ctx, remote); err != nil {
		t.Fatal(err)
	}
}

// onRTP notes a packet.
func (r *recording) onRTP(pkt []byte) {
	h, err := rtp.Parse(pkt)
	if err != nil {
		return
	}
	now := mono.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if ext, ok := h.Extension(r.extensions[media.ExtTransportCC]); ok {
		if seq, ok := rtp.TransportSeq(ext); ok {
			r.tcc.Add(seq, now)
		}
	}
	if r.begun[h.SSRC] == 0 {
		r.begun[h.SSRC] = now
	}
	r.got = append(r.got, arrival{now, h})
}

// feedback acknowledges what came, and asks for a key frame of the stream that
// has not been asked for longest.
func (r *recording) feedback() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, oldest := mono.Now(), uint32(0)
	for ssrc, at := range r.begun {
		if oldest == 0 || at < r.begun[oldest] {
			oldest = ssrc
		}
	}
	b := rtp.AppendReceiverReport(nil, 1, nil)
	if oldest != 0 && now.Sub(r.begun[oldest]) > keyFrames {
		r.begun[oldest] = now
		b = rtp.AppendPLI(b, 1, oldest)
	}
	for r.tcc.Pending() {
		b = r.tcc.Build(b, 1, oldest, now)
	}
	_ = r.peer.SendRTCP(b) // best effort: it is sent again and again
}

// packets returns what came of the streams whose place is known.
func (r *recording) packets(places map[uint32]int) (all []capture.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var begin mono.Time
	for i := range r.got {
		a := &r.got[i]
		place, ok := places[a.h.SSRC]
		if !ok || len(all) == recordMost {
			continue
		}
		if begin == 0 {
			begin = a.at
		}
		p := capture.Packet{
			At: a.at.Sub(begin), Encoding: place, Codec: r.codec, Seq: a.h.Seq, TS: a.h.Timestamp, Marker: a.h.Marker,
			Size: len(a.h.Payload()), Head: capture.Head(r.codec, a.h.Payload()),
		}
		if id := r.extensions[media.ExtDependencyDescriptor]; id != 0 {
			p.Dependency, _ = a.h.Extension(id)
		}
		all = append(all, p)
	}
	return all
}
