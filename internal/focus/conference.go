package focus

import (
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// outside is what a conference needs of the world. Its owner implements it;
// tests do so with slices.
type outside interface {
	// send routes a stanza. It never blocks.
	send(stanza []byte)
	// ask makes a request to a bridge, after those made before. done is
	// called later, from the conference's goroutine.
	ask(b colibri.Bridge, req *colibri.ConferenceModify, done func(*colibri.ConferenceModified, error))
	// admit asks for leave to invite the holder of a ticket. It is given at
	// once (true) or later, by a call of onAdmitted.
	admit(ticket string) bool
	// offered says that the ticket's holder has been sent its offer, and
	// settled that the ticket is not needed any more: because the offer was
	// accepted, or for another reason.
	offered(ticket string)
	settled(ticket string, answered bool)
	// newID returns an unguessable id of 32 hex digits.
	newID() string
}

// phase is where a conference is in its life.
type phase uint8

const (
	entering phase = iota // the join presence is out
	running
	over
)

// conference is the meeting of one room: who is there, which session each
// has, who sends what. It is driven by its owner with events (methods that
// take now) and starts nothing itself; after an event the owner looks at
// deadline and over. It must only be used by one goroutine.
type conference struct {
	opts   *Options
	out    outside
	caps   *capsCache
	offers *templates
	met    *metrics
	log    *slog.Logger
	came   func()   // takes it out of the count of those nobody has come to; nil once it is
	self   xmpp.JID // the focus's own address

	room    xmpp.JID // bare
	me      string   // room/focus
	meeting string   // meeting id
	created time.Time

	now    time.Time // of the event at hand
	phase  phase
	inside bool // the room knows of the focus, or soon will
	timers timers
	nextIQ uint64
	orders uint64
	asked  map[string]*question
	waits  []func(ready bool, err *xmpp.StanzaError) // conference requests
	start  *timer                                    // nobody has come yet
	ready  time.Time                                 // when a request was last answered with ready
	lonely *timer                                    // too few are left

	people    map[string]*participant // by nick
	ownerNick string                  // of an owner of the room who was there when last looked at, "" if none
	sources   *source.Ledger
	flush     *timer // receivers will be told of changes
	stay      *stay  // nil while there is no bridge
	down      bool   // the last thing heard of a bridge was a failure
	broken    int    // failures of bridges, not long apart
	lastBad   time.Time
	repair    *timer // another bridge will be tried
	tickets   uint64 // given out so far
	shown     ownPresence
}

// question is an IQ whose answer is waited for.
type question struct {
	to      string
	answer  func(st *xmpp.Stanza) // nil when none came
	timeout *timer
}

// newConference makes the conference of a room; begin starts it.
func newConference(f *shared, out outside, room xmpp.JID, now time.Time) *conference {
	return &conference{
		opts: f.opts, out: out, caps: f.caps, offers: f.offers, met: f.met, self: f.self,
		log:     f.opts.Log.With("conference", room.String()),
		room:    room,
		me:      room.WithResource(focusNick).String(),
		meeting: uuid(out.newID()),
		created: now,
		asked:   make(map[string]*question),
		people:  make(map[string]*participant),
		sources: source.NewLedger(f.opts.SourceLimits, f.opts.StripSimulcast),
	}
}

// uuid writes 32 hex digits as a version 4 UUID (RFC 9562 §5.4).
func uuid(hex string) string {
	return hex[:8] + "-" + hex[8:12] + "-4" + hex[13:16] + "-8" + hex[17:20] + "-" + hex[20:32]
}

// begin enters the room.
func (c *conference) begin(now time.Time) {
	c.now = now
	c.log.Info("conference starts", "meeting", c.meeting)
	c.shown = c.presence()
	first := c.shown
	first.joining = true
	c.inside = true
	c.out.send(first.encode(c.me))
	c.timers.set(now.Add(c.opts.JoinTimeout), func() {
		if c.phase == entering {
			c.finish("the room did not let the focus in", nil)
		}
	})
}

// request answers a conference request as soon as the focus is in the room.
// answer is called with ready false when that takes too long, and with an
// error when the room refuses.
func (c *conference) request(now time.Time, answer func(ready bool, err *xmpp.StanzaError)) {
	c.now = now
	switch c.phase {
	case entering:
		c.waits = append(c.waits, answer)
	case running:
		if c.start != nil {
			c.armStart(now)
		}
		c.ready = now
		answer(true, nil)
	}
}

func (c *conference) answerWaiting(ready bool, err *xmpp.StanzaError) {
	for _, answer := range c.waits {
		answer(ready, err)
	}
	c.waits = nil
}

// armStart gives the first participant time to come, counted from then.
func (c *conference) armStart(then time.Time) {
	c.timers.stop(c.start)
	c.start = c.timers.set(then.Add(c.opts.InitialTimeout), func() { c.finish("nobody is there", nil) })
}

// tick fires what is due.
func (c *conference) tick(now time.Time) {
	c.now = now
	c.timers.run(now)
}

// deadline returns when tick wants to be called, zero for never.
func (c *conference) deadline() time.Time { return c.timers.next() }

// finish leaves the room and gives back what the bridge holds.
func (c *conference) finish(why string, err *xmpp.StanzaError) {
	if c.phase == over {
		return
	}
	c.log.Info("conference ends", "why", why)
	c.phase = over
	c.populated()
	c.answerWaiting(false, err)
	c.met.participants.Sub(float64(len(c.people)))
	for _, p := range c.people {
		p.session.End()
		p.endpoint = false
		c.settle(p, false)
	}
	c.releaseStay()
	if c.inside {
		c.leaveRoom()
	}
	c.people = nil
	c.timers = timers{}
}

func (c *conference) leaveRoom() {
	c.out.send([]byte(`<presence xmlns="` + xmpp.NSClient + `" type="unavailable" to="` +
		string(xmpp.EscapeAttr(nil, c.me)) + `"/>`))
}

// populated takes the conference out of the count of empty ones.
func (c *conference) populated() {
	if c.came != nil {
		c.came()
		c.came = nil
	}
}

// stanza takes a stanza that came from the room or one of its occupants.
func (c *conference) stanza(now time.Time, st xmpp.Stanza, from xmpp.JID) {
	c.now = now
	switch st.Kind {
	case xmpp.Presence:
		c.onPresence(readPresence(st, from.Resource))
	case xmpp.IQ:
		c.onIQ(st, from)
	}
}

func (c *conference) onPresence(pr presence) {
	switch {
	case pr.nick == focusNick:
		c.onOwnPresence(pr)
	case pr.failed || pr.nick == "":
	case pr.leaving:
		c.onLeave(pr)
	default:
		c.onOccupant(pr)
	}
}

func (c *conference) onOwnPresence(pr presence) {
	switch {
	case pr.failed && c.phase == entering:
		c.inside = false
		c.finish("the room refused the focus: "+pr.condition,
			&xmpp.StanzaError{Type: "cancel", Condition: "service-unavailable", Text: "the room refused the focus"})
	case pr.leaving && c.phase == running:
		c.inside = false
		c.finish("the focus was removed from the room", nil)
	case pr.self && !pr.leaving && !pr.failed && c.phase == entering:
		c.phase = running
		c.ready = c.now
		c.answerWaiting(true, nil)
		if len(c.people) == 0 {
			c.armStart(c.now)
		}
		c.review()
	}
}

func (c *conference) onOccupant(pr presence) {
	p := c.people[pr.nick]
	if p == nil {
		c.onJoin(pr)
		return
	}
	was := p.pres
	p.pres = pr
	c.noteSending(p)
	if was.caps != pr.caps {
		p.known = false
	}
	if was.affiliation != pr.affiliation || was.role != pr.role {
		c.electOwner()
	}
	c.announce()
}

func (c *conference) onJoin(pr presence) {
	c.orders++
	p := &participant{nick: pr.nick, occupant: c.address(pr.nick).String(), order: c.orders, pres: pr}
	c.people[pr.nick] = p
	c.noteSending(p)
	c.log.Info("participant joins", "participant", p.nick)
	c.met.participants.Inc()
	c.populated()
	if c.phase != running {
		return
	}
	if len(c.people) <= c.opts.MinParticipants {
		c.review()
		return
	}
	c.electOwner()
	c.invite(p)
	c.announce()
}

func (c *conference) onLeave(pr presence) {
	p := c.people[pr.nick]
	if p == nil {
		return
	}
	c.log.Info("participant leaves", "participant", p.nick)
	c.detach(p)
	delete(c.people, p.nick)
	c.met.participants.Dec()
	if len(c.people) > 0 {
		c.review()
		return
	}
	c.releaseStay()
	switch {
	case pr.status == "switch_room":
		c.armStart(c.now)
	case c.now.Sub(c.ready) < c.opts.InitialTimeout:
		c.armStart(c.ready) // who was told to come in may be on the way
	default:
		c.finish("everybody has left", nil)
	}
	c.announce()
}

// review brings everything that depends on who is there into line.
func (c *conference) review() {
	if c.phase != running {
		return
	}
	if len(c.people) > 0 {
		c.timers.stop(c.start)
		c.start = nil
	}
	c.electOwner()
	c.watchLonely()
	if len(c.people) >= c.opts.MinParticipants {
		for _, p := range c.byArrival() {
			c.invite(p)
		}
	}
	c.announce()
}

func (c *conference) byArrival() []*participant {
	out := make([]*participant, 0, len(c.people))
	for _, p := range c.people {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *participant) int { return int(a.order) - int(b.order) })
	return out
}

