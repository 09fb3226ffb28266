package bridge

import (
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/colibri"
)

// channel is the bridge channel of an endpoint: the newest WebSocket, the
// data channel, or both. What we send goes over the one heard from last.
type channel struct {
	ws       *wsLink
	sctp     bool
	overSCTP bool // the data channel was active last
	opened   bool // ever
	behind   bool // a message was lost
	pace     pace
	waiting  atomic.Int32
}

// maxWaiting is how many messages of an endpoint may wait for its worker.
const maxWaiting = 64

// Calls from the channel's goroutines; each becomes a letter to the worker.

func (ep *endpoint) channelOpened(l *wsLink) {
	ep.w.mail.postAlways(channelOpen{ep, l})
}

func (ep *endpoint) channelClosed(l *wsLink) {
	ep.w.mail.postAlways(channelGone{ep, l})
}

// channelReceived parses on the goroutine that has read the message, so that
// a worker only ever sees valid ones.
func (ep *endpoint) channelReceived(l *wsLink, raw []byte) {
	if ep.channel.waiting.Add(1) > maxWaiting {
		ep.channel.waiting.Add(-1)
		ep.w.mail.busy.Add(1)
		return
	}
	m := channelMessage{ep: ep, link: l, size: len(raw)}
	m.msg, m.err = colibri.ParseMessage(raw)
	if _, ok := m.msg.(*colibri.EndpointStats); !ok && l != nil { // clients send these all the time
		l.hurry()
	}
	if !ep.w.mail.postCalmly(m) {
		ep.channel.waiting.Add(-1)
	}
}

// sctpChannel returns the callbacks of the data channel, nil when none was asked for.
func (ep *endpoint) sctpChannel() *secure.ChannelConfig {
	if !ep.wantSCTP {
		return nil
	}
	return &secure.ChannelConfig{
		OnOpen:    func() { ep.channelOpened(nil) },
		OnMessage: func(msg []byte) { ep.channelReceived(nil, msg) },
		OnClosed:  func(error) { ep.channelClosed(nil) },
	}
}

// channelOpen: a link is ready. A nil link is the data channel.
type channelOpen struct {
	ep   *endpoint
	link *wsLink
}

func (e channelOpen) handle(*worker) {
	ep, ch := e.ep, &e.ep.channel
	if ep.gone {
		if e.link != nil {
			e.link.close(ws.StatusGoingAway, "the endpoint has ended")
		}
		return
	}
	ch.opened = true
	if ch.overSCTP = e.link == nil; ch.overSCTP {
		ch.sctp = true
	} else {
		if ch.ws != nil {
			ch.ws.close(ws.StatusNormalClosure, "replaced")
		}
		ch.ws = e.link
		ep.sendChannel(serverHello)
	}
	ep.greet()
}

// channelGone: a link has ended.
type channelGone channelOpen

func (e channelGone) handle(*worker) {
	ch := &e.ep.channel
	switch {
	case e.link == nil:
		ch.sctp, ch.overSCTP = false, false
	case ch.ws == e.link:
		ch.ws, ch.overSCTP = nil, ch.sctp
	}
}

// channelMessage is a message from the client.
type channelMessage struct {
	ep   *endpoint
	link *wsLink
	size int // of the message as it came, in bytes
	msg  colibri.Message
	err  error
}

func (e channelMessage) handle(w *worker) {
	ep := e.ep
	ep.channel.waiting.Add(-1)
	if ep.gone || (e.link != nil && e.link != ep.channel.ws) {
		return
	}
	ep.channel.overSCTP = e.link == nil
	switch {
	case !ep.channel.pace.allow(w.now, e.size):
		w.count.inc(dropChannelRate)
		return
	case e.err != nil:
		w.count.inc(dropChannelMessage)
		return
	}
	ep.message(e.msg)
}

// sendChannel sends an encoded message, which must not change afterwards. It
// reports whether there was a way to send it.
func (ep *endpoint) sendChannel(msg []byte) bool {
	ch := &ep.channel
	var ok bool
	switch {
	case ch.sctp && (ch.overSCTP || ch.ws == nil):
		ok = ep.session.SendChannel(msg) == nil
	case ch.ws != nil:
		ok = ch.ws.send(msg)
	default:
		return false // no channel yet; everything is told when one opens
	}
	if !ok {
		ep.w.count.inc(dropChannelOutbox)
		ch.behind = true
		ep.lookSoon()
	}
	return ok
}

// catchUp tells a client everything again that it could not be told.
func (ep *endpoint) catchUp() {
	if ep.channel.behind {
		ep.channel.behind = false
		ep.greet()
	}
}

func (ep *endpoint) closeChannel() {
	if ep.channel.ws != nil {
		ep.channel.ws.close(ws.StatusGoingAway, "the endpoint has ended")
		ep.channel.ws = nil
	}
}
