package muc

import "time"

// RoomState describes a room for people who look into the server. It holds no
// password, no message and no content of presences.
type RoomState struct {
	JID          string
	MeetingID    string
	Created      time.Time
	Started      time.Time // when the second occupant joined
	Opened       bool
	Destroyed    bool
	Locked       bool
	MembersOnly  bool
	Waiting      int // joins that wait for the focus
	WaitingBytes int
	History      int // messages kept
	HistoryBytes int
	SubjectBytes int
	Affiliations int
	Occupants    []OccupantState
}

// OccupantState describes one occupant.
type OccupantState struct {
	Nick          string
	JID           string // full real address
	Role          string
	Affiliation   string
	Joined        time.Time
	Trusted       bool
	PresenceBytes int // of its presence as the others get it
}

// State describes the room as it is now. The result shares nothing with it.
func (r *Room) State() RoomState {
	s := RoomState{
		JID: r.cfg.JID.String(), MeetingID: r.cfg.MeetingID, Created: r.cfg.Created, Started: r.startedAt,
		Opened: r.opened, Destroyed: r.destroyed, Locked: r.password != "", MembersOnly: r.membersOnly,
		Waiting: len(r.queue), WaitingBytes: r.queued,
		History: len(r.history.entries), HistoryBytes: r.history.bytes, SubjectBytes: len(r.subject.text),
		Affiliations: len(r.affiliations), Occupants: make([]OccupantState, 0, len(r.order)),
	}
	for _, o := range r.order {
		s.Occupants = append(s.Occupants, o.state())
	}
	return s
}

func (o *Occupant) state() OccupantState {
	return OccupantState{
		Nick: o.nick, JID: o.real.String(), Role: o.role.String(), Affiliation: o.aff.String(),
		Joined: o.joined, Trusted: o.trusted, PresenceBytes: o.shown.Size(""),
	}
}
