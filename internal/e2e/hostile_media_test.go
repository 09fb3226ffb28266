package e2e

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/jingle"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/mono"
	"github.com/plenum-conf/plenum/internal/rtp"
	"github.com/plenum-conf/plenum/internal/source"
	"github.com/plenum-conf/plenum/internal/testkit/peer"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// mediaAddr is where the media port can be reached on loopback.
func (c *call) mediaAddr(t *testing.T) netip.AddrPort {
	t.Helper()
	var s struct{ Listen string }
	state(t, c.app, "bridge", &s)
	listen, err := netip.ParseAddrPort(s.Listen)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), listen.Port())
}

// A flood is so many datagrams in all, so many at once: about twice what the
// call itself receives, in little more than a second. The kernel's queues are
// not what is tested.
const (
	floodPackets = 4000
	floodAtOnce  = 50
	floodPause   = 10 * time.Millisecond
)

// flood spreads datagrams over senders.
func flood(n int, send []func([]byte) error, next func(i int) []byte) {
	pace := time.NewTicker(floodPause)
	defer pace.Stop()
	for i := range n {
		if i%floodAtOnce == floodAtOnce-1 {
			<-pace.C
		}
		_ = send[i%len(send)](next(i))
	}
}

// strangers are UDP sockets of nobody.
func strangers(t *testing.T, n int, to netip.AddrPort) (send []func([]byte) error) {
	t.Helper()
	for range n {
		conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		send = append(send, func(b []byte) error { _, err := conn.Write(b); return err })
	}
	return send
}

// attackMediaPort sends everything that looks like something to the media
// port, from addresses nobody has proved to hold.
func attackMediaPort(t *testing.T, c *call) {
	before := scrape(t, c.app)
	to := c.mediaAddr(t)
	unknown := stunCheck("nobody", "wrong", to)
	kinds := []func(i int) []byte{
		func(i int) []byte { return noise(i % 1400) },
		func(i int) []byte { return marked(clientHello(), 0, 22) },
		func(i int) []byte { return marked(noise(200), 0, 0x80, 111) },
		func(i int) []byte { return marked(noise(200), 0, 0x81, 200, 0, 6) },
		func(i int) []byte { return unknown },
		func(i int) []byte { return unknown[:i%len(unknown)] },
		func(i int) []byte { return mutated(unknown) },
	}
	flood(floodPackets, strangers(t, 20, to), func(i int) []byte { return kinds[i/20%len(kinds)](i) })
	// What the kernel dropped was never seen; most must have been.
	c.counted(t, before, map[string]float64{"bridge_dropped_stranger_total": floodPackets / 2})
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// marked overwrites the beginning of a datagram from an offset on.
func marked(b []byte, at int, with ...byte) []byte {
	copy(b[at:], with)
	return b
}

// mutated changes a byte behind the STUN cookie.
func mutated(b []byte) []byte {
	out := append([]byte(nil), b...)
	out[8+mrand.IntN(len(out)-8)] ^= byte(1 + mrand.IntN(255))
	return out
}

// clientHello is the frame of one (RFC 6347 §4.3.2) around noise.
func clientHello() []byte {
	body := noise(120)
	b := []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(12+len(body)))
	b = append(b, 1, 0, 0, byte(len(body)), 0, 0, 0, 0, 0, 0, 0, byte(len(body)))
	return append(b, append([]byte{0xfe, 0xfd}, body[2:]...)...)
}

// stunCheck is a Binding request that is right in everything but, perhaps, the
// names.
func stunCheck(ufrag, pwd string, to netip.AddrPort) []byte {
	a := ice.NewAgent(ice.Config{Ufrag: "evil", Pwd: strings.Repeat("evil", 6)})
	_ = a.SetRemote((ufrag + "xxxx")[:max(len(ufrag), 4)], (pwd + strings.Repeat("x", 22))[:max(len(pwd), 22)],
		[]media.Candidate{{Component: 1, Protocol: "udp", Addr: to, Type: "host", Priority: 1, Foundation: "1"}}, mono.Now())
	buf := make([]byte, ice.MaxMessage)
	n, _, _ := a.Outgoing(buf)
	return buf[:n]
}

// intruder is an attacker that is an endpoint of the conference.
type intruder struct {
	*attacker
	*peer.Peer
	ssrc    uint32 // of its microphone; its camera's and the RTX stream's follow
	offered *media.Transport
	sid     string
	others  map[string][]uint32 // what the members of the call send
	seqs    [3]uint16
}

