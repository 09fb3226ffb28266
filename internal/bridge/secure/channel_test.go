package secure

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
)

// channelClient is a client's end of the data channel.
type channelClient struct {
	association *sctp.Association
	channel     *datachannel.DataChannel
}

// dialChannel opens the channel as clients do (label and protocol are Jitsi's).
func dialChannel(t testing.TB, p *pair) *channelClient {
	t.Helper()
	association, err := sctp.ClientWithOptions(sctp.WithNetConn(keepOpen{p.conn}), sctp.WithLoggerFactory(quiet{}), sctp.WithMaxMessageSize(1<<20))
	if err != nil {
		t.Error(err)
		return nil
	}
	channel, err := datachannel.Dial(association, 0, &datachannel.Config{
		Label: "JVB data channel", Protocol: "http://jitsi.org/protocols/colibri", LoggerFactory: quiet{},
	})
	if err != nil {
		t.Error(err)
		return nil
	}
	return &channelClient{association, channel}
}

// keepOpen is a connection that survives the association on it, as a
// browser's DTLS transport does.
type keepOpen struct{ *dtls.Conn }

// Close only ends the association's reads.
func (c keepOpen) Close() error { return c.SetReadDeadline(past) }

func (c *channelClient) send(t testing.TB, msg string) {
	t.Helper()
	if _, err := c.channel.WriteDataChannel([]byte(msg), true); err != nil {
		t.Fatal(err)
	}
}

func (c *channelClient) read(t testing.TB) string {
	t.Helper()
	buf := make([]byte, 1<<20)
	n, text, err := c.channel.ReadDataChannel(buf)
	if err != nil || !text {
		t.Fatalf("read: text %v, error %v", text, err)
	}
	return string(buf[:n])
}

func (c *channelClient) close() { _ = c.association.Close() }

func TestChannelEcho(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, true)
		defer p.finish()
		p.connect()
		c := dialChannel(t, p)
		defer c.close()
		<-p.opened
		for _, size := range []int{1, 100, messageBuffer, messageBuffer + 1, 20_000, MaxMessage} {
			msg := strings.Repeat("m", size)
			c.send(t, msg)
			got := <-p.messages
			if got != msg {
				t.Fatalf("%d bytes: the server got %d", size, len(got))
			}
			if err := p.session.SendChannel([]byte(got)); err != nil {
				t.Fatal(err)
			}
			if back := c.read(t); back != msg {
				t.Fatalf("%d bytes: the client got %d", size, len(back))
			}
		}
		if st := p.session.State(); !st.Channel || st.Discarded != 0 {
			t.Errorf("state %+v", st)
		}
	})
}

// lossy returns a wire that loses every fifth datagram.
func lossy(seed uint64) wire {
	r := rand.New(rand.NewPCG(seed, 2))
	return func(b []byte, deliver func([]byte)) {
		if r.IntN(5) > 0 {
			deliver(b)
		}
	}
}

func TestChannelOnBadNetwork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, true)
		defer p.finish()
		p.connect()
		p.rewire(lossy(7), lossy(8))
		c := dialChannel(t, p)
		defer c.close()
		<-p.opened
		for i := range 20 {
			msg := strings.Repeat("m", 100*i+1)
			c.send(t, msg)
			if got := <-p.messages; got != msg {
				t.Fatalf("message %d: got %d bytes", i, len(got))
			}
		}
	})
}

// What is no text message of a bearable length is counted, and the channel
// goes on.
func TestChannelDiscards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, true)
		defer p.finish()
		p.connect()
		c := dialChannel(t, p)
		defer c.close()
		<-p.opened
		if _, err := c.channel.Write([]byte("binary")); err != nil {
			t.Fatal(err)
		}
		c.send(t, "")
		c.send(t, strings.Repeat("x", MaxMessage+1))
		c.send(t, strings.Repeat("x", 262_144))
		c.send(t, "good")
		if got := <-p.messages; got != "good" {
			t.Errorf("got %d bytes", len(got))
		}
		if st := p.session.State(); st.Discarded != 4 {
			t.Errorf("state %+v", st)
		}
	})
}

// Only the first channel is a channel.
func TestSecondChannelIgnored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, true)
		defer p.finish()
		p.connect()
		c := dialChannel(t, p)
		defer c.close()
		<-p.opened
		second, err := datachannel.Dial(c.association, 2, &datachannel.Config{LoggerFactory: quiet{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := second.WriteDataChannel([]byte("intruder"), true); err != nil {
			t.Fatal(err)
		}
		c.send(t, "good")
		if got := <-p.messages; got != "good" {
			t.Errorf("got %q", got)
		}
		if len(p.opened) > 0 {
			t.Error("opened twice")
		}
	})
}

func TestSendBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, true)
		defer p.finish()
		wantError(t, p.session.SendChannel([]byte("x")), ErrNoChannel)
		p.connect()
		c := dialChannel(t, p)
		defer c.close()
		<-p.opened
		time.Sleep(time.Second) // until the client has acknowledged the opening
		wantError(t, p.session.SendChannel(make([]byte, MaxMessage+1)), ErrMessageTooLong)
		p.rewire(nil, cut) // the peer hears nothing
		accepted := 0
		var err error
		for err == nil {
			if err = p.session.SendChannel(make([]byte, MaxMessage)); err == nil {
				accepted++
			}
		}
		wantError(t, err, ErrChannelFull)
		if accepted != maxUnsent/MaxMessage {
			t.Errorf("accepted %d messages", accepted)
		}
	})
}

// A peer that closes or breaks its channel keeps its media.
func TestChannelEnds(t *testing.T) {
	ways := map[string]func(t *testing.T, p *pair, c *channelClient){
		"stream reset": func(t *testing.T, _ *pair, c *channelClient) { _ = c.channel.Close() },
		"abort":        func(t *testing.T, _ *pair, c *channelClient) { c.association.Abort("enough") },
		"garbage": func(t *testing.T, p *pair, c *channelClient) {
			// A packet with the right ports whose checksum is wrong, and one that is no packet.
			for _, b := range []string{"\x13\x88\x13\x88aaaabbbbccccdddd", "x"} {
				if _, err := p.conn.Write([]byte(b)); err != nil {
					t.Fatal(err)
				}
			}
			c.association.Abort("enough")
		},
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPair(t, true)
				defer p.finish()
				p.connect()
				c := dialChannel(t, p)
				<-p.opened
				end(t, p, c)
				<-p.gone
				time.Sleep(time.Second)
				if st := p.session.State(); st.Phase != "established" || st.Channel || len(p.closed) > 0 {
					t.Errorf("state %+v", st)
				}
				wantError(t, p.session.SendChannel([]byte("x")), ErrNoChannel)
			})
		})
	}
}
