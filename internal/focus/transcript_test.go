package focus

import (
	"testing"
	"time"
)

func TestTranscript(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		script func(w *world)
	}{
		{"first_path", nil, scriptFirstPath},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { inWorld(t, tt.change, tt.script) })
	}
}

func scriptFirstPath(w *world) {
	w.say("a conference request creates the conference; the answer waits for the focus to be in the room")
	w.ask(roomName)
	w.say("one participant is made owner and waits")
	a := w.join("aaaaaaaa")
	w.say("two are invited")
	b := w.join("bbbbbbbb")
	w.say("both accept and hear of each other")
	a.accept(a.mic(11))
	w.pass(time.Second)
	b.accept(b.mic(22))
	w.pass(time.Second)
	w.say("a source comes and goes")
	b.jingle("source-remove", inContent("audio", b.mic(22)))
	w.pass(time.Second)
	w.say("everybody leaves")
	b.leave()
	a.leave()
}
