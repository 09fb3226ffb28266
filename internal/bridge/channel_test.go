package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/mono"
)

// wsClient is a client's WebSocket.
type wsClient struct {
	t    *testing.T
	conn net.Conn
	rw   io.ReadWriter
	in   chan string
	end  chan ws.StatusCode
}

// dial opens the channel a client was offered.
func (c *client) dial(t *testing.T) *wsClient {
	t.Helper()
	w, err := c.tryDial(t, c.offered.ChannelURL)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (c *client) tryDial(t *testing.T, url string) (*wsClient, error) {
	host := strings.TrimPrefix(c.r.web.URL, "http://")
	url = strings.Replace(url, "ws://127.0.0.1", "ws://"+host, 1)
	conn, br, _, err := ws.Dial(context.Background(), url)
	if err != nil {
		return nil, err
	}
	w := &wsClient{t: t, conn: conn, in: make(chan string, 1000), end: make(chan ws.StatusCode, 1)}
	w.rw = struct {
		io.Reader
		io.Writer
	}{conn, conn}
	if br != nil {
		w.rw = bufio.NewReadWriter(br, bufio.NewWriter(conn))
	}
	t.Cleanup(func() { conn.Close() })
	go w.read()
	return w, nil
}

func (w *wsClient) read() {
	defer close(w.in)
	for {
		msg, err := wsutil.ReadServerText(w.rw)
		if err != nil {
			var closed wsutil.ClosedError
			if ok := asClosed(err, &closed); ok {
				w.end <- closed.Code
			}
			close(w.end)
			return
		}
		w.in <- string(msg)
	}
}

func asClosed(err error, to *wsutil.ClosedError) bool {
	c, ok := err.(wsutil.ClosedError)
	*to = c
	return ok
}

func (w *wsClient) send(msg string) {
	w.t.Helper()
	if err := wsutil.WriteClientText(w.conn, []byte(msg)); err != nil {
		w.t.Fatal(err)
	}
}

// expect reads messages until one holds all the parts.
func expect(t *testing.T, in <-chan string, parts ...string) string {
	t.Helper()
	var seen []string
	for {
		select {
		case msg, ok := <-in:
			if !ok {
				t.Fatalf("closed without %v; there was %q", parts, seen)
			}
			if !json.Valid([]byte(msg)) {
				t.Errorf("not JSON: %s", msg)
			}
			if holds(msg, parts) {
				return msg
			}
			seen = append(seen, msg)
		case <-timeout(t):
			t.Fatalf("never %v; there was %q", parts, seen)
		}
	}
}

func holds(msg string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(msg, p) {
			return false
		}
	}
	return true
}

func timeout(t *testing.T) <-chan struct{} {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx.Done()
}

const wantAll = `{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"defaultConstraints":{"maxHeight":360}}`

