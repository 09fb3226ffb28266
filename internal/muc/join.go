package muc

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Join is somebody on the way in.
type Join struct {
	Recipient Recipient
	Real      xmpp.JID // full address of the session
	Nick      string
	Password  string // as given by the joiner, "" if none

	// Affiliation is what the room's list says of the user. A PreJoin hook may
	// change it; the change is entered into the list when the user gets in.
	Affiliation Affiliation
	// Admitted, set by a PreJoin hook, lets the user past members-only list
	// and password. A ban still holds.
	Admitted bool

	trusted bool
	id      string
	ext     []byte
	decls   []byte
	history historyAsk
}

// Extension returns a child of the join presence, as Occupant.Extension does.
func (j *Join) Extension(name, ns string) (xmpp.Element, bool) { return findChild(j.ext, name, ns) }

// Trusted reports whether the room's limits do not concern the joiner.
func (j *Join) Trusted() bool { return j.trusted }

// IsFocus reports whether the joiner is the focus.
func (j *Join) IsFocus() bool { return j.Nick == FocusNick && j.trusted }

// size is what a waiting join holds of the room's memory, roughly.
func (j *Join) size() int { return len(j.ext) + len(j.decls) + len(j.Password) + len(j.id) }

// newJoin reads a presence with a muc element (XEP-0045 §7.2.1). Everything is
// copied out of the stanza's frame: a join may have to wait.
func (r *Room) newJoin(from Recipient, nick string, st *xmpp.Stanza, x xmpp.Element) *Join {
	j := &Join{
		Recipient: from, Real: from.JID(), Nick: strings.Clone(nick), id: strings.Clone(st.ID),
		Password: strings.Clone(x.ChildText("password", "")),
		decls:    keptAttrs(st),
		history:  readHistoryAsk(x),
	}
	if len(j.Password) > r.limits.PasswordBytes {
		j.Password = "" // cannot be right, and shall not wait in the queue
	}
	j.ext = appendChildren(nil, st, hiddenInPresence)
	j.trusted = r.isTrusted(j.Real)
	return j
}

// ask is the front door: it refuses what can be refused at once and lets the
// rest wait until the focus is there.
func (r *Room) ask(now time.Time, j *Join) {
	if r.closed || r.destroyed {
		r.refuse(j, RoomCreationRestricted)
		return
	}
	if err := r.checkNick(j); err != nil {
		r.refuse(j, err)
		return
	}
	if r.opened || r.cfg.AnyoneOpens || j.IsFocus() {
		r.admit(now, j)
		return
	}
	r.enqueue(j)
}

func (r *Room) refuse(j *Join, e *xmpp.StanzaError) {
	r.presenceError(j.Recipient, j.Nick, j.id, e)
}

// checkNick applies the rules of nicks: the focus is "focus" and nobody else
// is; ordinary users have the form of endpoint ids.
func (r *Room) checkNick(j *Join) *xmpp.StanzaError {
	isFocus := r.isFocus(j.Real)
	switch {
	case j.Nick == "":
		return errNoNick
	case isFocus && j.Nick != FocusNick:
		return errNick
	case !isFocus && strings.EqualFold(j.Nick, FocusNick):
		return errReservedNick
	case len(j.Nick) > r.limits.NickBytes:
		return errNick
	case j.trusted:
		return nil
	case !plainNick(j.Nick):
		return errNick
	case !r.anonymousNick(j):
		return errAnonymousID
	}
	return nil
}

// plainNick matches [a-zA-Z0-9][a-zA-Z0-9_]*.
func plainNick(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' && i > 0) {
			return false
		}
	}
	return s != ""
}

// anonymousNick checks that an anonymous user takes the nick its client
// derives from its address, so that nobody can take over another's endpoint
// id.
func (r *Room) anonymousNick(j *Join) bool {
	if r.cfg.AnonymousDomain == "" || j.Real.Domain != r.cfg.AnonymousDomain || len(j.Real.Local) < 8 {
		return true
	}
	id := j.Real.Local[:8]
	return strings.Trim(id, "0123456789abcdef") != "" || j.Nick == id
}

// enqueue lets a join wait for the focus. A session waits once: asking again
// replaces what it asked before. When no more fit, the client is told to come
// back, which Jitsi clients do by themselves.
func (r *Room) enqueue(j *Join) {
	i := r.waiting(j.Real)
	free := r.limits.QueuedBytes - r.queued
	if i >= 0 {
		free += r.queue[i].size()
	}
	if i < 0 && len(r.queue) >= r.limits.QueuedJoins || j.size() > free {
		r.refuse(j, RoomCreationRestricted)
		return
	}
	r.queued = r.limits.QueuedBytes - free + j.size()
	if i >= 0 {
		r.queue[i] = j
	} else {
		r.queue = append(r.queue, j)
	}
}

func (r *Room) waiting(real xmpp.JID) int {
	return slices.IndexFunc(r.queue, func(j *Join) bool { return j.Real == real })
}

// dequeue forgets a waiting join and returns it, nil if there is none.
func (r *Room) dequeue(real xmpp.JID) *Join {
	i := r.waiting(real)
	if i < 0 {
		return nil
	}
	j := r.queue[i]
	r.queued -= j.size()
	r.queue = slices.Delete(r.queue, i, i+1)
	return j
}

