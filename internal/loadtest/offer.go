package loadtest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/loadtest/dial"
	lmedia "github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/shape"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// format is what a payload type number means.
type format struct {
	codec string // "opus", "VP8", ...; "" for a number that was not offered
	clock uint32
	video bool
	rtx   bool
	apt   uint8
}

// extensions are the numbers of header extensions; 0 is not offered.
type extensions struct{ audioLevel, tcc, dependency uint8 }

// offer is what a session-initiate says, as media needs it. It is immutable.
type offer struct {
	transport *media.Transport
	formats   [128]format
	ext       extensions
	sctp      bool // the bridge channel goes over SCTP
	url       string
	codecs    map[string]uint8 // payload type by name
	rtxFor    map[uint8]uint8
	dtx       bool // audio is to pause while there is nothing to hear
	contents  []jingle.Content
	skipped   int // codecs and extensions that nobody here knows
}

// known codecs; others are declined.
var knownCodecs = map[string]string{
	"opus": "opus", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "h264": "H264", "rtx": "rtx",
	"red": "red", "telephone-event": "telephone-event",
}

// readOffer makes sense of an offer.
func readOffer(m *jingle.Message) (*offer, error) {
	o := &offer{codecs: map[string]uint8{}, rtxFor: map[uint8]uint8{}, contents: m.Contents}
	for i := range m.Contents {
		c := &m.Contents[i]
		if c.Transport != nil {
			o.join(c.Transport)
		}
		if c.Description != nil {
			o.learn(c.Description)
		}
	}
	switch {
	case o.transport == nil || o.transport.Ufrag == "" || o.transport.Pwd == "":
		return nil, errors.New("the offer has no ICE transport")
	case len(o.transport.Candidates) == 0:
		return nil, errors.New("the offer has no candidates")
	case len(o.codecs) == 0:
		return nil, errors.New("the offer has no codec that is known here")
	}
	return o, nil
}

// join adds what one content says about the transport that all share.
func (o *offer) join(t *media.Transport) {
	if o.transport == nil {
		copied := *t
		o.transport = &copied
	}
	if o.transport.Fingerprint == nil {
		o.transport.Fingerprint = t.Fingerprint
	}
	if len(o.transport.Candidates) == 0 {
		o.transport.Candidates = t.Candidates
	}
	if o.url == "" {
		o.url = t.ChannelURL
	}
	o.transport.SCTPPort = max(o.transport.SCTPPort, t.SCTPPort)
}

func (o *offer) learn(d *media.Description) {
	for i := range d.PayloadTypes {
		p := &d.PayloadTypes[i]
		name, ok := knownCodecs[strings.ToLower(p.Name)]
		if !ok || p.ID > 127 || p.ClockRate == 0 {
			o.skipped++
			continue
		}
		f := format{codec: name, clock: p.ClockRate, video: d.Kind == media.Video, rtx: name == "rtx"}
		if f.rtx {
			apt, err := strconv.ParseUint(p.Parameter("apt"), 10, 7)
			if err != nil {
				o.skipped++
				continue
			}
			f.apt = uint8(apt)
			o.rtxFor[f.apt] = p.ID
		} else if _, twice := o.codecs[name]; !twice {
			o.codecs[name] = p.ID
			o.dtx = o.dtx || name == "opus" && p.Parameter("usedtx") == "1"
		}
		o.formats[p.ID] = f
	}
	for _, e := range d.HeaderExtensions {
		switch e.URI {
		case media.ExtAudioLevel:
			o.ext.audioLevel = e.ID
		case media.ExtTransportCC:
			o.ext.tcc = e.ID
		case media.ExtDependencyDescriptor:
			o.ext.dependency = e.ID
		default:
			o.skipped++
		}
	}
}

// mySources is what a participant sends in one session, and who it is there.
type mySources struct {
	ufrag, cname string
	rtcp         uint32 // SSRC of RTCP without media
	seed         uint64
	identity     *dial.Identity
	profiles     []srtp.Profile
	audio        *lmedia.Audio   // nil if there is none, or nothing is sent of it
	videos       []*lmedia.Video // those that are not muted
	still        []still         // streams that are
	muted        bool            // the role
	names        []string        // of all videos
	set          source.Set
	onSecured    func(*dial.Conn) // called when DTLS is over; nil for nothing
	isMuted      func(name string) bool
	network      shape.Profile
	privateOnly  bool
}

// newSSRC makes one that is neither 0 nor taken here.
func newSSRC(taken map[uint32]bool) uint32 {
	for {
		if s := rand.Uint32(); s != 0 && !taken[s] {
			taken[s] = true
			return s
		}
	}
}

