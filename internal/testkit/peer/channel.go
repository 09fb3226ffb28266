package peer

import "github.com/plenum-conf/plenum/internal/loadtest/dial"

// Channel is a bridge channel over SCTP, as Jitsi clients open it.
type Channel struct {
	channel  *dial.Channel
	messages chan string
}

// OpenChannel opens the data channel; Connect must be over.
func (p *Peer) OpenChannel() (*Channel, error) {
	c := &Channel{messages: make(chan string, 1000)}
	p.finished.Add(1)
	closed := func() {
		close(c.messages)
		p.finished.Done()
	}
	var err error
	if c.channel, err = p.dtls.OpenChannel(func(b []byte) { c.messages <- string(b) }, closed); err != nil {
		p.finished.Done()
		return nil, err
	}
	return c, nil
}

// Messages yields what the bridge sends; it is closed with the channel.
func (c *Channel) Messages() <-chan string { return c.messages }

// Send sends one text message.
func (c *Channel) Send(msg string) error { return c.channel.Send([]byte(msg)) }