// intrude joins the call and takes the offer of the focus.
func intrude(t *testing.T, c *call, change func(*media.Transport)) *intruder {
	t.Helper()
	p, err := peer.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	x := &intruder{attacker: enter(t, c.host, c.room), Peer: p, ssrc: mrand.Uint32()>>1 + 1, others: map[string][]uint32{}}
	x.answerDisco()
	x.readOffer(x.until("<jingle", "session-initiate"))
	local := x.Local()
	if change != nil {
		change(local)
	}
	m := &jingle.Message{Action: jingle.SessionAccept, SID: x.sid, Sources: []source.Owned{{Set: x.sources()}}}
	for _, kind := range []media.Kind{media.Audio, media.Video} {
		m.Contents = append(m.Contents, jingle.Content{
			Name: kind.String(), Creator: "responder", Senders: "both", Media: kind.String(),
			Description: &media.Description{Kind: kind}, RTCPMux: true, Transport: local,
		})
	}
	if got := x.ask("set", c.room+"/focus", string(m.Encode())); !strings.Contains(got, `type="result"`) {
		t.Fatalf("session-accept: %s", got)
	}
	return x
}

func (x *intruder) answerDisco() {
	asked := x.until("<iq", "disco#info")
	st, err := xmpp.Scan([]byte(asked))
	if err != nil {
		x.t.Fatal(err)
	}
	var features string
	for _, f := range []string{"urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:apps:rtp:video", "urn:xmpp:jingle:transports:dtls-sctp:1",
		"urn:ietf:rfc:4588", "http://jitsi.org/tcc", "http://jitsi.org/json-encoded-sources"} {
		features += `<feature var="` + f + `"/>`
	}
	x.send(`<iq xmlns="jabber:client" type="result" id="` + st.ID + `" to="` + st.From + `">` +
		`<query xmlns="http://jabber.org/protocol/disco#info">` + features + `</query></iq>`)
}

func (x *intruder) readOffer(frame string) {
	st, err := xmpp.Scan([]byte(frame))
	if err != nil {
		x.t.Fatal(err)
	}
	el, _ := st.First()
	m, err := jingle.Parse(el, jingle.DefaultLimits)
	if err != nil {
		x.t.Fatal(err)
	}
	x.sid = m.SID
	for _, content := range m.Contents {
		if content.Transport != nil {
			x.offered = content.Transport
			break
		}
	}
	for _, o := range m.Sources {
		for _, s := range o.Set.Sources {
			x.others[o.Owner] = append(x.others[o.Owner], s.SSRC)
		}
	}
}

func (x *intruder) sources() source.Set {
	name := x.nick
	return source.Set{
		Sources: []source.Source{
			{SSRC: x.ssrc, Kind: media.Audio, Name: name + "-a0", MSID: name + "-audio"},
			{SSRC: x.ssrc + 1, Kind: media.Video, Name: name + "-v0", MSID: name + "-video", VideoType: source.Camera},
			{SSRC: x.ssrc + 2, Kind: media.Video, Name: name + "-v0", MSID: name + "-video", VideoType: source.Camera},
		},
		Groups: []source.Group{{Semantics: source.FID, Kind: media.Video, SSRCs: []uint32{x.ssrc + 1, x.ssrc + 2}}},
	}
}

func (x *intruder) connect() {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), attackPatience)
	defer cancel()
	if err := x.Connect(ctx, x.offered); err != nil {
		x.t.Fatal(err)
	}
}

// packet is RTP of one of the intruder's streams: 0 microphone, 1 camera, 2 RTX.
func (x *intruder) packet(stream int, pt uint8, payload []byte) []byte {
	x.seqs[stream]++
	e := rtp.Egress{SSRC: x.ssrc + uint32(stream), PayloadType: pt, Seq: x.seqs[stream], Timestamp: uint32(x.seqs[stream]) * 960, Marker: true}
	e.AddByte(1, 0x80)
	e.AddUint16(5, x.seqs[stream])
	buf := make([]byte, 1500)
	n, err := e.Write(buf, payload)
	if err != nil {
		x.t.Fatal(err)
	}
	return buf[:n]
}