// TestWebSocketChannel: what a client is told and can ask over a WebSocket.
func TestWebSocketChannel(t *testing.T) {
	r := newRig(t, 2)
	a := r.join(meeting, "aaaaaaaa", 1000)
	b := r.join(meeting, "bbbbbbbb", 2000)
	wa, wb := a.dial(t), b.dial(t)
	expect(t, wa.in, `"ServerHello"`)
	expect(t, wb.in, `"ServerHello"`)

	wb.send(wantAll)
	expect(t, wa.in, `"SenderSourceConstraints"`, `"sourceName":"aaaaaaaa-v0"`, `"maxHeight":360`)
	expect(t, wb.in, `"ForwardedSources"`, `["aaaaaaaa-v0"]`)
	b.until("360p", func() { a.allVideo(true) }, func() bool { return heights(b.packets(1001))[360] > 0 })

	wa.send(`{"colibriClass":"EndpointMessage","from":"ffffffff","to":"bbbbbbbb","msgPayload":{"type":"x","n":[1,2]}}`)
	expect(t, wb.in, `"EndpointMessage"`, `"from":"aaaaaaaa"`, `"msgPayload":{"type":"x","n":[1,2]}`)
	wb.send(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{}}`)
	expect(t, wa.in, `"EndpointMessage"`, `"from":"bbbbbbbb"`)
	wa.send(`{"colibriClass":"EndpointStats","from":"ffffffff","bitrate":{"upload":900}}`)
	expect(t, wb.in, `"EndpointStats"`, `"from":"aaaaaaaa"`, `"bitrate":{"upload":900}`)

	wa.send(`{"colibriClass":"SourceVideoTypeMessage","sourceName":"aaaaaaaa-v0","videoType":"none"}`)
	expect(t, wb.in, `"ForwardedSources"`, `[]`)
	expect(t, wa.in, `"SenderSourceConstraints"`, `"maxHeight":0`)

	wa.send(`no JSON at all`)
	wa.send(`{"colibriClass":"SelectedEndpointsChangedEvent"}`)
	wa.send(`{"colibriClass":"ClientHello"}`)
	expect(t, wa.in, `"ServerHello"`)

	again := a.dial(t)
	expect(t, again.in, `"ServerHello"`)
	expect(t, again.in, `"SenderSourceConstraints"`, `"maxHeight":0`)
	if code := <-wa.end; code != ws.StatusNormalClosure {
		t.Errorf("the replaced socket was closed with %d", code)
	}
	if err := b.r.expireEndpoint(b.id); err != nil {
		t.Fatal(err)
	}
	if code := <-wb.end; code != ws.StatusGoingAway {
		t.Errorf("the socket of an expired endpoint was closed with %d", code)
	}
}

func (r *rig) expireEndpoint(id string) error {
	_, err := r.Modify(r.ctx, &colibri.ConferenceModify{
		MeetingID: meeting, Endpoints: []colibri.EndpointModify{{ID: id, Expire: true}},
	})
	return err
}

// TestChannelAdmission: only the exact URL opens a channel.
func TestChannelAdmission(t *testing.T) {
	r := newRig(t, 1)
	a := r.allocate(meeting, "aaaaaaaa", 0)
	url := a.offered.ChannelURL
	for name, tc := range map[string]struct {
		url  string
		want int
	}{
		"other server":   {strings.Replace(url, "/plenum/", "/other/", 1), http.StatusNotFound},
		"other endpoint": {strings.Replace(url, "aaaaaaaa", "bbbbbbbb", 1), http.StatusForbidden},
		"wrong password": {url + "0", http.StatusForbidden},
		"no password":    {url[:strings.Index(url, "?")], http.StatusForbidden},
		"too deep":       {strings.Replace(url, "?", "/x?", 1), http.StatusNotFound},
	} {
		_, err := a.tryDial(t, tc.url)
		if status, ok := err.(ws.StatusError); !ok || int(status) != tc.want {
			t.Errorf("%s: %v, want %d", name, err, tc.want)
		}
	}
	if _, err := a.tryDial(t, url); err != nil {
		t.Errorf("the right URL: %v", err)
	}
}

// TestBadFrames: a client that breaks the framing is cut off.
func TestBadFrames(t *testing.T) {
	for name, frame := range map[string]ws.Frame{
		"not masked":        ws.NewTextFrame([]byte("{}")),
		"too long":          ws.MaskFrame(ws.NewTextFrame(make([]byte, 64<<10+1))),
		"lone continuation": ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, nil)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			a := r.allocate(meeting, "aaaaaaaa", 0)
			w := a.dial(t)
			expect(t, w.in, "ServerHello")
			_ = ws.WriteFrame(w.conn, frame) // it may be cut off before it has said all
			if code := <-w.end; code != ws.StatusProtocolError && code != 0 {
				t.Errorf("closed with %d", code)
			}
		})
	}
}

// TestSCTPChannel: the same over a data channel, which greets without a hello.
func TestSCTPChannel(t *testing.T) {
	r := newRig(t, 2)
	sctp := func(m *colibri.EndpointModify) { m.WantSCTP = true }
	a := r.allocate(meeting, "aaaaaaaa", 1000, sctp)
	if a.offered.SCTPPort != 5000 {
		t.Errorf("SCTP port %d", a.offered.SCTPPort)
	}
	a.accept(meeting)
	if err := a.Connect(r.ctx, a.offered); err != nil {
		t.Fatal(err)
	}
	b := r.join(meeting, "bbbbbbbb", 2000)
	b.ask(want(180))
	ch, err := a.OpenChannel()
	if err != nil {
		t.Fatal(err)
	}
	if first := expect(t, ch.Messages(), ""); !strings.Contains(first, "SenderSourceConstraints") {
		t.Errorf("the first message is %s", first)
	}
	wb := b.dial(t)
	expect(t, wb.in, `"ServerHello"`)
	if err := ch.Send(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{"a":1}}`); err != nil {
		t.Fatal(err)
	}
	expect(t, wb.in, `"from":"aaaaaaaa"`)
	wb.send(`{"colibriClass":"EndpointMessage","to":"aaaaaaaa","msgPayload":{"b":2}}`)
	expect(t, ch.Messages(), `"from":"bbbbbbbb"`, `{"b":2}`)

	// Whichever was heard from last is answered on.
	wa := a.dial(t)
	expect(t, wa.in, `"ServerHello"`)
	wb.send(`{"colibriClass":"EndpointMessage","to":"aaaaaaaa","msgPayload":{"c":3}}`)
	expect(t, wa.in, `{"c":3}`)
	if err := ch.Send(`{"colibriClass":"ClientHello"}`); err != nil {
		t.Fatal(err)
	}
	expect(t, ch.Messages(), `"ServerHello"`)
	wb.send(`{"colibriClass":"EndpointMessage","to":"aaaaaaaa","msgPayload":{"d":4}}`)
	expect(t, ch.Messages(), `{"d":4}`)
}

