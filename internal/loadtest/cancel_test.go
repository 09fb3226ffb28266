package loadtest

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/ice"
	"github.com/plenum-conf/plenum/internal/loadtest/site"
	"github.com/plenum-conf/plenum/internal/loadtest/wire"
	"github.com/plenum-conf/plenum/internal/mono"
)

// signal is an event that may happen again.
type signal struct {
	once sync.Once
	c    chan struct{}
}

func newSignal() *signal { return &signal{c: make(chan struct{})} }

func (s *signal) happen() { s.once.Do(func() { close(s.c) }) }

// mute is a TCP server that accepts and says nothing, or hangs up at once.
func mute(t *testing.T, hangUp bool, accepted *signal) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if held = append(held, conn); hangUp {
				_ = conn.Close()
			}
			accepted.happen()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-over
		for _, conn := range held {
			_ = conn.Close()
		}
	})
	return ln.Addr().String()
}

var credentials = regexp.MustCompile(`ufrag="([^"]*)" pwd="([^"]*)"`)

// muteBridge answers ICE and nothing else; hello happens when DTLS begins. It
// returns its port.
func muteBridge(t *testing.T, s *strange, hello *signal) string {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	agent := ice.NewAgent(ice.Config{Ufrag: "abcd", Pwd: "abcdefghijklmnopqrstuvwx", Controlling: true})
	over := make(chan struct{})
	go func() {
		defer close(over)
		buf := make([]byte, 1500)
		for {
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if ne, ok := err.(net.Error); err != nil && (!ok || !ne.Timeout()) {
				return
			}
			now := mono.Now()
			s.mu.Lock()
			m := credentials.FindStringSubmatch(s.accept)
			s.mu.Unlock()
			if m != nil {
				_ = agent.SetRemote(m[1], m[2], nil, now)
			}
			switch {
			case err != nil:
			case buf[0] >= 20 && buf[0] <= 63: // RFC 7983
				hello.happen()
			default:
				_ = agent.Handle(now, from, buf[:n])
			}
			agent.Tick(now)
			for {
				n, to, ok := agent.Outgoing(buf)
				if !ok {
					break
				}
				_, _ = conn.WriteToUDPAddrPort(buf[:n], to)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-over
	})
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	return port
}

// TestInterrupted: a run that ends while somebody waits for a server that says
// nothing ends at once, and nothing of it stays behind.
func TestInterrupted(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *strange, *signal) (config string){
		"dialling": func(t *testing.T, _ *strange, reached *signal) string {
			return strings.Replace(oddConfig, "$HOST", mute(t, false, reached), 1)
		},
		"TLS": func(t *testing.T, _ *strange, reached *signal) string {
			return strings.Replace(oddConfig, "ws://$HOST", "wss://"+mute(t, false, reached), 1)
		},
		"conference request": func(t *testing.T, _ *strange, reached *signal) string {
			return `var config = {conferenceRequestUrl: 'http://` + mute(t, false, reached) + `/', websocket: '/x'};`
		},
		"channel": func(t *testing.T, s *strange, reached *signal) string {
			s.channel = "ws://" + mute(t, false, reached) + "/"
			return oddConfig
		},
		"channel reconnecting": func(t *testing.T, s *strange, reached *signal) string {
			s.channel = "ws://" + mute(t, true, reached) + "/"
			return oddConfig
		},
		"DTLS": func(t *testing.T, s *strange, reached *signal) string {
			s.port = muteBridge(t, s, reached)
			return oddConfig
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, reached := &strange{}, newSignal()
			plan := Simple{URL: oddServer(t, prepare(t, s, reached), s.talk), Rooms: 1, Participants: 1, Audio: 1, Duration: inTime, RoomPrefix: "odd"}.Plan()
			before := runtime.NumGoroutine()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				_, err := Run(ctx, plan, Options{})
				ended <- err
			}()
			select {
			case <-reached.c:
			case err := <-ended:
				t.Fatalf("ended before it was interrupted: %v", err)
			}
			cancelled := time.Now()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if took := time.Since(cancelled); took > dialTimeout/2 {
				t.Errorf("took %v to end", took)
			}
			if n := settled(before); n > before {
				buf := make([]byte, 1<<20)
				t.Errorf("%d goroutines before, %d after\n%s", before, n, buf[:runtime.Stack(buf, true)])
			}
		})
	}
}

// unread is a connection whose other end does not read, for ever.
type unread struct {
	net.Conn
	writing, over *signal
}

func (u *unread) Write([]byte) (int, error) {
	u.writing.happen()
	<-u.over.c
	return 0, net.ErrClosed
}

func (u *unread) SetWriteDeadline(time.Time) error { return nil }
func (u *unread) Close() error                     { u.over.happen(); return nil }

// TestUnread: a server that does not read from one participant stops that one.
// The others come in, and each second is told.
func TestUnread(t *testing.T) {
	w, err := newWorker(1)
	if err != nil {
		t.Fatal(err)
	}
	go w.run()
	ctx, cancel := context.WithCancel(context.Background())
	at, _ := url.Parse("ws://127.0.0.1:1/xmpp-websocket")
	r := &run{ctx: ctx, plan: &Plan{}, site: site.Bare(at, "odd", "muc.odd"), dialer: newDialer(&Plan{}), workers: []*worker{w}, began: mono.Now()}
	role, rm := &Role{Name: "quiet", Signalling: true}, &room{name: "odd-1"}
	conn := &unread{writing: newSignal(), over: newSignal()}
	stuck := r.participant(0, rm, role)
	stuck.started, stuck.sock = true, &socket{conn: conn}
	stuck.client = wire.New(wire.Config{Domain: "odd", MUC: "muc.odd", Room: "odd-1", PingEvery: 1})
	stuck.client.Open(r.began)
	for _, text := range []string{oddOpen, oddFeatures, oddSuccess, oddOpen, oddBind,
		`<iq type="result" id="lt1"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>0a1b2c3d@odd/x</jid></bind></iq>`} {
		stuck.client.Frame(r.began, []byte(text))
	}
	_ = stuck.client.Take()
	stuck.deadline.Store(int64(stuck.client.Deadline())) // of a ping
	other := r.participant(1, rm, role)
	r.all = []*participant{stuck, other}

	tended := make(chan struct{})
	go func() {
		defer close(tended)
		r.tendAll(mono.Now())
		<-conn.writing.c // the ping; the lock is held for as long as it takes
		stuck.view.Store(1)
		stuck.deadline.Store(1)
		r.tendAll(mono.Now())
		if s := newBook(r).second(mono.Now()); s.Began == 0 {
			t.Errorf("%+v", s)
		}
	}()
	select {
	case <-tended:
	case <-time.After(writeTimeout):
		t.Error("everybody waits for one whom the server does not read from")
	}
	conn.over.happen()
	<-tended
	if !other.started {
		t.Error("nobody else has come")
	}
	cancel()
	r.living.Wait()
	w.stop()
}