// announce sends the focus's presence if it has changed.
func (c *conference) announce() {
	if is := c.presence(); is != c.shown && c.phase == running {
		c.shown = is
		c.out.send(is.encode(c.me))
	}
}

func (c *conference) presence() ownPresence {
	o := ownPresence{created: c.created.UnixMilli(), noBridge: c.down && c.broken > quietRetries}
	if c.stay != nil {
		o.bridges = 1
	}
	o.audioLimit, o.videoLimit = c.senderLimits()
	return o
}

// senderLimits tells which kinds of media nobody else may start to send.
func (c *conference) senderLimits() (audio, video bool) {
	if !c.countsSenders() {
		return false, false
	}
	var a, v int
	for _, p := range c.people {
		if p.sendsAudio {
			a++
		}
		if p.sendsVideo {
			v++
		}
	}
	return c.opts.MaxAudioSenders > 0 && a >= c.opts.MaxAudioSenders,
		c.opts.MaxVideoSenders > 0 && v >= c.opts.MaxVideoSenders
}

func (c *conference) countsSenders() bool {
	return c.opts.MaxAudioSenders > 0 || c.opts.MaxVideoSenders > 0
}

// noteSending reads from a participant's presence whether it is unmuted.
func (c *conference) noteSending(p *participant) {
	if c.countsSenders() {
		p.sendsAudio, p.sendsVideo = readSourceInfo(p.pres.sourceInfo)
	}
	p.pres.sourceInfo = "" // it points into the stanza
}

