package bridge

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/bridge/delay"
	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/bwe"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/netio"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// State is the bridge for the debug tree.
type State struct {
	Listen     string        `json:"listen"`
	Candidates []string      `json:"candidates"`
	Draining   bool          `json:"draining"`
	Delay      DelaysState   `json:"delay"` // of all workers
	Workers    []WorkerState `json:"workers"`
}

// WorkerState is one worker. Missing is set when it did not answer in time.
type WorkerState struct {
	Index       int               `json:"index"`
	Missing     bool              `json:"missing,omitempty"`
	Busy        float64           `json:"busy"`     // part of the last second in which it did not wait
	SendsTo     int64             `json:"sends_to"` // receivers, of its own conferences and of others'
	Stress      StressState       `json:"stress"`
	Delay       DelaysState       `json:"delay"`
	MeanRun     float64           `json:"mean_run"` // datagrams handed to the kernel in one piece
	Socket      netio.Stats       `json:"socket"`
	Counters    map[string]uint64 `json:"counters"`
	Addresses   int               `json:"addresses"`
	Foreign     int               `json:"foreign_addresses"`
	Timers      int               `json:"timers"`
	Conferences []ConferenceState `json:"conferences"`
}

// DelaysState is how long received media was here, from the kernel's receive
// stamp to the end of the system call that sent the last of its copies. Packets
// nobody got are not counted.
type DelaysState struct {
	Recent DelayState `json:"last_10_seconds"`
	Total  DelayState `json:"since_start"`
	// Parts are what it consisted of in the last 10 seconds: in the socket until a
	// read, in the turn until what goes first was sent, work, and the sending.
	// Nothing else: the sums of the four are the whole's.
	Parts map[string]DelayState `json:"parts_last_10_seconds"`
}

// DelayState is what a part of the packets did not exceed.
type DelayState struct {
	Packets uint64 `json:"packets"`
	P50     string `json:"p50"`
	P99     string `json:"p99"`
	P999    string `json:"p99_9"`
	Max     string `json:"max"`
}

func delayState(h *delay.Histogram) DelayState {
	return DelayState{
		Packets: h.Count(), P50: h.Quantile(0.5).String(), P99: h.Quantile(0.99).String(),
		P999: h.Quantile(0.999).String(), Max: h.Max.String(),
	}
}

// delaysState is what some workers have published.
func delaysState(workers ...*worker) DelaysState {
	state := DelaysState{Parts: map[string]DelayState{}}
	for p := range numParts {
		var total, recent delay.Histogram
		for _, w := range workers {
			w.delays.mergeInto(&total, &recent, p)
		}
		if p == inBridge {
			state.Recent, state.Total = delayState(&recent), delayState(&total)
		} else {
			state.Parts[partNames[p]] = delayState(&recent)
		}
	}
	return state
}

// ConferenceState is the part of a meeting on this bridge.
type ConferenceState struct {
	MeetingID string          `json:"meeting_id"`
	Room      string          `json:"room"`
	Age       string          `json:"age"`
	Dominant  string          `json:"dominant,omitempty"`
	Loudest   bool            `json:"loudest_only"`           // of the audio sources
	Routed    int             `json:"routed_audio,omitempty"` // sources, when only the loudest are
	LastN     int             `json:"last_n_limit"`           // -1 for none
	Endpoints []EndpointState `json:"endpoints"`
}

