package muc

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

var update = flag.Bool("update", false, "write what the room really sends into the transcripts")

// The files of testdata are conversations. A line is one of
//
//	# a remark
//	! directive arguments     something that is not a stanza; see direct
//	alice > <stanza/>         alice sends it
//	alice < <stanza/>         alice is sent it
//
// What a client is sent stands, in order, right below the line that caused it;
// the order of lines of different clients means nothing. Namespaces are
// shortened as in brief. Run with -update to write the answers anew, and read
// the difference.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { play(t, f) })
	}
}

type player struct {
	t       *testing.T
	cfg     Config
	r       *room
	clients map[string]*client
	names   []string
	out     []string
	want    map[string][]string
	at      int
}

func play(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, clients: map[string]*client{}, want: map[string][]string{}}
	for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		name, stanza, sent := strings.Cut(line, " > ")
		to, answer, received := strings.Cut(line, " < ")
		switch {
		case line == "" || line[0] == '#' || line[0] == '!' || sent && !strings.ContainsAny(name, "<'"):
			p.settle()
			p.at = i + 1
			p.out = append(p.out, line)
			p.step(name, stanza, line)
		case received:
			p.want[to] = append(p.want[to], answer)
		default:
			t.Fatalf("%s:%d: %q", file, i+1, line)
		}
	}
	p.settle()
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(p.out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *player) step(name, stanza, line string) {
	switch {
	case line == "" || line[0] == '#':
	case line[0] == '!':
		p.direct(strings.Fields(line)[1:])
	default:
		p.room().send(p.client(name), stanza)
	}
}

// settle compares what was sent with what the transcript says.
func (p *player) settle() {
	for _, name := range p.names {
		got := p.clients[name].take()
		for _, s := range got {
			p.out = append(p.out, name+" < "+s)
		}
		if g, w := strings.Join(got, "\n"), strings.Join(p.want[name], "\n"); g != w && !*update {
			p.t.Errorf("after line %d, %s got\n%s\nbut should have got\n%s\n", p.at, name, g, w)
		}
	}
	clear(p.want)
}

func (p *player) room() *room {
	if p.r == nil {
		p.r = newRoom(p.t, func(c *Config) {
			j, m, f, at := c.JID, c.MeetingID, c.FocusJID, c.Created
			*c = p.cfg
			c.JID, c.MeetingID, c.FocusJID, c.Created = j, m, f, at
		})
	}
	return p.r
}

func (p *player) client(name string) *client {
	if p.clients[name] == nil {
		p.t.Fatalf("line %d: who is %s?", p.at, name)
	}
	return p.clients[name]
}

func (p *player) add(name, jid, nick string) {
	p.clients[name] = p.room().client(jid, nick)
	p.names = append(p.names, name)
}

// direct obeys a directive. Those that configure come first in a file.
func (p *player) direct(args []string) {
	rest := strings.Join(args[1:], " ")
	switch args[0] {
	case "limit-occupants":
		p.cfg.Limits.Occupants, _ = strconv.Atoi(rest)
	case "limit-queue":
		p.cfg.Limits.QueuedJoins, _ = strconv.Atoi(rest)
	case "anonymous":
		p.cfg.AnonymousDomain = rest
	case "trusted":
		p.cfg.Trusted = func(j xmpp.JID) bool { return j.Domain == rest }
	case "client": // name, JID, nick
		p.add(args[1], args[2], args[3])
	case "users": // clients whose nick is made of the first letter
		for _, name := range args[1:] {
			nick := strings.Repeat(name[:1], 8)
			p.add(name, nick+"-4e5f@example/r", nick)
		}
	case "in": // join, and nobody remembers how
		for _, name := range args[1:] {
			p.room().join(p.client(name), "")
		}
		p.room().forget()
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			p.t.Fatal(err)
		}
		p.room().now = p.room().now.Add(d)
	default:
		p.call(args, rest)
	}
}

// call is what signal or a service would do.
func (p *player) call(args []string, rest string) {
	r := p.room()
	switch args[0] {
	case "owner":
		if err := r.SetAffiliation(p.client(args[1]).jid, Owner, nil, ""); err != nil {
			p.t.Fatal(err)
		}
		r.forget()
	case "gone":
		r.Gone(r.now, p.client(args[1]), strings.Join(args[2:], " "))
	case "forget":
		r.forget()
	case "destroy":
		r.Destroy(xmpp.JID{}, rest)
	case "abandon":
		r.AbandonQueue(nil)
	case "state":
		s := r.State()
		who := ""
		for _, o := range s.Occupants {
			who += fmt.Sprintf(" %s(%s,%s)", o.Nick, o.Role, o.Affiliation)
		}
		got := fmt.Sprintf("! state empty=%t destroyed=%t waiting=%d:%s", r.Empty(), r.Destroyed(), s.Waiting, who)
		if p.out[len(p.out)-1] != got && !*update {
			p.t.Errorf("line %d: the state is\n%s", p.at, got)
		}
		p.out[len(p.out)-1] = got
	default:
		p.t.Fatalf("line %d: no directive %q", p.at, args[0])
	}
}