// attackAsEndpoint is somebody who was let in properly, and now sends to the
// bridge what a broken or hostile client could: bad SRTP, bad RTP in good
// SRTP, bad codec data, bad and endless feedback, DTLS noise, and checks from
// more addresses than anybody has.
func attackAsEndpoint(t *testing.T, c *call) {
	before := scrape(t, c.app)
	x := intrude(t, c, nil)
	x.connect()
	raw := []func([]byte) error{x.SendRaw}
	own := func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], x.ssrc); return b }
	flood(600, raw, func(i int) []byte {
		return [](func() []byte){
			func() []byte { return own(marked(noise(100+i), 0, 0x80, 111)) },            // nobody's key
			func() []byte { return marked(noise(100+i), 0, 0x90, 100) },                 // nobody's stream
			func() []byte { return marked(noise(60), 0, 0x80, 201) },                    // RTCP of nobody's key
			func() []byte { return marked(noise(60), 0, byte(20+i%44), 0xfe, 0xfd, 0) }, // DTLS
			func() []byte { return marked(noise(60), 0, byte(64+i%64)) },                // nothing
			func() []byte { return marked(noise(40), 0, 0, 1) },                         // STUN without a cookie
		}[i%6]()
	})
	c.counted(t, before, map[string]float64{
		"bridge_dropped_authentication_total": 100, "bridge_dropped_unsignalled_total": 50,
		"bridge_dropped_unknown_kind_total": 100,
	})
	badMedia(t, c, x)
	badFeedback(t, c, x)
	manyAddresses(t, c, x)
	x.alive()
}

// attackSession is an endpoint that claims the sources of others, and adds
// and removes its own as often as it can: everybody else has to be told.
func attackSession(t *testing.T, c *call) {
	x := intrude(t, c, nil)
	x.connect()
	focus := c.room + "/focus"
	for _, id := range c.ids {
		if len(x.others[id]) == 0 {
			t.Fatalf("the offer does not name the sources of %s", id)
		}
		for _, ssrc := range x.others[id] {
			x.refused("a source of "+id, "bad-request", "set", focus, x.jingle("source-add", video(x.nick+"-v1", ssrc)))
			x.refused("no source of its own", "bad-request", "set", focus, x.jingle("source-remove", video(id+"-v0", ssrc)))
		}
		x.refused("the name of "+id, "bad-request", "set", focus, x.jingle("source-add", video(id+"-v0", x.ssrc+7)))
		x.refused("for "+id, "bad-request", "set", focus, x.jingle("source-add",
			`<json-message xmlns="http://jitsi.org/jitmeet">{"sources":{"`+id+`":[[{"s":77,"n":"`+id+`-v1"}],[],[],[]]}}</json-message>`))
	}
	x.refused("no number", "bad-request", "set", focus, x.jingle("source-add", video(x.nick+"-v1", 0)))
	x.refused("accepted twice", "unexpected-request", "set", focus, x.jingle("session-accept", ""))
	x.refused("an offer", "feature-not-implemented", "set", focus, x.jingle("session-initiate", ""))
	x.refused("other bridge", "item-not-found", "set", focus, x.jingle("session-terminate",
		`<bridge-session xmlns="http://jitsi.org/protocol/focus" id="x" restart="true"/><reason><success/></reason>`))
	x.sendAll(460, func(i int) ws.Frame {
		_, frame := x.iq("set", focus, x.jingle([]string{"source-add", "source-remove"}[i%2], video(x.nick+"-v1", x.ssrc+9)))
		return ws.NewTextFrame([]byte(frame))
	})
	x.alive()
}

func (x *intruder) jingle(action, children string) string { return jingleOf(action, x.sid, children) }

func video(name string, ssrc uint32) string {
	return fmt.Sprintf(`<content name="video"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="video">`+
		`<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%d" name="%s"><parameter name="msid" value="%s x"/></source></description></content>`, ssrc, name, name)
}

// badMedia is RTP that is authentic and still wrong.
func badMedia(t *testing.T, c *call, x *intruder) {
	before := scrape(t, c.app)
	send := []func([]byte) error{x.SendRTP}
	flood(600, send, func(i int) []byte {
		switch i % 6 {
		case 0:
			return x.packet(0, 111, noise(i%200))
		case 1:
			return x.packet(1, []uint8{100, 101, 107, 41, 5}[i/6%5], noise(i%1100)) // VP8, VP9, H.264, AV1, nothing
		case 2:
			return x.packet(2, 96, noise(i%20)) // RTX of nothing
		case 3: // a sequence number from far away
			x.seqs[0] += 20_000
			return x.packet(0, 111, noise(20))
		case 4:
			return marked(x.packet(0, 111, make([]byte, 20)), 12, 0xff, 0xff) // an extension of another kind
		}
		return x.packet(1, 100, nil)
	})
	c.counted(t, before, map[string]float64{"bridge_dropped_padding_total": 30})
}