// EndpointState is one endpoint. Addresses are cut, so that a debug tree that
// is passed around does not tell where people live.
type EndpointState struct {
	ID         string         `json:"id"`
	Visitor    bool           `json:"visitor,omitempty"`
	Age        string         `json:"age"`
	Silent     string         `json:"silent"` // since anything authentic came
	ICE        string         `json:"ice"`
	Generation int            `json:"ice_generation,omitempty"` // of the restart whose path is in use
	Restarting bool           `json:"ice_restarting,omitempty"`
	Remote     string         `json:"remote,omitempty"`
	DTLS       secure.State   `json:"dtls"`
	SRTP       string         `json:"srtp,omitempty"`
	SentTo     int            `json:"sent_to_by_worker"`
	Problem    string         `json:"problem,omitempty"`
	RTT        string         `json:"rtt,omitempty"`
	Channel    string         `json:"channel,omitempty"` // "websocket" or "sctp"
	BitsIn     uint64         `json:"bits_per_second_in"`
	BitsOut    uint64         `json:"bits_per_second_out"`
	Bandwidth  BandwidthState `json:"bandwidth"`
	Asked      *alloc.Asked   `json:"asked,omitempty"` // video, by the endpoint
	Sources    []SourceState  `json:"sources,omitempty"`
	Receives   []ReceiveState `json:"receives,omitempty"`
	Slots      []SlotState    `json:"slots,omitempty"`
	ForceMuted []string       `json:"force_muted,omitempty"`
}

// BandwidthState is what may be sent to an endpoint, in bit/s, and why.
type BandwidthState struct {
	Why     string    `json:"why"`
	Budget  int64     `json:"video_budget"`        // -1 for no limit
	Audio   int64     `json:"reserved_for_audio"`  // 0 if it is no part of the estimate
	Counted bool      `json:"audio_counted"`       // audio has transport-wide numbers
	Held    string    `json:"held_down,omitempty"` // layers may not rise for that long
	Details bwe.State `json:"estimator"`
}

// SourceState is what an endpoint sends.
type SourceState struct {
	Name      string          `json:"name"`
	Kind      string          `json:"kind"`
	VideoType string          `json:"video_type,omitempty"`
	Receivers int             `json:"receivers"`
	Wanted    int             `json:"wanted_height,omitempty"`
	Encodings []EncodingState `json:"encodings"`
}

// EncodingState is one encoding of a source.
type EncodingState struct {
	SSRC    uint32            `json:"ssrc"`
	Live    bool              `json:"live"`
	Height  int               `json:"height,omitempty"`
	Bits    uint64            `json:"bits_per_second"`
	Missing int               `json:"missing"` // packets being asked for
	History int               `json:"history"` // packets there is memory for
	Stats   rtp.ReceiverStats `json:"stats"`
	Layers  []LayerState      `json:"layers,omitempty"`
}

// LayerState is one quality that an encoding can be forwarded in.
type LayerState struct {
	Spatial   int     `json:"spatial"`
	Temporal  int     `json:"temporal"` // 7 is the highest there is
	Height    int     `json:"height"`
	FrameRate float64 `json:"frames_per_second,omitempty"` // nominal, where it can be chosen
	Bitrate   int64   `json:"bits_per_second"`
	Active    bool    `json:"active"`
}

// ReceiveState is one video source that an endpoint gets.
type ReceiveState struct {
	Source   string `json:"source"`
	Encoding int    `json:"encoding"` // -1 while waiting for a key frame
	Target   int    `json:"target"`
	Spatial  int    `json:"spatial"` // of VP9 and AV1
	Temporal int    `json:"temporal"`
	Packets  uint32 `json:"packets"`
	LostPart uint8  `json:"lost_of_256"`
}

// SlotState is one SSRC of the bridge's own under which an endpoint gets media.
type SlotState struct {
	MID    string `json:"mid"`
	SSRC   uint32 `json:"ssrc"`
	RTX    uint32 `json:"rtx,omitempty"`
	Source string `json:"source"`           // that has it, or had it last
	Untold bool   `json:"untold,omitempty"` // the client does not know yet
}

// stateWait is how long State waits for a busy worker.
const stateWait = 4 * time.Second

// State asks every worker for its state. It returns plain values that belong
// to the caller.
func (b *Bridge) State() any {
	s := State{Listen: b.Addr().String(), Candidates: b.Candidates(), Draining: b.draining.Load(), Delay: delaysState(b.workers...)}
	late := time.After(stateWait)
	asked := make([]chan WorkerState, len(b.workers))
	for i, w := range b.workers {
		asked[i] = make(chan WorkerState, 1)
		if !w.mail.postAlways(stateWanted{asked[i]}) {
			asked[i] <- WorkerState{Index: i, Missing: true, Counters: map[string]uint64{}, Conferences: []ConferenceState{}} // the bridge has stopped
		}
	}
	for i := range b.workers {
		select {
		case ws := <-asked[i]:
			s.Workers = append(s.Workers, ws)
		case <-late:
			s.Workers = append(s.Workers, WorkerState{Index: i, Missing: true, Counters: map[string]uint64{}, Conferences: []ConferenceState{}})
			late = closedTimer
		}
	}
	return s
}