// TestConstraintsAreRepeated: a client forgets what it was told before its
// session-accept, so it is told again after it.
func TestConstraintsAreRepeated(t *testing.T) {
	r := newRig(t, 1)
	b := r.join(meeting, "bbbbbbbb", 2000)
	b.ask(want(720))
	a := r.allocate(meeting, "aaaaaaaa", 1000)
	wa := a.dial(t)
	expect(t, wa.in, `"ServerHello"`)
	a.accept(meeting)
	expect(t, wa.in, `"SenderSourceConstraints"`, `"maxHeight":720`)
	expect(t, wa.in, `"SenderSourceConstraints"`, `"maxHeight":720`)
}

// TestAudioSubscription: exclude before include before all.
func TestAudioSubscription(t *testing.T) {
	_, a, b := pair(t, 180)
	hears := func(yes bool) {
		t.Helper()
		b.sees(a, nil)
		b.forget() // what was said before it was asked for
		for range 5 {
			a.audio(20)
		}
		// The video sent behind the audio proves that the audio has passed.
		b.sees(a, func() { a.audio(20) })
		b.mu.Lock()
		defer b.mu.Unlock()
		if n := len(b.packets(1000)); yes != (n > 0) {
			t.Errorf("hears %v, %d packets", yes, n)
		}
		for i := 1; i < len(b.packets(1000)); i++ {
			if h, last := b.packets(1000)[i].Seq, b.packets(1000)[i-1].Seq; h != last+1 {
				t.Errorf("number %d after %d", h, last)
			}
		}
	}
	hears(true)
	b.ask(&colibri.ReceiverAudioSubscription{All: true, Exclude: []string{"aaaaaaaa-a0"}})
	hears(false)
	b.ask(&colibri.ReceiverAudioSubscription{All: false, Include: []string{"aaaaaaaa-a0"}})
	hears(true)
	b.ask(&colibri.ReceiverAudioSubscription{All: false})
	hears(false)
	b.ask(&colibri.ReceiverAudioSubscription{All: true})
	hears(true)
}

// TestBusyChannel: a client that sends faster than its worker reads loses
// messages, and nobody else does.
func TestBusyChannel(t *testing.T) {
	b := idleWorkers(t, 1)
	ep, other := &endpoint{w: b.workers[0]}, &endpoint{w: b.workers[0]}
	for range 2 * maxWaiting {
		ep.channelReceived(nil, []byte(`{"colibriClass":"ClientHello"}`))
	}
	other.channelReceived(nil, []byte(`{"colibriClass":"ClientHello"}`))
	b.deliver()
	b.workers[0].publish()
	if n := b.workers[0].count.snapshot()[dropChannelBusy]; n != maxWaiting {
		t.Errorf("%d messages were dropped", n)
	}
	if ep.channel.waiting.Load()+other.channel.waiting.Load() != 0 {
		t.Error("messages still wait")
	}
}

// noConn has deadlines and nothing else: the reader in front of it has all.
type noConn struct{ net.Conn }

func (noConn) SetReadDeadline(time.Time) error { return nil }

