package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

const secret = "a secret for tests"

// journal is what an agent logs.
type journal struct {
	mu    sync.Mutex
	lines []string
	news  chan struct{}
}

func (j *journal) log(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	close(j.news)
	j.news = make(chan struct{})
}

// wait waits until a line has the word.
func (j *journal) wait(t *testing.T, word string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		j.mu.Lock()
		text, news := strings.Join(j.lines, "\n"), j.news
		j.mu.Unlock()
		if strings.Contains(text, word) {
			return
		}
		select {
		case <-news:
		case <-limit:
			t.Fatalf("%q is not in the journal:\n%s", word, text)
		}
	}
}

// serve runs an agent and returns its address.
func serve(t *testing.T) (string, *journal) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{news: make(chan struct{})}
	a := &Agent{Secret: []byte(secret), Log: j.log}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), j
}

// deaf is a deployment that nobody gets into: what participants do does not
// matter here.
func deaf(t *testing.T) string {
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	return srv.URL
}

func planFor(url string) loadtest.Plan {
	return loadtest.Simple{URL: url, Rooms: 1, Participants: 5, Duration: 2 * time.Second, RoomPrefix: "x", Signalling: true}.Plan()
}

// TestRun: two machines make one report, with everybody once.
func TestRun(t *testing.T) {
	one, _ := serve(t)
	two, _ := serve(t)
	seconds := 0
	begun := false
	plan := planFor(deaf(t))
	plan.Duration = time.Minute
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	rep, err := Run(ctx, []string{one, two}, []byte(secret), plan, loadtest.Options{
		OnSecond: func(s record.Second) {
			if seconds++; s.Failed == 5 { // everybody was there, and nobody got in
				stop()
			}
		},
		Begin: func(context.Context) error { begun = true; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !begun || seconds == 0 || seconds != len(rep.Seconds) || rep.Seconds[seconds-1].Began != 5 || len(rep.Participants) != 5 {
		t.Errorf("%d seconds, %+v", seconds, rep)
	}
	for i, p := range rep.Participants {
		if p.Index != i || p.Name != fmt.Sprintf("Signalling %d", i+1) || p.State != record.Failed {
			t.Errorf("number %d is %+v", i, p)
		}
	}
	if m := rep.Machines; len(m) != 2 || m[0].Name != one || m[0].Participants != 3 || m[1].Participants != 2 || m[0].Lost+m[1].Lost != "" ||
		rep.Machine.Cores != m[0].Cores+m[1].Cores || m[0].CPU == 0 || rep.Machine.CPU != m[0].CPU+m[1].CPU {
		t.Errorf("%+v", rep.Machines)
	}
}

// TestStopped: when the test is ended by hand all machines tell what there is.
func TestStopped(t *testing.T) {
	addr, _ := serve(t)
	plan := planFor(deaf(t))
	plan.Duration = time.Hour
	ctx, stop := context.WithCancel(context.Background())
	rep, err := Run(ctx, []string{addr}, []byte(secret), plan, loadtest.Options{OnSecond: func(record.Second) { stop() }})
	if err != nil || len(rep.Participants) != 5 || rep.Machines[0].Lost != "" || rep.Duration > time.Minute {
		t.Errorf("%+v, %v", rep, err)
	}
}

// TestCannotBegin: what keeps a test from beginning is said in a line, with
// the machine, and nobody else begins.
func TestCannotBegin(t *testing.T) {
	good, journal := serve(t)
	strange, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = strange.Close() }()
	go func() {
		for {
			c, err := strange.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 smtp.example ready\r\n"))
			_ = c.Close()
		}
	}()
	closed, _ := net.Listen("tcp", "127.0.0.1:0")
	nobody := closed.Addr().String()
	_ = closed.Close()
	url := deaf(t)
	far := planFor("http://192.0.2.1")
	far.Rooms[0].Members[0].Count = 20
	for name, tc := range map[string]struct {
		machines []string
		secret   string
		plan     loadtest.Plan
		want     string
	}{
		"nobody":       {[]string{good, nobody}, secret, planFor(url), nobody + ": no agent answers"},
		"not an agent": {[]string{strange.Addr().String(), good}, secret, planFor(url), "what answers is no agent"},
		"secret":       {[]string{good}, "another secret, longer", planFor(url), good + ": it has another secret"},
		"twice":        {[]string{good, good}, secret, planFor(url), "twice"},
		"no machine":   {[]string{""}, secret, planFor(url), "is no machine"},
		"a bad plan":   {[]string{good}, secret, loadtest.Plan{}, "not the URL"},
		"no server":    {[]string{good}, secret, planFor("http://" + nobody), good + ": " + nobody + " does not answer"},
		"no leave":     {[]string{good}, secret, far, "to the test and to this agent"},
		"too many":     {make([]string, loadtest.MaxMachines+1), secret, planFor(url), "more than 64"},
	} {
		rep, err := Run(context.Background(), tc.machines, []byte(tc.secret), tc.plan, loadtest.Options{OnSecond: func(record.Second) { t.Errorf("%s: it has begun", name) }})
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %+v, %v; want %q", name, rep, err, tc.want)
		}
	}
	journal.wait(t, "was sent away: it has another secret")
	// After all of that the agent has time for a test that can begin, and that
	// goes on for as long as it is meant to.
	plan := planFor(url)
	if rep, err := Run(context.Background(), []string{good}, []byte(secret), plan, loadtest.Options{}); err != nil || len(rep.Participants) != 5 || rep.Duration < plan.Duration {
		t.Errorf("%+v, %v", rep, err)
	}
}

// knock connects as a coordinator does.
func knock(t *testing.T, addr string) *link {
	t.Helper()
	l, err := connect(context.Background(), addr, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.conn.Close() })
	return l
}

