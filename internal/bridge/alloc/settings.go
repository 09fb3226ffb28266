package alloc

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/colibri"
)

const (
	// Unlimited is a height or a number of sources that does not limit.
	Unlimited = colibri.Unlimited
	// standardHeight is the limit for sources of which a receiver that has
	// said anything at all has said nothing.
	standardHeight = 180
)

// Settings is what a receiver wants. The zero value wants no video: before a
// client's first message it is still setting up, and video would only cost
// everybody key frames.
type Settings struct {
	known    bool
	lastN    int
	standard colibri.VideoConstraints
	onStage  []string
	selected []string
	wishes   map[string]wish // all that is said of a source, by its name
}

// wish is what a receiver says of one source.
type wish struct {
	constraints     colibri.VideoConstraints
	stage, selected int32 // position in these lists, -1: not there
	special         bool  // the constraints are meant for this source
}

// NewSettings returns settings that want no video yet. lastN, Unlimited or 0
// and more, holds until the client says otherwise.
func NewSettings(lastN int) Settings { return Settings{lastN: lastN} }

// Update merges a message into the settings: fields that are nil keep their
// value. An empty message is the way to let a client have video that cannot
// ask for it. Update keeps m's slices; m belongs to it from then on.
func (s *Settings) Update(m *colibri.ReceiverVideoConstraints) {
	if !s.known {
		s.known = true
		s.standard = colibri.VideoConstraints{MaxHeight: standardHeight}
	}
	if m.LastN != nil {
		s.lastN = *m.LastN
	}
	if m.DefaultConstraints != nil {
		s.standard = *m.DefaultConstraints
	}
	if m.OnStageSources != nil {
		s.onStage = m.OnStageSources
	}
	if m.SelectedSources != nil {
		s.selected = m.SelectedSources
	}
	special := m.Constraints
	if special == nil {
		special = s.special()
	}
	s.index(special)
}

// SetLastN is the older message LastNChangedEvent. It says nothing about
// heights, so it does not start video by itself.
func (s *Settings) SetLastN(n int) { s.lastN = n }

// LastN returns how many sources the receiver wants at most.
func (s *Settings) LastN() int { return s.lastN }

// Known reports whether the receiver has said what it wants.
func (s *Settings) Known() bool { return s.known }

// Asked is what a receiver has asked for, for the debug tree.
type Asked struct {
	LastN   int            `json:"last_n"` // -1 for no limit
	OnStage []string       `json:"on_stage,omitempty"`
	Heights map[string]int `json:"heights,omitempty"` // by source; 0 is none
	Others  int            `json:"others"`            // height of sources not named
}

// Asked copies what the receiver has asked for; nil if nothing yet.
func (s *Settings) Asked() *Asked {
	if !s.known {
		return nil
	}
	a := &Asked{LastN: s.lastN, OnStage: slices.Clone(s.onStage), Heights: map[string]int{}, Others: s.standard.MaxHeight}
	for name, c := range s.special() {
		a.Heights[name] = c.MaxHeight
	}
	return a
}

// OnStage reports whether the receiver shows a source large.
func (s *Settings) OnStage(name string) bool { return s.wish(name).stage >= 0 }

// Prefers reports whether the receiver asked for a source by name, ahead of
// those it only takes because somebody speaks.
func (s *Settings) Prefers(name string) bool {
	w := s.wish(name)
	return w.stage >= 0 || w.selected >= 0
}

// Height is how large the receiver wants a source that it can be sent:
// Unlimited, 0 for not at all.
func (s *Settings) Height(name string) int { return s.wish(name).constraints.MaxHeight }

// special returns the constraints that were meant for one source, by its name.
func (s *Settings) special() map[string]colibri.VideoConstraints {
	m := make(map[string]colibri.VideoConstraints, len(s.wishes))
	for name, w := range s.wishes {
		if w.special {
			m[name] = w.constraints
		}
	}
	return m
}

// index rebuilds wishes. A name that stands in a list twice counts where it
// stands first.
func (s *Settings) index(special map[string]colibri.VideoConstraints) {
	s.wishes = make(map[string]wish, len(special)+len(s.onStage))
	for name, c := range special {
		s.wishes[name] = wish{c, -1, -1, true}
	}
	for i, name := range s.onStage {
		if w := s.wish(name); w.stage < 0 {
			w.stage = int32(i)
			s.wishes[name] = w
		}
	}
	for i, name := range s.selected {
		if w := s.wish(name); w.selected < 0 {
			w.selected = int32(i)
			s.wishes[name] = w
		}
	}
}

// wish returns what is said of a source, the standard if that is nothing.
func (s *Settings) wish(name string) wish {
	if w, ok := s.wishes[name]; ok {
		return w
	}
	return wish{s.standard, -1, -1, false}
}
