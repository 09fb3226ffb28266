package signal

import (
	"time"

	"github.com/plenum-conf/plenum/internal/muc"
)

// State is the server's part of the debug tree.
type State struct {
	Domain   string         `json:"domain"`
	Sessions []SessionState `json:"sessions"`
	Rooms    []RoomState    `json:"rooms"`
	Expected []string       `json:"expected"` // rooms the focus was asked for
	Ports    []string       `json:"ports"`    // attached services
}

// SessionState describes one session.
type SessionState struct {
	JID           string   `json:"jid"`
	State         string   `json:"state"`
	Remote        string   `json:"remote,omitempty"`
	Resumable     bool     `json:"resumable"`
	OutboxStanzas int      `json:"outbox_stanzas"`
	OutboxBytes   int      `json:"outbox_bytes"`
	Unacked       int      `json:"unacked"`
	UnackedBytes  int      `json:"unacked_bytes"`
	Rooms         []string `json:"rooms"`
}

// RoomState describes one room.
type RoomState struct {
	Key     string        `json:"key"`
	Mailbox int           `json:"mailbox"`
	Room    muc.RoomState `json:"room"`
}

// State describes the server for the debug tree; the value is a State. It asks
// every room's goroutine and waits at most a second for them.
func (s *Server) State() any {
	st := State{
		Domain: s.opt.Domain, Rooms: s.rooms.states(), Sessions: []SessionState{}, Expected: []string{}, Ports: []string{},
	}
	for _, x := range s.sessions.all() {
		st.Sessions = append(st.Sessions, x.describe())
	}
	s.rooms.mu.Lock()
	for key := range s.rooms.expected {
		st.Expected = append(st.Expected, key.String())
	}
	s.rooms.mu.Unlock()
	s.ports.mu.RLock()
	for j := range s.ports.m {
		st.Ports = append(st.Ports, j.String())
	}
	s.ports.mu.RUnlock()
	return st
}

// Overview counts what there is, without asking any room.
type Overview struct {
	Sessions int // of clients, with or without a socket
	Rooms    int
}

// Overview returns the counts. Any goroutine may call it.
func (s *Server) Overview() Overview {
	o := Overview{Sessions: s.sessions.count()}
	s.rooms.mu.Lock()
	defer s.rooms.mu.Unlock()
	o.Rooms = len(s.rooms.byKey)
	return o
}

func (s *session) describe() SessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := s.acks.Pending()
	d := SessionState{
		JID: s.full, State: s.state.String(), Resumable: s.smID != "",
		OutboxStanzas: s.out.waiting(), OutboxBytes: s.out.bytes,
		Unacked: n, UnackedBytes: size, Rooms: []string{},
	}
	if s.conn != nil {
		d.Remote = s.conn.remote
	}
	for _, r := range s.rooms {
		if !r.over.Load() {
			d.Rooms = append(d.Rooms, r.public.String())
		}
	}
	return d
}

func (t *rooms) states() []RoomState {
	t.mu.Lock()
	ask := make([]*room, 0, len(t.byKey))
	for _, r := range t.byKey {
		ask = append(ask, r)
	}
	t.mu.Unlock()
	answers := make(chan RoomState, len(ask))
	posted := 0
	for _, r := range ask {
		if r.post(event{kind: evCall, call: func(r *room) { answers <- r.describe() }}, false) {
			posted++
		}
	}
	return collect(answers, posted, time.Second)
}

func collect(answers <-chan RoomState, n int, limit time.Duration) []RoomState {
	list := []RoomState{} // not null in JSON
	timeout := time.After(limit)
	for range n {
		select {
		case a := <-answers:
			list = append(list, a)
		case <-timeout:
			return list
		}
	}
	return list
}

// describe runs on the room's goroutine.
func (r *room) describe() RoomState {
	r.box.mu.Lock()
	waiting := len(r.box.queue)
	r.box.mu.Unlock()
	return RoomState{Key: r.key.String(), Mailbox: waiting, Room: r.core.State()}
}
