package metadata

import (
	"encoding/json"
	"maps"

	"github.com/plenum-conf/plenum/internal/muc"
	"github.com/plenum-conf/plenum/internal/signal/service"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// Limits of one room's object.
const (
	MaxBytes = 64 << 10 // of all values together
	MaxKeys  = 64
	MaxKey   = 64 // bytes of one key
)

// Reserved are the keys that only the server writes.
var Reserved = []string{
	"allownersEnabled", "asyncTranscription", "audioTranslationAvailable",
	"audioTranslationRequests", "conferencePresetsServiceEnabled", "dialinEnabled",
	"moderators", "participants", "participantsSoftLimit", "services",
	"transcriberType", "transcription", "visitorsEnabled",
}

const nsStartMuted = "http://jitsi.org/jitmeet/start-muted"

// Feature returns the service.
func Feature() service.Feature {
	return service.Feature{Identity: "room_metadata", Host: "metadata", Open: open}
}

// store is the object of one room.
type store struct {
	env    service.Env
	values map[string]json.RawMessage
	bytes  int
}

func open(env service.Env) service.Part {
	s := &store{env: env, values: make(map[string]json.RawMessage)}
	return service.Part{
		Hooks: muc.Hooks{
			BeforeSelfPresence: s.welcome,
			Joined:             s.startMuted,
			Updated:            s.startMuted,
		},
		Message: s.message,
	}
}

// welcome sends the object to a newcomer.
func (s *store) welcome(r *muc.Room, o *muc.Occupant) {
	values := maps.Clone(s.values)
	if o.Nick() != muc.FocusNick {
		if list := s.env.External(); len(list) > 0 {
			values["services"] = service.JSON(list)
		}
	}
	r.SendTo(o, s.encode(values))
}

// broadcast tells everybody what has become of the object. Of several changes a
// slow client need only learn the last: each is the whole object.
func (s *store) broadcast(r *muc.Room) {
	sh := s.encode(s.values)
	sh.Replaces = s.env.Address.String() + " " + s.env.Room.String()
	r.Broadcast(sh)
}

func (s *store) encode(values map[string]json.RawMessage) *xmpp.Shared {
	return muc.JSONMessage(s.env.Address, s.env.Room.String(), service.JSON(struct {
		Type     string                     `json:"type"`
		Metadata map[string]json.RawMessage `json:"metadata"`
	}{"room_metadata", values}))
}

// message takes a moderator's change of one key.
func (s *store) message(r *muc.Room, from *muc.Occupant, st xmpp.Stanza) *xmpp.StanzaError {
	el, ok := st.Child("room_metadata", xmpp.NSJitmeet)
	if !ok || from.Role() != muc.Moderator {
		return nil
	}
	var change struct {
		Key  string          `json:"key"`
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal([]byte(el.Text()), &change) != nil || !writable(change.Key) {
		return nil
	}
	if s.set(change.Key, change.Data) {
		s.broadcast(r)
	}
	return nil
}

func writable(key string) bool {
	if key == "" || len(key) > MaxKey {
		return false
	}
	for _, k := range Reserved {
		if k == key {
			return false
		}
	}
	return true
}

// set stores a value, none removes the key. It reports whether there is
// something new to tell.
func (s *store) set(key string, data json.RawMessage) bool {
	old, had := s.values[key]
	size := s.bytes - len(old) + len(data)
	switch {
	case len(data) == 0:
		delete(s.values, key)
		s.bytes = size
		return had
	case size > MaxBytes || !had && len(s.values) >= MaxKeys:
		return false
	case had && string(old) == string(data):
		return false
	}
	s.values[key], s.bytes = data, size
	return true
}

// startMuted takes the setting from a moderator's presence, where clients of
// before room metadata put it.
//
// COMPAT(clients that set startmuted only in presence, until none is left)
func (s *store) startMuted(r *muc.Room, o *muc.Occupant) {
	el, ok := o.Extension("startmuted", nsStartMuted)
	if !ok || o.Role() != muc.Moderator {
		return
	}
	value := service.JSON(struct {
		Audio bool `json:"audio"`
		Video bool `json:"video"`
	}{el.AttrOr("audio", "") == "true", el.AttrOr("video", "") == "true"})
	if s.set("startMuted", value) {
		s.broadcast(r)
	}
}