// updateWaiting takes a presence without muc element from somebody who waits:
// the join will show that newer state.
func (r *Room) updateWaiting(real xmpp.JID, st *xmpp.Stanza) bool {
	i := r.waiting(real)
	if i < 0 {
		return false
	}
	j := *r.queue[i]
	j.ext, j.decls = appendChildren(nil, st, hiddenInPresence), keptAttrs(st)
	r.enqueue(&j)
	return true
}

// AbandonQueue refuses everybody who waits for the focus. Signal calls it when
// the focus does not come; with nil they are told RoomCreationRestricted.
func (r *Room) AbandonQueue(e *xmpp.StanzaError) {
	if e == nil {
		e = RoomCreationRestricted
	}
	queue := r.queue
	r.queue, r.queued = nil, 0
	for _, j := range queue {
		r.refuse(j, e)
	}
}

// replay lets in whoever waited for the focus, in the order of asking.
func (r *Room) replay(now time.Time) {
	queue := r.queue
	r.queue, r.queued = nil, 0
	for _, j := range queue {
		if r.closed || r.destroyed {
			r.refuse(j, RoomCreationRestricted)
		} else {
			r.admit(now, j)
		}
	}
}

// admit runs the checks in the order in which Jitsi deployments answer them,
// and lets the joiner in.
func (r *Room) admit(now time.Time, j *Join) {
	bare := j.Real.Bare()
	listed := r.affiliationOf(bare)
	j.Affiliation = listed
	if err := r.mayEnter(j); err != nil {
		r.refuse(j, err)
		return
	}
	if r.isFocus(j.Real) || !r.opened {
		j.Affiliation = Owner
	}
	if j.Affiliation != listed && !r.list(bare, j.Affiliation) {
		j.Affiliation = listed
	}
	if old := r.byNick[j.Nick]; old != nil {
		// Clients give up when they see the focus leave, so they do not.
		r.remove(old, &exit{why: LeftReplaced, status: "Replaced by a newer session", quiet: old.nick == FocusNick})
	}
	r.enter(now, j)
}

func (r *Room) mayEnter(j *Join) *xmpp.StanzaError {
	old := r.byNick[j.Nick]
	if old == nil && !j.trusted && len(r.order)-r.exempt >= r.limits.Occupants {
		return errFull
	}
	// The same user may take its nick back from a session that hangs.
	if old != nil && old.real.Bare() != j.Real.Bare() {
		return errConflict
	}
	if h := r.hooks.PreJoin; h != nil {
		if err := h(r, j); err != nil {
			return err
		}
	}
	switch {
	case j.Affiliation == Outcast && !j.trusted:
		return errBanned
	case j.trusted || j.Admitted:
		return nil
	case r.membersOnly && j.Affiliation < Member:
		return errMembersOnly
	case r.password != "" && !r.CheckPassword(j.Password):
		return errPassword
	}
	return nil
}

// CheckPassword reports whether s is the room's password, in time that does
// not depend on how much of it is right. A room without password accepts
// nothing here.
func (r *Room) CheckPassword(s string) bool {
	a, b := sha256.Sum256([]byte(s)), sha256.Sum256([]byte(r.password))
	return r.password != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// enter makes the joiner an occupant. The order of what everybody is sent is
// that of XEP-0045 §7.2.2 to §7.2.15, and clients rely on it.
func (r *Room) enter(now time.Time, j *Join) {
	opens := !r.opened
	r.opened = true
	o := r.newOccupant(j, now)
	r.order = append(r.order, o)
	r.byNick[o.nick], r.byReal[o.real] = o, o
	if o.trusted {
		r.exempt++
	}
	if len(r.order) == 2 && r.startedAt.IsZero() {
		r.startedAt = now
	}
	r.introduce(o)
	r.show(o, j.ext, j.decls)
	r.broadcast(o.shown, o)
	codes := joinCodes
	if opens && j.IsFocus() {
		codes = createCodes
	}
	r.welcome(now, o, j.id, codes, j.history)
	if o.gone {
		return
	}
	if h := r.hooks.Joined; h != nil {
		h(r, o)
	}
	if opens {
		r.replay(now)
	}
}

// Status codes of a self-presence (XEP-0045 §15.6.2): 110 this is you, 100
// your real address is public, 201 you created the room. Clients never get
// 201, which would make them configure the room: only the focus creates.
var (
	selfCodes   = []string{"110"}
	joinCodes   = []string{"100", "110"}
	createCodes = []string{"100", "110", "201"}
)

// introduce tells a newcomer what services have to say and shows it everybody
// who is there.
func (r *Room) introduce(o *Occupant) {
	if h := r.hooks.BeforeSelfPresence; h != nil {
		h(r, o)
	}
	for _, other := range r.order {
		if other != o {
			o.to.Deliver(other.shown)
		}
	}
}

// welcome sends what follows the occupants: the newcomer's own presence, then
// history and subject.
func (r *Room) welcome(now time.Time, o *Occupant, id string, codes []string, ask historyAsk) {
	o.to.Deliver(r.selfPresence(o, id, codes))
	r.history.replay(now, o.to, ask)
	o.to.Deliver(r.subjectMessage())
}