var closedTimer = func() <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}()

type stateWanted struct{ answer chan<- WorkerState }

func (e stateWanted) handle(w *worker) {
	w.telling = append(w.telling, &telling{answer: e.answer, asked: w.now})
}

// telling is a state that is being written down, some endpoints a turn: all of
// a large conference at once would keep media waiting for a sixth of a second.
type telling struct {
	answer  chan<- WorkerState
	asked   mono.Time
	begun   bool
	state   WorkerState
	pending []untold
}

// untold is an endpoint that is not in a state yet, and the index of its
// conference there.
type untold struct {
	ep         *endpoint
	conference int
}

// statesPerTurn is how many endpoints a turn describes, about half a
// millisecond each in a conference of hundreds.
const statesPerTurn = 4

// tell goes on with the state that was asked for first. The time that takes
// counts as idle: a look at a worker must not make it forward less.
func (w *worker) tell() {
	if len(w.telling) == 0 {
		return
	}
	start := mono.Now()
	if w.telling[0].advance(w) {
		w.telling = slices.Delete(w.telling, 0, 1)
	}
	w.busy.spareTime(mono.Now().Sub(start))
}

// advance reports whether nothing is left to do, as when nobody waits for it any
// more.
func (t *telling) advance(w *worker) (done bool) {
	if !t.begun {
		if w.now.Sub(t.asked) > stateWait {
			return true
		}
		t.begin(w)
	}
	if !t.some(statesPerTurn) {
		return false
	}
	t.answer <- t.state
	return true
}

func (t *telling) begin(w *worker) {
	t.begun, t.state = true, w.state()
	for _, c := range w.conferences {
		for _, ep := range c.order {
			t.pending = append(t.pending, untold{ep, len(t.state.Conferences)})
		}
		t.state.Conferences = append(t.state.Conferences, c.state())
	}
}

// some describes up to n endpoints, and reports whether all are done. Who has
// left meanwhile is left out.
func (t *telling) some(n int) (done bool) {
	for ; len(t.pending) > 0; t.pending = t.pending[1:] {
		p := t.pending[0]
		switch {
		case p.ep.gone:
			continue
		case n == 0:
			return false
		}
		c := &t.state.Conferences[p.conference]
		c.Endpoints = append(c.Endpoints, p.ep.state())
		n--
	}
	return true
}

// state is that of the worker without its conferences.
func (w *worker) state() WorkerState {
	s := WorkerState{
		Index: w.index, Busy: w.busy.now(), SendsTo: w.lending.sends.Load(), Stress: w.stress.state(), Delay: delaysState(w), Socket: w.sock.Stats(), Counters: map[string]uint64{},
		Addresses: len(w.byAddr), Foreign: len(w.foreign), Timers: w.wheel.Len(), Conferences: []ConferenceState{},
	}
	s.MeanRun = s.Socket.MeanRun(netio.Stats{})
	for i, n := range counterNames {
		if v := w.count.own[i]; v != 0 {
			s.Counters[n.name] = v
		}
	}
	return s
}

func since(now, then mono.Time) string { return now.Sub(then).Round(time.Millisecond).String() }

// state is that of the conference without its endpoints.
func (c *conference) state() ConferenceState {
	s := ConferenceState{MeetingID: c.meetingID, Room: c.room, Age: since(c.w.now, c.created),
		Loudest: c.talk.loudest, Routed: c.talk.router.Routed(), LastN: c.lastN, Endpoints: []EndpointState{},
	}
	if d := c.talk.detector.Dominant(); d != nil {
		s.Dominant = d.ID
	}
	return s
}