// FuzzFrames: whatever a client writes on its WebSocket, messages are no
// longer than allowed.
func FuzzFrames(f *testing.F) {
	add := func(frames ...ws.Frame) {
		var b bytes.Buffer
		for _, fr := range frames {
			_ = ws.WriteFrame(&b, fr)
		}
		f.Add(b.Bytes())
	}
	add(ws.MaskFrame(ws.NewTextFrame([]byte(`{"colibriClass":"ClientHello"}`))))
	add(ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte(`{"a`))), ws.MaskFrame(ws.NewPingFrame([]byte("x"))), ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, []byte(`":1}`))))
	add(ws.MaskFrame(ws.NewCloseFrame(nil)))
	add(ws.NewBinaryFrame(make([]byte, 300)))
	b := &Bridge{opt: Options{Limits: Limits{ChannelMessage: 200}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := newWSLink(b, noConn{}, bufio.NewReader(bytes.NewReader(data)), nil)
		for {
			msg, err := l.message()
			if err != nil {
				return
			}
			if len(msg) > b.opt.Limits.ChannelMessage {
				t.Fatalf("a message of %d bytes", len(msg))
			}
			_, _ = colibri.ParseMessage(msg)
		}
	})
}

// TestSilentChannelHasNoWriter: nobody writes on a channel that nothing is
// said on, pings included; what is said is written
// in order whoever starts to write; and the end is said once.
func TestSilentChannelHasNoWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		b := &Bridge{opt: Options{Limits: Limits{ChannelMessage: 200, ChannelOutbox: 1 << 20}}, sockets: map[*wsLink]struct{}{}}
		l := newWSLink(b, there, bufio.NewReader(there), nil)
		l.send([]byte("0")) // too early to be written
		if !b.trackSocket(l) {
			t.Fatal("refused")
		}
		b.channels.Done() // nobody reads in this test
		l.begin()
		writes := func() bool {
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.writing
		}
		next := func() (ws.OpCode, string) {
			h, err := ws.ReadHeader(here)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, h.Length)
			if _, err := io.ReadFull(here, b); err != nil {
				t.Fatal(err)
			}
			return h.OpCode, string(b)
		}
		for i, more := range []string{"1", "2", ""} {
			if !writes() {
				t.Fatal("nobody writes")
			}
			if more != "" {
				l.send([]byte(more)) // meanwhile
			}
			if _, got := next(); got != strconv.Itoa(i) {
				t.Fatalf("%d: %q", i, got)
			}
		}
		if writes() {
			t.Error("somebody writes nothing")
		}
		for range 3 {
			l.heard.Store(int64(mono.Now())) // the pong to the last
			start := time.Now()
			if op, _ := next(); op != ws.OpPing {
				t.Fatal(op)
			}
			if got := time.Since(start); got < wsPingEvery-mono.PingGrain || got > wsPingEvery+2*mono.PingGrain || writes() {
				t.Error(got)
			}
		}
		l.close(ws.StatusGoingAway, "end")
		l.close(ws.StatusProtocolError, "")
		if op, got := next(); op != ws.OpClose || !strings.HasSuffix(got, "end") {
			t.Error(op, got)
		}
		if _, err := ws.ReadHeader(here); err == nil {
			t.Error("it goes on")
		}
		b.channels.Wait()
	})
}

// TestSilentChannelHasNoReader: a channel on which nothing is said has no
// goroutine; what is said after that is heard, in pieces or at once, and so is
// the end of either side.
func TestSilentChannelHasNoReader(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("sockets are watched on Linux only")
	}
	r := newRig(t, 1)
	parked := func() (n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for l := range r.sockets {
			if l.parked.Load() {
				n++
			}
		}
		return n
	}
	until := func(want int) {
		t.Helper()
		for end := time.Now().Add(patience); parked() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d without a goroutine, want %d", parked(), want)
			}
		}
	}
	const people = 10
	var all []*wsClient
	var ids []string
	for i := range people {
		ids = append(ids, fmt.Sprintf("%08x", i+1))
		all = append(all, r.allocate(meeting, ids[i], uint32(1000*(i+1))).dial(t))
	}
	hello := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"colibriClass":"ClientHello"}`))))
	for _, w := range all {
		expect(t, w.in, `"ServerHello"`)
	}
	until(people)
	for _, w := range all {
		for _, at := range []int{1, 7, len(hello)} {
			_, _ = w.conn.Write(hello[:at])
			runtime.Gosched()
			_, _ = w.conn.Write(hello[at:])
			expect(t, w.in, `"ServerHello"`)
		}
	}
	until(people)
	for i, w := range all {
		if i%2 == 0 {
			w.conn.Close()
		} else if err := r.expireEndpoint(ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	until(0)
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		n := len(r.sockets)
		r.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d sockets are left", n)
		}
	}
}
