package peer

import (
	"errors"
	"net"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
)

// Channel is a bridge channel over SCTP, as Jitsi clients open it.
type Channel struct {
	association *sctp.Association
	channel     *datachannel.DataChannel
	messages    chan string
}

// keepOpen lets the association end without ending DTLS.
type keepOpen struct{ *dtls.Conn }

// Close implements net.Conn.
func (keepOpen) Close() error { return nil }

var _ net.Conn = keepOpen{}

// OpenChannel opens the data channel; Connect must be over.
func (p *Peer) OpenChannel() (*Channel, error) {
	a, err := sctp.ClientWithOptions(sctp.WithNetConn(keepOpen{p.dtls}), sctp.WithLoggerFactory(quiet{}))
	if err != nil {
		return nil, err
	}
	dc, err := datachannel.Dial(a, 0, &datachannel.Config{
		ChannelType: datachannel.ChannelTypeReliable, Label: "JVB data channel",
		Protocol: "http://jitsi.org/protocols/colibri", LoggerFactory: quiet{},
	})
	if err != nil {
		a.Close()
		return nil, err
	}
	c := &Channel{association: a, channel: dc, messages: make(chan string, 1000)}
	p.mu.Lock()
	p.channel = c
	p.mu.Unlock()
	p.finished.Add(1)
	go func() {
		defer p.finished.Done()
		c.read()
	}()
	return c, nil
}

func (c *Channel) read() {
	defer close(c.messages)
	buf := make([]byte, 1<<16)
	for {
		n, text, err := c.channel.ReadDataChannel(buf)
		if err != nil {
			return
		}
		if text {
			c.messages <- string(buf[:n])
		}
	}
}

// Messages yields what the bridge sends; it is closed with the channel.
func (c *Channel) Messages() <-chan string { return c.messages }

// Send sends one text message.
func (c *Channel) Send(msg string) error {
	n, err := c.channel.WriteDataChannel([]byte(msg), true)
	if err == nil && n != len(msg) {
		err = errors.New("short write")
	}
	return err
}

func (c *Channel) close() {
	_ = c.association.Close()
}
