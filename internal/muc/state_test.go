package muc

import (
	"encoding/json"
	"regexp"
	"testing"
)

// TestStateKeys: the debug tree has one style of keys.
func TestStateKeys(t *testing.T) {
	text, err := json.Marshal(RoomState{Occupants: []OccupantState{{}}})
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`"([^"]*)":`).FindAllStringSubmatch(string(text), -1)
	for _, key := range keys {
		if !regexp.MustCompile(`^[a-z][a-z_]*$`).MatchString(key[1]) {
			t.Errorf("key %q is not in snake_case", key[1])
		}
	}
	if len(keys) < 20 {
		t.Errorf("%d keys in %s", len(keys), text)
	}
}