func say(t *testing.T, l *link, m *message) {
	t.Helper()
	if err := l.send(m); err != nil {
		t.Fatal(err)
	}
}

// hear returns the next message that is no sign of life.
func hear(t *testing.T, l *link) *message {
	t.Helper()
	for {
		m, err := l.receive()
		if err != nil {
			t.Fatal(err)
		}
		if *m != (message{}) {
			return m
		}
	}
}

// TestAgentAlone: an agent whose coordinator vanishes ends the test, and has
// time for another. While it has one it takes no second.
func TestAgentAlone(t *testing.T) {
	addr, journal := serve(t)
	plan := planFor(deaf(t))
	plan.Duration = time.Hour
	j := newJob(plan, loadtest.Share{})
	l := knock(t, addr)
	say(t, l, &message{Job: j})
	if m := hear(t, l); !m.Ready {
		t.Fatalf("%+v", m)
	}
	say(t, l, &message{Begin: true})
	if m := hear(t, l); m.Second == nil || m.Second.Began != 5 {
		t.Fatalf("%+v", m)
	}
	second := knock(t, addr)
	say(t, second, &message{Job: j})
	if m := hear(t, second); !strings.Contains(m.Refused, "a test already") {
		t.Errorf("%+v", m)
	}
	other := knock(t, addr)
	say(t, other, &message{Job: &job{Version: version + 1, Plan: plan}})
	if m := hear(t, other); !strings.Contains(m.Refused, "another version") {
		t.Errorf("%+v", m)
	}
	_ = l.conn.Close()
	journal.wait(t, "the coordinator is gone")
	third := knock(t, addr)
	say(t, third, &message{Job: j})
	if m := hear(t, third); !m.Ready {
		t.Errorf("%+v", m)
	}
}