// badFeedback asks the bridge and the others for more than anybody may.
func badFeedback(t *testing.T, c *call, x *intruder) {
	before := scrape(t, c.app)
	var victims []uint32
	for _, id := range c.ids {
		victims = append(victims, x.others[id]...)
	}
	if len(victims) == 0 {
		t.Fatalf("the offer names nobody's sources: %v", x.others)
	}
	lost := make([]uint16, 400)
	for i := range lost {
		lost[i] = uint16(i)
	}
	flood(900, []func([]byte) error{x.SendRTCP}, func(i int) []byte {
		v := victims[i/9%len(victims)]
		switch i % 9 {
		case 0, 1, 2:
			return rtp.AppendPLI(nil, x.ssrc, v)
		case 3:
			return rtp.AppendFIR(nil, x.ssrc, v, byte(i))
		case 4:
			return rtp.AppendNACK(nil, x.ssrc, v, lost)
		case 5:
			return rtp.AppendREMB(nil, x.ssrc, uint64(i%2)<<60, victims)
		case 6:
			return marked(noise(64), 0, 0x8f, 205, 0, 15) // transport feedback
		case 7:
			return marked(noise(64), 0, 0x9f, 201, 0xff, 0xff) // longer than it is
		}
		return rtp.AppendBye(nil, v) // in the name of others
	})
	c.counted(t, before, map[string]float64{"bridge_dropped_malformed_total": 50})
	// As long as a key frame is on its way nobody is asked for another, and
	// nothing is refused; from a busy browser that may take longer than a flood.
	// By then the bridge has done as the last estimate of no bits at all said, and
	// sends no video of which there could be key frames.
	limited := 0.0
	waitIfTime(t, "who asks for key frames without end is refused", func() bool {
		if err := x.SendRTCP(rtp.AppendREMB(nil, x.ssrc, 1<<60, victims)); err != nil {
			t.Error(err)
		}
		flood(2*floodAtOnce, []func([]byte) error{x.SendRTCP}, func(i int) []byte {
			return rtp.AppendPLI(nil, x.ssrc, victims[i%len(victims)])
		})
		limited = scrape(t, c.app).sum("bridge_dropped_key_frame_limit_total") - before.sum("bridge_dropped_key_frame_limit_total")
		return limited >= 20
	}, func() string { return fmt.Sprint(limited, " requests were refused") })
}

// manyAddresses sends checks with the intruder's own names, some with the
// right password, from hundreds of addresses.
func manyAddresses(t *testing.T, c *call, x *intruder) {
	before := scrape(t, c.app)
	to := c.mediaAddr(t)
	flood(400, strangers(t, 200, to), func(i int) []byte {
		if i < 200 {
			return stunCheck(x.offered.Ufrag, strings.Repeat("wrong", 5), to)
		}
		return stunCheck(x.offered.Ufrag, x.offered.Pwd, to)
	})
	c.counted(t, before, map[string]float64{"bridge_dropped_stun_total": 100})
	var s struct {
		Workers []struct {
			Addresses int
			Foreign   int `json:"foreign_addresses"`
		}
	}
	state(t, c.app, "bridge", &s)
	for _, w := range s.Workers {
		if most := 3 * 16; w.Addresses > most || w.Foreign > most {
			t.Errorf("the bridge keeps %d and %d addresses of 3 endpoints", w.Addresses, w.Foreign)
		}
	}
}

// attackChannel is an endpoint that says on both bridge channels what nobody
// should, much of it, and reads nothing.
func attackChannel(t *testing.T, c *call) {
	before := scrape(t, c.app)
	x := intrude(t, c, nil)
	x.connect()
	data, err := x.OpenChannel()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range data.Messages() {
		}
	}()
	messages := channelGarbage(x.nick, c.ids[0])
	for range 3 {
		for _, m := range messages {
			_ = data.Send(m)
		}
	}
	socket := x.openChannelSocket(c)
	for range 10 {
		for _, m := range messages {
			_ = wsutil.WriteClientText(socket, []byte(m))
		}
	}
	c.counted(t, before, map[string]float64{"bridge_dropped_channel_message_total": 20})
	foreignChannel(t, c, x)
	// The last message is longer than any may be, and ends that link.
	_ = wsutil.WriteClientText(socket, make([]byte, 100<<10))
	shouting(t, c, x)
	x.alive()
}

func (x *intruder) openChannelSocket(c *call) net.Conn {
	x.t.Helper()
	url := "ws://" + c.host + x.offered.ChannelURL[strings.Index(x.offered.ChannelURL, "/colibri-ws"):]
	conn, _, _, err := ws.Dial(context.Background(), url)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(attackPatience))
	return conn
}

