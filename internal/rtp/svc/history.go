package svc

// history remembers what pictures were forwarded with, so that packets that
// come late or are sent again get the marker and the active decode targets of
// their picture. It knows the last pastChanges changes.
type history struct {
	changes [pastChanges]change
	count   uint8
}

const pastChanges = 12

// change is what holds from a picture on.
type change struct {
	ts      uint32 // RTP timestamp of the picture
	targets uint32 // active decode targets as the receiver knows them, AV1 only
	spatial int8
}

// note adds what holds from the picture at ts on.
func (s *selector) note(ts uint32, targets uint32) {
	c := change{ts: ts, targets: targets, spatial: None}
	if s.on {
		c.spatial = s.now.spatial
	}
	s.past.add(c)
}

func (h *history) add(c change) {
	if h.count > 0 {
		last := &h.changes[(h.count-1)%pastChanges]
		if last.spatial == c.spatial && last.targets == c.targets {
			return
		}
	}
	h.changes[h.count%pastChanges] = c
	if h.count++; h.count == 2*pastChanges {
		h.count = pastChanges
	}
}

// at returns what held for the picture at ts; spatial layer None if it is not
// known.
func (h *history) at(ts uint32) change {
	for i := h.count; i > 0 && i+pastChanges > h.count; i-- {
		if c := h.changes[(i-1)%pastChanges]; int32(ts-c.ts) >= 0 {
			return c
		}
	}
	return change{spatial: None}
}
