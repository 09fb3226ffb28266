package focus

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// TestOneClientDoesNotUseUpEmptyRooms: whoever asks for more and more rooms is
// refused, and nobody else; over XMPP, where addresses are not known, only
// half of what there is can be had at all.
func TestOneClientDoesNotUseUpEmptyRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.MaxEmpty, o.MaxEmptyEach = 10, 3 })
		defer w.stop()
		rooms := 0
		ask := func(remote string) int {
			rooms++
			r := httptest.NewRequest("POST", "/conference-request/v1",
				strings.NewReader(fmt.Sprintf(`{"room":"r%d@conference.meet.example"}`, rooms)))
			r.RemoteAddr = remote
			out := httptest.NewRecorder()
			w.f.Handler().ServeHTTP(out, r)
			return out.Code
		}
		check := func(what, remote string, want int) {
			t.Helper()
			if got := ask(remote); got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		for range 3 {
			check("within its share", "203.0.113.7:1", 200)
		}
		check("one too many", "203.0.113.7:2", 503)
		check("somebody else", "203.0.113.8:1", 200)
		byXMPP := func(jid string) bool {
			rooms++
			_, err := w.f.open(mustRoom(t, w.f, fmt.Sprintf("x%d@conference.meet.example", rooms)), asker{jid: jid})
			return err == nil
		}
		for i := range 5 {
			if !byXMPP(fmt.Sprintf("u%d@meet.example", i/3)) {
				t.Errorf("refused request %d by XMPP", i)
			}
		}
		if byXMPP("u9@meet.example") {
			t.Error("more than half of the empty rooms were had by XMPP")
		}
		check("what XMPP has left", "203.0.113.9:1", 200)
		check("all are taken", "203.0.113.10:1", 503)
		w.pass(time.Minute) // they have ended
		check("later", "203.0.113.7:1", 200)
	})
}

func mustRoom(t *testing.T, f *Focus, text string) xmpp.JID {
	t.Helper()
	room, ok := f.parseRoom(text)
	if !ok {
		t.Fatalf("%s is no room", text)
	}
	return room
}