// electOwner gives the room an owner if it has none (XEP-0045 §10.3).
func (c *conference) electOwner() {
	if !c.opts.AutoOwner || c.room.Domain == c.opts.BreakoutDomain {
		return
	}
	if p := c.people[c.ownerNick]; p != nil && p.owner() {
		return // as nearly always; others need not be looked for at every join
	}
	var heir *participant
	for _, p := range c.people {
		if p.owner() {
			c.ownerNick = p.nick
			return
		}
		if p.eligible() && !p.crowned && (heir == nil || p.order < heir.order) {
			heir = p
		}
	}
	if heir == nil {
		return
	}
	heir.crowned = true
	c.log.Info("participant becomes owner", "participant", heir.nick)
	w := xmpp.NewWriter(256)
	w.Open("query", "xmlns", xmpp.NSMUCAdmin)
	w.Empty("item", "affiliation", "owner", "jid", heir.pres.jid.Bare().String())
	w.Close("query")
	c.query("set", c.room.String(), w.Bytes(), func(st *xmpp.Stanza) {
		if st == nil || st.Type == "error" {
			c.log.Warn("the room refused an owner", "participant", heir.nick)
		}
	})
}

// iqTimeout bounds how long answers to the focus's own questions are awaited.
const iqTimeout = 15 * time.Second

// query sends an IQ and remembers whom to tell of the answer; answer gets nil
// when there is none in time.
func (c *conference) query(typ, to string, payload []byte, answer func(*xmpp.Stanza)) {
	c.queryFor(iqTimeout, typ, to, payload, answer)
}

func (c *conference) queryFor(d time.Duration, typ, to string, payload []byte, answer func(*xmpp.Stanza)) {
	id := c.tell(typ, to, payload)
	q := &question{to: to, answer: answer}
	q.timeout = c.timers.set(c.now.Add(d), func() {
		delete(c.asked, id)
		answer(nil)
	})
	c.asked[id] = q
}

// tell sends an IQ and returns its id.
func (c *conference) tell(typ, to string, payload []byte) string {
	return c.tellWith(typ, to, len(payload), func(w *xmpp.Writer) { w.Raw(payload) })
}

// tellJingle sends a Jingle message and returns the id of its IQ.
func (c *conference) tellJingle(p *participant, m *jingle.Message) string {
	c.met.sent.WithLabelValues(string(m.Action)).Inc()
	return c.tellWith("set", p.occupant, m.Size(), m.AppendTo)
}

// tellWith sends an IQ whose content, of about size bytes, is written by fill.
func (c *conference) tellWith(typ, to string, size int, fill func(*xmpp.Writer)) string {
	c.nextIQ++
	id := "f" + strconv.FormatUint(c.nextIQ, 10)
	w := xmpp.NewWriter(192 + size)
	w.Open("iq", "xmlns", xmpp.NSClient, "type", typ, "id", id, "to", to)
	fill(w)
	w.Close("iq")
	c.out.send(w.Bytes())
	return id
}