func (ep *endpoint) state() EndpointState {
	now := ep.w.now
	s := EndpointState{
		ID: ep.id, Visitor: ep.visitor, Age: since(now, ep.created), ICE: ep.agent.State().String(),
		Generation: ep.agent.generation, Restarting: ep.next != nil, DTLS: ep.session.State(), Problem: ep.problem,
		BitsIn: ep.bytesIn.perSecond, BitsOut: ep.bytesOut.perSecond,
	}
	if ep.heard != 0 {
		s.Silent = since(now, ep.heard)
	}
	if ep.to.IsValid() {
		s.Remote = redact(ep.to)
	}
	if ep.sealer != nil {
		s.SRTP = ep.sealer.Profile().String()
	}
	s.SentTo = ep.sender().index
	if ep.rtt > 0 {
		s.RTT = ep.rtt.Round(time.Millisecond / 10).String()
	}
	s.Channel = ep.channel.kind()
	s.Bandwidth = ep.bw.state(now)
	s.Asked = ep.settings.Asked()
	for _, src := range ep.sources {
		s.Sources = append(s.Sources, src.state(now))
	}
	for _, v := range ep.streams {
		if v.src != nil {
			s.Receives = append(s.Receives, v.state())
		}
	}
	s.Slots = append(ep.maps.audio.state(), ep.maps.video.state()...)
	if ep.mute.Audio {
		s.ForceMuted = append(s.ForceMuted, "audio")
	}
	if ep.mute.Video {
		s.ForceMuted = append(s.ForceMuted, "video")
	}
	return s
}

func (t *slotTable) state() (out []SlotState) {
	if t == nil {
		return nil
	}
	for i, s := range t.Slots() {
		out = append(out, SlotState{MID: string(s.MID), SSRC: s.SSRC, RTX: s.RTX, Source: s.Source(), Untold: t.told[i].ready == 0})
	}
	return out
}

func (b *bandwidth) state(now mono.Time) BandwidthState {
	s := BandwidthState{
		Budget: b.budget(now), Audio: b.audio.reserve(), Counted: b.audio.numbered, Details: b.est.State(),
	}
	s.Why = b.why(&s.Details, s.Budget)
	if b.hold.holds(now) {
		s.Held = since(b.hold.until, now)
	}
	return s
}

func (ch *channel) kind() string {
	switch {
	case ch.sctp && (ch.overSCTP || ch.ws == nil):
		return "sctp"
	case ch.ws != nil:
		return "websocket"
	}
	return ""
}

func (s *mediaSource) state(now mono.Time) SourceState {
	out := SourceState{
		Name: s.name, Kind: s.kind.String(), VideoType: string(s.videoType), Encodings: []EncodingState{},
		Receivers: s.audio.receivers() + s.videoReceivers(),
	}
	if s.kind == media.Video {
		out.Wanted = s.demand.told
	}
	for i, e := range s.encodings {
		out.Encodings = append(out.Encodings, EncodingState{
			SSRC: e.ssrc, Live: e.live(now), Height: e.height, Bits: e.bytes.perSecond,
			Missing: e.nack.Missing(), History: e.ring.Cap(), Stats: e.stats.Stats(e.clock),
			Layers: s.layerStates(i),
		})
	}
	return out
}

// layerStates are the layers of an encoding as they were offered last.
func (s *mediaSource) layerStates(encoding int) (out []LayerState) {
	for _, l := range s.layers {
		if l.Encoding == encoding {
			out = append(out, LayerState{l.Spatial, l.Temporal, l.Height, l.FrameRate, l.Bitrate, l.Active})
		}
	}
	return out
}

func (v *videoSub) state() ReceiveState {
	spatial, temporal := v.layers.current()
	return ReceiveState{
		Source: v.src.name, Encoding: v.sel.Current(), Target: v.sel.Target(),
		Spatial: spatial, Temporal: min(temporal, v.sel.Temporal()),
		Packets: v.packets, LostPart: v.lost,
	}
}

// redact cuts the last part of an address.
func redact(a netip.AddrPort) string {
	bits := 24
	if a.Addr().Is6() {
		bits = 48
	}
	p, err := a.Addr().Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String() + ":" + strconv.Itoa(int(a.Port()))
}