// makeSources makes the sources of a role that the offer allows.
func makeSources(o *offer, role *Role, endpoint string, talk *lmedia.Conversation, who int) *mySources {
	taken := map[uint32]bool{}
	s := &mySources{muted: role.Muted, rtcp: newSSRC(taken), seed: rand.Uint64(), cname: endpoint + "-" + strconv.FormatUint(rand.Uint64(), 36)}
	if pt, ok := o.codecs["opus"]; ok && role.Audio {
		ssrc, name := newSSRC(taken), endpoint+"-a0"
		s.set.Sources = append(s.set.Sources, source.Source{SSRC: ssrc, Kind: media.Audio, Name: name, MSID: msid(endpoint, "audio", 0)})
		if !role.Muted || role.Silence {
			s.audio = lmedia.NewAudio(ssrc, pt, talk, who, s.seed)
			s.audio.Source = name
		}
		if role.Muted {
			s.still = append(s.still, newStill(ssrc, false))
			s.still[0].audio = s.audio
		}
		if role.Silence {
			s.audio.Mute(o.dtx)
		}
	}
	codec := role.Codec
	if codec == "" {
		codec = lmedia.VP8
	}
	if role.Video {
		cfg := lmedia.VideoConfig{Codec: codec, FrameRate: role.FrameRate, Dependency: o.ext.dependency}
		if role.FullBitrate {
			cfg.Rates = lmedia.WebRates()
		}
		s.addVideo(o, taken, cfg, endpoint, 0, role.Muted)
	}
	if role.Screen {
		s.addVideo(o, taken, lmedia.VideoConfig{Codec: lmedia.VP8}, endpoint, 1, false)
	}
	return s
}

func msid(endpoint, kind string, n int) string {
	return endpoint + "-" + kind + "-" + strconv.Itoa(n) + "-1 " + strconv.FormatUint(uint64(rand.Uint32()), 16) + "-1"
}

// addVideo makes the camera (0) or the screen (1): three encodings and their
// repetitions are announced, as a browser does, however many are sent.
// cfg says how it is encoded; of what is muted nothing will be sent.
func (s *mySources) addVideo(o *offer, taken map[uint32]bool, cfg lmedia.VideoConfig, endpoint string, index int, muted bool) {
	pt, ok := o.codecs[string(cfg.Codec)]
	if !ok {
		return
	}
	cfg.Source, cfg.PayloadType, cfg.RTXType = endpoint+"-v"+strconv.Itoa(index), pt, o.rtxFor[pt]
	cfg.Screen, cfg.Seed = index == 1, s.seed+uint64(index)
	layers, id := 3, msid(endpoint, "video", index)
	typ := source.VideoType("")
	if cfg.Screen {
		layers, typ = 1, source.Desktop
	}
	var sim []uint32
	for range layers {
		primary := newSSRC(taken)
		sim = append(sim, primary)
		s.set.Sources = append(s.set.Sources, source.Source{SSRC: primary, Kind: media.Video, Name: cfg.Source, MSID: id, VideoType: typ})
		if cfg.RTXType != 0 {
			rtx := newSSRC(taken)
			cfg.RTX = append(cfg.RTX, rtx)
			s.set.Sources = append(s.set.Sources, source.Source{SSRC: rtx, Kind: media.Video, Name: cfg.Source, MSID: id, VideoType: typ})
			s.set.Groups = append(s.set.Groups, source.Group{Semantics: source.FID, Kind: media.Video, SSRCs: []uint32{primary, rtx}})
		}
	}
	if layers > 1 {
		s.set.Groups = append([]source.Group{{Semantics: source.SIM, Kind: media.Video, SSRCs: sim}}, s.set.Groups...)
	}
	cfg.SSRCs = sim
	s.names = append(s.names, cfg.Source)
	if !muted {
		s.videos = append(s.videos, lmedia.NewVideo(cfg))
		return
	}
	for _, ssrc := range sim {
		s.still = append(s.still, newStill(ssrc, true))
	}
}

// answer makes the session-accept: everything that was offered and is known.
func (o *offer) answer(s *mySources, pwd string, lastN *int) *jingle.Message {
	m := &jingle.Message{Sources: []source.Owned{{Set: s.set}}, InitialLastN: lastN}
	for _, c := range o.contents {
		t := &media.Transport{Ufrag: s.ufrag, Pwd: pwd, Fingerprint: s.identity.Fingerprint()}
		out := jingle.Content{Name: c.Name, Creator: "responder", Senders: "both", Media: c.Media, RTCPMux: c.RTCPMux, Transport: t}
		if c.Description != nil {
			d := *c.Description
			d.PayloadTypes = slices.DeleteFunc(slices.Clone(d.PayloadTypes), func(p media.PayloadType) bool {
				return p.ID > 127 || o.formats[p.ID].codec == ""
			})
			out.Description = &d
		}
		if c.Transport != nil && c.Transport.SCTPPort != 0 {
			t.SCTPPort = c.Transport.SCTPPort
		}
		m.Contents = append(m.Contents, out)
		m.Bundle = append(m.Bundle, c.Name)
	}
	return m
}
