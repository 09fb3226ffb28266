package dial

import (
	"errors"
	"net"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
)

// Channel is a bridge channel over SCTP.
type Channel struct {
	association *sctp.Association
	channel     *datachannel.DataChannel
}

// keepOpen lets the association end without ending DTLS.
type keepOpen struct{ *dtls.Conn }

// Close implements net.Conn.
func (keepOpen) Close() error { return nil }

var _ net.Conn = keepOpen{}

// OpenChannel opens the channel as Jitsi clients do and blocks until it is
// open. The connection must have been made with KeepOpen and its handshake be
// over. message is called with each text message that comes, in memory that
// is the callee's; closed when no more will.
func (c *Conn) OpenChannel(message func([]byte), closed func()) (*Channel, error) {
	c.mu.Lock()
	conn := c.dtls
	c.mu.Unlock()
	if conn == nil {
		return nil, errors.New("there is no DTLS association")
	}
	a, err := sctp.ClientWithOptions(sctp.WithNetConn(keepOpen{conn}), sctp.WithLoggerFactory(quiet))
	if err != nil {
		return nil, err
	}
	dc, err := datachannel.Dial(a, 0, &datachannel.Config{
		ChannelType: datachannel.ChannelTypeReliable, Label: "JVB data channel",
		Protocol: "http://jitsi.org/protocols/colibri", LoggerFactory: quiet,
	})
	if err != nil {
		_ = a.Close()
		return nil, err
	}
	ch := &Channel{association: a, channel: dc}
	c.mu.Lock()
	c.channel = ch
	c.mu.Unlock()
	go ch.read(message, closed)
	return ch, nil
}

// maxMessage is the longest message that a client says it takes.
const maxMessage = 262144

func (c *Channel) read(message func([]byte), closed func()) {
	defer closed()
	buf := make([]byte, maxMessage)
	for {
		n, text, err := c.channel.ReadDataChannel(buf)
		if err != nil {
			return
		}
		if text {
			message(append([]byte(nil), buf[:n]...))
		}
	}
}

// Send sends one text message.
func (c *Channel) Send(msg []byte) error {
	_, err := c.channel.WriteDataChannel(msg, true)
	return err
}

func (c *Channel) close() { _ = c.association.Close() }
