package focus

import "time"

func scriptRewriting(w *world) {
	w.open()
	w.say("one client takes SSRC rewriting, one demultiplexes by MID as well, one does neither")
	a := w.join("aaaaaaaa", with("http://jitsi.org/ssrc-rewriting-1"))
	b := w.join("bbbbbbbb", with("http://jitsi.org/ssrc-rewriting-1", "http://jitsi.org/rtp-mid-demux"))
	c := w.join("cccccccc", with("http://jitsi.org/rtp-mid-demux"))
	w.say("all accept: only the third is told who sends what")
	for i, p := range []*person{a, b, c} {
		p.accept(p.mic(11 * (i + 1)))
	}
	w.pass(time.Second)
	w.say("whoever comes later and takes rewriting finds the bridge's own sources in the offer, and no others; who does not, finds all")
	d := w.join("dddddddd", with("http://jitsi.org/ssrc-rewriting-1"))
	w.join("eeeeeeee")
	w.say("a source comes and another goes")
	d.accept(d.mic(44))
	b.jingle("source-remove", inContent("audio", b.mic(22)))
	w.pass(time.Second)
	w.say("one leaves: the bridge is told, clients with rewriting are not")
	a.leave()
	w.pass(10 * time.Second)
	w.say("a restart is a matter between one client, the bridge and those without rewriting")
	d.jingle("session-terminate", `<reason><connectivity-error/><text>ICE FAILED</text></reason>`+
		`<bridge-session xmlns="http://jitsi.org/protocol/focus" id="`+d.stay+`" restart="true"/>`)
	w.pass(time.Second)
	d.accept(d.mic(45))
	w.pass(time.Second)
}
