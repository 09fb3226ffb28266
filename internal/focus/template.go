package focus

import (
	"slices"
	"sync"

	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// template is what the offers to all clients with the same features have in
// common. It is never changed.
type template struct {
	media    []media.Description // as the bridge is told
	contents []jingle.Content    // the same as clients are; they lack transports
	sctp     bool                // a data channel is offered if the bridge has one
}

// template makes the template for clients with the features.
func (o *Options) template(f features) *template {
	t := &template{media: o.describe(f), sctp: o.SCTP && f.has(featSCTP)}
	for i := range t.media {
		d := &t.media[i]
		c := jingle.Content{
			Name: d.Kind.String(), Creator: "initiator", Senders: "both",
			Media: d.Kind.String(), Description: d, RTCPMux: true,
		}
		if d.Kind == media.Audio {
			c.MaxPtime = 60
		}
		t.contents = append(t.contents, c.Encoded())
	}
	return t
}

// templates are made when they are first wanted. They are shared by all
// conferences and safe for concurrent use.
type templates struct {
	opts *Options
	mu   sync.Mutex
	made map[features]*template // by those features that make a difference, so that there are few
}

func newTemplates(opts *Options) *templates {
	return &templates{opts: opts, made: make(map[features]*template)}
}

func (t *templates) of(f features) *template {
	f &= featAudio | featVideo | featSCTP | featRTX | featREMB | featTCC | featRED
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made[f] == nil {
		t.made[f] = t.opts.template(f)
	}
	return t.made[f]
}

// offer is what an offer is made of beside its template.
type offer struct {
	sid       string
	initiator string
	json      bool   // sources are written as JSON
	stay      string // bridge-session id
	region    string
	transport *media.Transport
	sources   []source.Owned // of the bridge, then of the others
}

// sessionInitiate makes the offer's message (XEP-0166 §6.1). The one transport
// stands in each content, because clients read it from the first but expect
// it in all.
func (t *template) sessionInitiate(x offer) *jingle.Message {
	m := &jingle.Message{
		Action:    jingle.SessionInitiate,
		SID:       x.sid,
		Initiator: x.initiator,
		Contents:  slices.Clone(t.contents),
		Sources:   x.sources,
		JSON:      x.json,
		Bridge:    &jingle.BridgeSession{ID: x.stay, Region: x.region},
	}
	if t.sctp && x.transport.SCTPPort > 0 {
		m.Contents = append(m.Contents, jingle.Content{
			Name: "data", Creator: "initiator", Senders: "both", Media: "application",
		})
	}
	for i := range m.Contents {
		m.Contents[i].Transport = x.transport
		m.Bundle = append(m.Bundle, m.Contents[i].Name)
	}
	return m
}

// bridgeOwner owns the bridge's own sources, the senders of its RTCP.
const bridgeOwner = "jvb"

// feedbackSources gives the bridge's sources the msids by which clients know
// that no track is behind them. They come first in an offer: the first source
// of each kind shares its m-line with what the client sends itself.
func feedbackSources(s source.Set) source.Owned {
	out := source.Set{Sources: slices.Clone(s.Sources)}
	for i := range out.Sources {
		x := &out.Sources[i]
		x.MSID = "mixedmslabel mixedlabel" + x.Kind.String() + "0"
		if x.Name == "" {
			x.Name = bridgeOwner + "-" + x.Kind.String()[:1] + "0"
		}
	}
	return source.Owned{Owner: bridgeOwner, Set: out}
}