func channelGarbage(me, victim string) []string {
	names := strings.Repeat(`"`+victim+`-v0",`, 3000)
	return []string{
		"", "x", "{}", "[]", "null", `{"colibriClass":5}`, `{"colibriClass":""}`, `{"colibriClass":"` + strings.Repeat("x", 5000) + `"}`,
		"\xff\xfe", strings.Repeat("[", 60_000), strings.Repeat(`{"colibriClass":`, 1000),
		`{"colibriClass":"ReceiverVideoConstraints","lastN":-99999999999999999999}`,
		`{"colibriClass":"ReceiverVideoConstraints","lastN":1e308,"defaultConstraints":{"maxHeight":-5}}`,
		`{"colibriClass":"ReceiverVideoConstraints","selectedSources":[` + strings.TrimSuffix(names, ",") + `]}`,
		`{"colibriClass":"ReceiverVideoConstraints","constraints":{"` + victim + `-v0":{"maxHeight":"x"}}}`,
		`{"colibriClass":"ReceiverVideoConstraints","assumedBandwidthBps":9223372036854775807}`,
		`{"colibriClass":"LastNChangedEvent","lastN":{}}`,
		`{"colibriClass":"SourceVideoTypeMessage","sourceName":"` + victim + `-v0","videoType":"none"}`,
		`{"colibriClass":"VideoTypeMessage","videoType":"bogus"}`,
		`{"colibriClass":"EndpointMessage","from":"` + victim + `","to":"` + victim + `","msgPayload":{"x":[]}}`,
		`{"colibriClass":"EndpointMessage","to":"","msgPayload":5}`,
		`{"colibriClass":"EndpointStats","bitrate":{"upload":-1},"from":"` + victim + `"}`,
		`{"colibriClass":"ServerHello"}`, `{"colibriClass":"ForwardedSources","forwardedSources":[]}`,
		`{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"` + me + `"}`,
		`{"colibriClass":"SenderSourceConstraints","sourceName":"` + victim + `-v0","maxHeight":0}`,
		`{"colibriClass":"AddReceiver"}`, `{"colibriClass":"ReceiverAudioSubscription","all":"yes"}`,
	}
}

// foreignChannel tries the intruder's own, right password at another's door.
func foreignChannel(t *testing.T, c *call, x *intruder) {
	for _, id := range c.ids {
		url := strings.Replace(x.offered.ChannelURL, x.nick, id, 1)
		url = "ws://" + c.host + url[strings.Index(url, "/colibri-ws"):]
		if conn, _, _, err := ws.Dial(context.Background(), url); err == nil {
			_ = conn.Close()
			t.Errorf("%s let a stranger into its channel", id)
		}
	}
}

// shouting sends the others as many and as long messages as the socket takes.
// Somebody who listens stays connected and gets what there was room for.
func shouting(t *testing.T, c *call, x *intruder) {
	listener := intrude(t, c, nil)
	listener.connect()
	ears, mouth := listener.openChannelSocket(c), x.openChannelSocket(c)
	heard := make(chan int, 1)
	go func() {
		n := 0
		for {
			msg, err := wsutil.ReadServerText(ears)
			n += strings.Count(string(msg), `y"}}`)
			if last := strings.Contains(string(msg), "the last"); err != nil || last {
				heard <- n
				return
			}
		}
	}()
	shout := func(s string) {
		_ = wsutil.WriteClientText(mouth, fmt.Appendf(nil, `{"colibriClass":"EndpointMessage","to":"%s","msgPayload":{"x":"%s"}}`, "", s))
	}
	for range 100 {
		shout(strings.Repeat("y", 50_000))
	}
	n := -1
	eventually(t, func() bool {
		shout("the last") // which may be one of too many, too
		select {
		case n = <-heard:
		default:
		}
		return n >= 0
	}, func() string { return "somebody who listens hears nothing any more" })
	t.Logf("%d of 100 long messages were heard", n)
}

// attackAsImpostor accepts an offer with one certificate and comes with
// another: whoever sits between may not be taken for the peer.
func attackAsImpostor(t *testing.T, c *call) {
	before := scrape(t, c.app)
	other, err := peer.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	x := intrude(t, c, func(local *media.Transport) { local.Fingerprint = other.Local().Fingerprint })
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := x.Connect(ctx, x.offered); err == nil {
		for range 50 {
			_ = x.SendRTP(x.packet(0, 111, noise(50)))
		}
		c.counted(t, before, map[string]float64{"bridge_dropped_no_keys_total": 10})
	} else {
		t.Logf("the handshake ends with: %v", err)
	}
	for _, e := range endpoints(t, c.app) {
		if e.ID == x.nick && e.SRTP != "" {
			t.Error("the bridge took the impostor for the peer")
		}
	}
	x.alive()
}
