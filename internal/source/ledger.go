package source

// Limits bound what one participant may send.
type Limits struct {
	Sources int // SSRCs a participant, audio and video together
	Groups  int // groups a participant
}

// DefaultLimits are what Jitsi deployments use.
var DefaultLimits = Limits{Sources: 20, Groups: 20}

// Ledger is the book of who sends what in one conference. Every change goes
// through its rules; what it hands out is immutable. It is not safe for
// concurrent use: the goroutine that owns the conference owns it.
type Ledger struct {
	limits Limits
	strip  bool
	sets   map[string]Set    // by owner, as the bridge needs them
	told   Map               // as receivers are told
	ssrcs  map[uint32]string // owner of every SSRC
	msids  map[string]string // owner of every msid
}

// NewLedger returns an empty ledger. With strip, receivers are told of
// simulcast sources by their first encoding only; see [Set.StripSimulcast].
func NewLedger(limits Limits, strip bool) *Ledger {
	return &Ledger{
		limits: limits,
		strip:  strip,
		sets:   make(map[string]Set),
		told:   Map{version: 1},
		ssrcs:  make(map[uint32]string),
		msids:  make(map[string]string),
	}
}

// Get returns everything the owner sends, simulcast encodings included.
func (l *Ledger) Get(owner string) Set { return l.sets[owner] }

// Told returns the picture that receivers should have.
func (l *Ledger) Told() Map { return l.told }

// Sources returns the number of SSRCs in the conference.
func (l *Ledger) Sources() int { return len(l.ssrcs) }

// Add books what owner wants to send in addition. It returns the owner's
// complete set after the change. Sources without a name get the owner's first
// audio or video name. On an [*Error] nothing has changed.
func (l *Ledger) Add(owner string, add Set) (Set, error) {
	add = withNames(owner, add)
	next := l.sets[owner].Union(add)
	if err := l.check(owner, add, next); err != nil {
		return Set{}, err
	}
	for _, x := range add.Sources {
		l.ssrcs[x.SSRC] = owner
		if x.MSID != "" {
			l.msids[x.MSID] = owner
		}
	}
	l.put(owner, next)
	return next, nil
}

// Remove strikes out sources of owner. Only the SSRCs of rm are looked at;
// groups which contained one of them vanish. It returns the owner's complete
// set after the change. On an [*Error] nothing has changed.
func (l *Ledger) Remove(owner string, rm Set) (Set, error) {
	drop := make(map[uint32]bool, len(rm.Sources))
	for _, x := range rm.Sources {
		if l.ssrcs[x.SSRC] != owner || x.SSRC == 0 {
			return Set{}, badRequest("source %d is not one of yours", x.SSRC)
		}
		drop[x.SSRC] = true
	}
	next := l.sets[owner].Without(func(x Source) bool { return drop[x.SSRC] })
	l.forget(owner)
	l.remember(owner, next)
	l.put(owner, next)
	return next, nil
}

// RemoveOwner strikes out everything of one owner and returns what it was.
func (l *Ledger) RemoveOwner(owner string) Set {
	was := l.sets[owner]
	if was.Empty() {
		return was
	}
	l.forget(owner)
	l.put(owner, Set{})
	return was
}

func (l *Ledger) forget(owner string) {
	for _, x := range l.sets[owner].Sources {
		delete(l.ssrcs, x.SSRC)
		delete(l.msids, x.MSID)
	}
}

func (l *Ledger) remember(owner string, set Set) {
	for _, x := range set.Sources {
		l.ssrcs[x.SSRC] = owner
		if x.MSID != "" {
			l.msids[x.MSID] = owner
		}
	}
}

func (l *Ledger) put(owner string, set Set) {
	if set.Empty() {
		delete(l.sets, owner)
	} else {
		l.sets[owner] = set
	}
	if l.strip {
		set = set.StripSimulcast()
	}
	l.told = l.told.with(owner, set)
}