// TestAgentLeave: an agent without leave sends nothing to strangers' servers,
// whatever the coordinator says.
func TestAgentLeave(t *testing.T) {
	addr, _ := serve(t)
	plan := planFor("http://192.0.2.1")
	plan.Roles[0].Signalling = false
	plan.PrivateOnly = false // the test has leave
	l := knock(t, addr)
	say(t, l, &message{Job: newJob(plan, loadtest.Share{})})
	if m := hear(t, l); !strings.Contains(m.Refused, "192.0.2.1 is neither") || !strings.Contains(m.Refused, "--i-run-this-server") {
		t.Errorf("%+v", m)
	}
}

// TestStrangers: who does not know the secret gets nothing, however it tries.
func TestStrangers(t *testing.T) {
	addr, journal := serve(t)
	plain, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	_, _ = plain.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	if b, _ := io.ReadAll(plain); bytes.Contains(b, []byte("plenum")) {
		t.Errorf("%q", b)
	}
	journal.wait(t, "was sent away")
	// The proof of another connection is none, nor is that of the other side.
	dial := func() *tls.Conn {
		c, err := tls.Dial("tcp", addr, clientTLS())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	first, second := dial(), dial()
	stolen, _ := proof([]byte(secret), coordinator, first.ConnectionState())
	mirrored, _ := proof([]byte(secret), agent, first.ConnectionState())
	for c, p := range map[*tls.Conn][]byte{second: stolen, first: mirrored} {
		_, _ = c.Write(p)
		if b, err := io.ReadAll(c); len(b) > 0 {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
}

func TestSecret(t *testing.T) {
	for text, want := range map[string]string{
		"0123456789abcdef\n": "0123456789abcdef", " 0123456789 abcdef ": "0123456789 abcdef", "short": "", "": "", strings.Repeat("x", MaxSecret+1): "",
	} {
		got, err := Secret([]byte(text))
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%.30q: %q, %v", text, got, err)
		}
	}
}

// fakes makes links whose other ends are played by the test.
func fakes(n int) (links, ends []*link) {
	for range n {
		here, there := net.Pipe()
		links, ends = append(links, &link{conn: here}), append(ends, &link{conn: there})
	}
	return links, ends
}

// play tells what an agent tells that has n participants of many machines.
func play(l *link, index, of, n, seconds int) {
	for i := range seconds {
		time.Sleep(time.Second)
		_ = l.send(&message{Second: &record.Second{At: time.Duration(i+1) * time.Second, Began: n}})
	}
	for i := range n {
		_ = l.send(&message{Participant: &record.Participant{Index: index + i*of}})
	}
	_ = l.send(&message{Done: &done{Duration: time.Duration(seconds) * time.Second, Machine: record.Machine{Cores: 2, CPU: time.Second, Limited: []string{"tired"}}}})
}

// TestLost: a machine that is lost in the middle of the test, in whatever way,
// is told of, and the others go on. Time is simulated.
func TestLost(t *testing.T) {
	for want, lose := range map[string]func(context.Context, *link){
		"nothing was heard for 30s": func(context.Context, *link) {},
		"the connection was closed": func(_ context.Context, l *link) { _ = l.conn.Close() },
		"a message cannot be read":  func(_ context.Context, l *link) { _, _ = l.conn.Write([]byte("\x00\x00\x00\x01{")) },
		"bytes is too long":         func(_ context.Context, l *link) { _, _ = l.conn.Write([]byte("\xff\xff\xff\xff")) },
		"it was ended there": func(_ context.Context, l *link) {
			_ = l.send(&message{Done: &done{Machine: record.Machine{Lost: "it was ended there"}}})
		},
		"it did not come to an end":   func(ctx context.Context, l *link) { l.beat(ctx) },
		"it has thought better of it": func(_ context.Context, l *link) { _ = l.send(&message{Refused: "it has thought better of it"}) },
	} {
		synctest.Test(t, func(t *testing.T) {
			plan := planFor("http://localhost")
			g, err := newGathering([]string{"a", "b:1"}, &plan, nil)
			if err != nil || g.machines[0].Name != "a:7070" {
				t.Fatal(err)
			}
			links, ends := fakes(2)
			ctx, cancel := context.WithCancel(context.Background())
			go play(ends[0], 0, 2, 3, 60)
			go func() {
				play := func(at time.Duration) {
					time.Sleep(time.Second)
					_ = ends[1].send(&message{Second: &record.Second{At: at, Began: 2}})
				}
				play(time.Second)
				play(2 * time.Second)
				lose(ctx, ends[1])
				_, _ = io.Copy(io.Discard, ends[1].conn)
			}()
			g.follow(context.Background(), links, time.Minute)
			for _, l := range ends {
				_ = l.conn.Close()
			}
			cancel()
			if g.allLost() != nil {
				t.Errorf("%s: %v", want, g.allLost())
			}
			rep := g.report(&plan, time.Now())
			if m := rep.Machines; m[0].Lost != "" || !strings.Contains(m[1].Lost, want) || m[1].Name != "b:1" || m[1].Participants != 2 {
				t.Errorf("%s: %+v", want, m)
			}
			if len(rep.Participants) != 3 || rep.Participants[2].Index != 4 || len(rep.Seconds) != 60 || rep.Seconds[1].Began != 5 || rep.Seconds[2].Began != 3 {
				t.Errorf("%s: %d participants, %d seconds, %+v", want, len(rep.Participants), len(rep.Seconds), rep.Seconds[:3])
			}
			if rep.Machine.Cores != 2 || len(rep.Machine.Limited) != 1 || rep.Machine.Limited[0] != "a:7070: tired" || rep.Duration != time.Minute {
				t.Errorf("%s: %+v", want, rep.Machine)
			}
		})
	}
}

// TestAllLost: without any machine there is nothing to report.
func TestAllLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := planFor("http://localhost")
		g, _ := newGathering([]string{"a", "b"}, &plan, nil)
		links, ends := fakes(2)
		_ = ends[0].conn.Close()
		_ = ends[1].conn.Close()
		g.follow(context.Background(), links, time.Minute)
		if err := g.allLost(); err == nil || !strings.Contains(err.Error(), "a:7070 was lost") || !strings.Contains(err.Error(), "b:7070 was lost") {
			t.Error(err)
		}
	})
}

