package focus

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// scriptedBridge answers as told.
type scriptedBridge struct {
	w     *world
	mu    sync.Mutex
	fail  func(req *colibri.ConferenceModify) error // nil: everything works
	delay time.Duration
	reqs  []*colibri.ConferenceModify
	// restarted is the transport of the nth ICE restart.
	restarted func(n int) *media.Transport
	restarts  int
}

func (b *scriptedBridge) set(fail func(*colibri.ConferenceModify) error, delay time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail, b.delay = fail, delay
}

// Modify implements colibri.Bridge.
func (b *scriptedBridge) Modify(ctx context.Context, req *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	b.w.enter(true, "focus > bridge %s", describeRequest(req))
	b.mu.Lock()
	b.reqs = append(b.reqs, req)
	fail, delay := b.fail, b.delay
	b.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(delay):
	}
	if fail != nil {
		if err := fail(req); err != nil {
			b.w.enter(true, "bridge > focus %v", err)
			return nil, err
		}
	}
	return b.answer(req), nil
}

func (b *scriptedBridge) answer(req *colibri.ConferenceModify) *colibri.ConferenceModified {
	resp := &colibri.ConferenceModified{}
	for _, em := range req.Endpoints {
		out := colibri.EndpointModified{ID: em.ID}
		if em.WantTransport {
			out.Transport = bridgeTransport(em.ID, em.WantSCTP)
			resp.Feedback = source.Set{Sources: []source.Source{
				{SSRC: 1001, Kind: media.Audio, Name: "jvb-a0"}, {SSRC: 1002, Kind: media.Video, Name: "jvb-v0"},
			}}
		}
		if em.RestartICE {
			out.Transport = b.restart()
		}
		resp.Endpoints = append(resp.Endpoints, out)
	}
	return resp
}

func (b *scriptedBridge) restart() *media.Transport {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.restarts++
	if b.restarted != nil {
		return b.restarted(b.restarts)
	}
	t := bridgeTransport("", false)
	t.ChannelURL = ""
	t.Ufrag, t.Pwd, t.Generation = fmt.Sprintf("again%d", b.restarts), "anotherpwd22characters", b.restarts
	return t
}

func bridgeTransport(id string, sctp bool) *media.Transport {
	t := &media.Transport{
		Ufrag: "7c9m1", Pwd: "3v0b8k22characterslong",
		Fingerprint: &media.Fingerprint{Hash: "sha-256", Value: "AA:BB", Setup: "actpass"},
		Candidates: []media.Candidate{{
			Foundation: "1", Component: 1, Protocol: "udp", Priority: 2130706431, ID: "c1",
			Addr: netip.MustParseAddrPort("203.0.113.7:10000"), Type: "host",
		}},
		ChannelURL: "wss://meet.example/colibri-ws/s1/c77/" + id + "?pwd=q1w2e3",
	}
	if sctp {
		t.SCTPPort = 5000
	}
	return t
}

// describeRequest writes a request in one line.
func describeRequest(req *colibri.ConferenceModify) string {
	var out []string
	if req.Create {
		out = append(out, "create-conference")
	}
	if req.Expire {
		out = append(out, "expire-conference")
	}
	for _, em := range req.Endpoints {
		out = append(out, describeEndpoint(em))
	}
	return strings.Join(out, " ")
}

func describeEndpoint(em colibri.EndpointModify) string {
	words := []string{em.ID}
	add := func(on bool, format string, args ...any) {
		if on {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(em.Create, "create stats-id=%s", em.StatsID)
	add(em.Expire, "expire")
	add(em.Visitor, "visitor")
	for _, d := range em.Media {
		add(true, "%s:%d", d.Kind, len(d.PayloadTypes))
	}
	add(em.WantTransport, "want-transport")
	add(em.WantSCTP, "want-sctp")
	add(em.SSRCRewriting, "ssrc-rewriting")
	add(em.RTPMIDDemux, "rtp-mid-demux")
	if em.Transport != nil {
		add(true, "transport=%s", em.Transport.Ufrag)
		add(em.Transport.Generation > 0, "generation=%d", em.Transport.Generation)
	}
	if em.Sources != nil {
		add(true, "sources=%d", len(em.Sources.Sources))
	}
	if em.ForceMute != nil {
		add(true, "force-mute=%+v", *em.ForceMute)
	}
	if em.InitialLastN != nil {
		add(true, "last-n=%d", *em.InitialLastN)
	}
	add(em.RestartICE, "restart-ice")
	return "[" + strings.Join(words, " ") + "]"
}
