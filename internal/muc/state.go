package muc

import "time"

// RoomState describes a room for people who look into the server. It holds no
// password, no message and no content of presences.
type RoomState struct {
	JID          string          `json:"jid"`
	MeetingID    string          `json:"meeting_id"`
	Created      time.Time       `json:"created"`
	Started      time.Time       `json:"started"` // when the second occupant joined
	Opened       bool            `json:"opened"`
	Destroyed    bool            `json:"destroyed"`
	Locked       bool            `json:"locked"`
	MembersOnly  bool            `json:"members_only"`
	Waiting      int             `json:"waiting"` // joins that wait for the focus
	WaitingBytes int             `json:"waiting_bytes"`
	History      int             `json:"history"` // messages kept
	HistoryBytes int             `json:"history_bytes"`
	SubjectBytes int             `json:"subject_bytes"`
	Affiliations int             `json:"affiliations"`
	Occupants    []OccupantState `json:"occupants"`
}

// OccupantState describes one occupant.
type OccupantState struct {
	Nick          string    `json:"nick"`
	JID           string    `json:"jid"` // full real address
	Role          string    `json:"role"`
	Affiliation   string    `json:"affiliation"`
	Joined        time.Time `json:"joined"`
	Trusted       bool      `json:"trusted"`
	PresenceBytes int       `json:"presence_bytes"` // of its presence as the others get it
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