// TestTooMuch: a machine that tells without end is not listened to.
func TestTooMuch(t *testing.T) {
	g := &gathering{machines: []*machine{{}, {}}}
	var err error
	n := 0
	for ; err == nil && n < 2*maxSeconds; n++ {
		err = g.take(0, &message{Second: &record.Second{}})
	}
	if err == nil || n != maxSeconds+1 {
		t.Errorf("%d seconds, %v", n, err)
	}
}

// FuzzMessage: whatever an agent says can be taken into a report.
func FuzzMessage(f *testing.F) {
	add := func(m *message) {
		b, _ := json.Marshal(m)
		f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	}
	add(&message{})
	add(&message{Second: &record.Second{At: -1, InCall: 3, DelayP50: 4}})
	add(&message{Participant: &record.Participant{Index: -5, Media: &record.Media{Delay: &record.Histogram{}}}})
	add(&message{Done: &done{Duration: -1, Machine: record.Machine{Limited: []string{"x"}}}})
	add(&message{Job: newJob(planFor("http://localhost"), loadtest.Share{Index: 1, Of: 2}), Begin: true})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		plan := planFor("http://localhost")
		g, _ := newGathering([]string{"a"}, &plan, func(record.Second) {})
		for r := bytes.NewReader(b); ; {
			m, err := readMessage(r)
			if err != nil {
				break
			}
			if m.Job != nil {
				p := m.Job.plan()
				if p.Check() == nil {
					p.Here()
				}
			}
			if err := g.take(0, m); err != nil {
				if !errors.Is(err, errEnd) {
					g.lose(0, err)
				}
				break
			}
		}
		judge(t, g.report(&plan, time.Unix(0, 0)))
	})
}
