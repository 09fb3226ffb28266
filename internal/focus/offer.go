package focus

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/plenum-conf/plenum/internal/media"
)

// videoCodec is a codec with the numbers used in every conference, so that a
// bridge never has to translate them.
type videoCodec struct {
	name    string
	pt, rtx uint8
	params  []media.Parameter
}

// The numbers are those that Jitsi clients have been offered for years.
var videoCodecs = []videoCodec{
	{name: "AV1", pt: 41, rtx: 42},
	{name: "VP8", pt: 100, rtx: 96},
	{name: "H264", pt: 107, rtx: 99, params: []media.Parameter{
		{Name: "profile-level-id", Value: "42e01f"},
		{Name: "level-asymmetry-allowed", Value: "1"},
		{Name: "packetization-mode", Value: "1"},
	}},
	{name: "VP9", pt: 101, rtx: 97},
}

// rtxOrder is the order of the retransmission types after the codecs.
var rtxOrder = []string{"AV1", "VP8", "VP9", "H264"}

func findCodec(name string) (videoCodec, bool) {
	i := slices.IndexFunc(videoCodecs, func(c videoCodec) bool { return c.name == name })
	if i < 0 {
		return videoCodec{}, false
	}
	return videoCodecs[i], true
}

// checkCodecs refuses names that are no codecs.
func checkCodecs(names []string) error {
	for _, name := range names {
		if _, ok := findCodec(name); !ok {
			return fmt.Errorf("focus: unknown video codec %q", name)
		}
	}
	return nil
}

// describe says what a client with the features is offered.
func (o *Options) describe(f features) []media.Description {
	var out []media.Description
	if f.has(featAudio) {
		out = append(out, o.describeAudio(f))
	}
	if f.has(featVideo) {
		out = append(out, o.describeVideo(f))
	}
	return out
}

func (o *Options) describeAudio(f features) media.Description {
	d := media.Description{Kind: media.Audio, ExtmapAllowMixed: true}
	opus := media.PayloadType{
		ID: 111, Name: "opus", ClockRate: 48000, Channels: 2,
		Parameters: []media.Parameter{{Name: "minptime", Value: "10"}},
		Feedback:   bandwidthFeedback(f &^ featREMB), // REMB is a video thing
	}
	if o.OpusRED && f.has(featRED) {
		d.PayloadTypes = append(d.PayloadTypes, media.PayloadType{
			ID: 112, Name: "red", ClockRate: 48000, Channels: 2,
			Parameters: []media.Parameter{{Value: "111/111"}},
		})
	} else {
		opus.Parameters = append(opus.Parameters, media.Parameter{Name: "useinbandfec", Value: "1"})
	}
	if o.OpusDTX {
		opus.Parameters = append(opus.Parameters, media.Parameter{Name: "usedtx", Value: "1"})
	}
	d.PayloadTypes = append(d.PayloadTypes, opus,
		media.PayloadType{ID: 126, Name: "telephone-event", ClockRate: 8000})
	d.HeaderExtensions = []media.HeaderExtension{{ID: 1, URI: media.ExtAudioLevel}, {ID: 10, URI: media.ExtMID}}
	if f.has(featTCC) {
		d.HeaderExtensions = append(d.HeaderExtensions, media.HeaderExtension{ID: 5, URI: media.ExtTransportCC})
	}
	return d
}

// describeVideo offers the MID to everybody, as clients know it from Jicofo;
// the bridge writes it only for those who find m-lines by it. The send time is
// for who has no transport-wide feedback.
func (o *Options) describeVideo(f features) media.Description {
	d := media.Description{Kind: media.Video, ExtmapAllowMixed: true}
	for _, name := range o.VideoCodecs {
		if c, ok := findCodec(name); ok {
			d.PayloadTypes = append(d.PayloadTypes, c.payloadType(f))
		}
	}
	if f.has(featRTX) {
		for _, name := range rtxOrder {
			if c, ok := findCodec(name); ok && slices.Contains(o.VideoCodecs, name) {
				d.PayloadTypes = append(d.PayloadTypes, c.retransmission())
			}
		}
	}
	d.HeaderExtensions = []media.HeaderExtension{{ID: 3, URI: media.ExtAbsSendTime}, {ID: 10, URI: media.ExtMID}}
	if f.has(featTCC) {
		d.HeaderExtensions = append(d.HeaderExtensions, media.HeaderExtension{ID: 5, URI: media.ExtTransportCC})
	}
	d.HeaderExtensions = append(d.HeaderExtensions, media.HeaderExtension{ID: 11, URI: media.ExtDependencyDescriptor})
	return d
}

func (c videoCodec) payloadType(f features) media.PayloadType {
	fb := []media.Feedback{{Type: "ccm", Subtype: "fir"}, {Type: "nack"}, {Type: "nack", Subtype: "pli"}}
	return media.PayloadType{
		ID: c.pt, Name: c.name, ClockRate: 90000,
		Parameters: c.params, Feedback: append(fb, bandwidthFeedback(f)...),
	}
}

// retransmission describes RFC 4588 retransmission of the codec.
func (c videoCodec) retransmission() media.PayloadType {
	return media.PayloadType{
		ID: c.rtx, Name: "rtx", ClockRate: 90000,
		Parameters: []media.Parameter{{Name: "apt", Value: strconv.Itoa(int(c.pt))}},
	}
}

// bandwidthFeedback prefers transport-wide feedback; REMB is for clients
// which know nothing better.
func bandwidthFeedback(f features) []media.Feedback {
	switch {
	case f.has(featTCC):
		return []media.Feedback{{Type: "transport-cc"}}
	case f.has(featREMB):
		return []media.Feedback{{Type: "goog-remb"}}
	}
	return nil
}
