package participant

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/testkit/peer"
)

// Options say who joins what.
type Options struct {
	// Host is the address and port of the server's public listener.
	Host string
	// Domain is its XMPP domain, "localhost" if empty.
	Domain string
	Room   string // local part
	Name   string // shown to others

	// Speaks sends audio, 50 packets a second; otherwise the microphone is
	// there and muted. Shows sends video, 25 small frames a second on the
	// smallest of three signalled encodings; otherwise there is no camera.
	Speaks, Shows bool
	// LastN is how many videos are wanted; negative for all. Height is how
	// large, 0 for 180.
	LastN, Height int
	// Rewriting claims that the client is prepared for SSRC rewriting.
	Rewriting bool
	// Watches decrypts what arrives, which the moments of media need.
	Watches bool
	// NoMedia is for tests of signalling: the offer is accepted, and nothing
	// more.
	NoMedia bool
	// Slow, if set, is waited for before the offer is accepted.
	Slow <-chan struct{}
}

// Moment is a step on the way into a conference, in the order in which it is
// usually taken.
type Moment int

// The moments.
const (
	Requested  Moment = iota // the conference request was answered
	Opened                   // the WebSocket is open
	Bound                    // the XMPP stream has an address
	Entered                  // the room has shown us our own presence
	Offered                  // session-initiate is here
	Accepted                 // session-accept was answered
	Secured                  // ICE and DTLS are done
	Channelled               // the bridge channel is open
	Heard                    // the first audio packet
	Seen                     // the first packet of a key frame
	Ended                    // the XMPP socket is gone
	moments
)

var momentNames = [moments]string{"requested", "opened", "bound", "entered", "offered",
	"accepted", "secured", "channelled", "heard", "seen", "ended"}

// String names the moment.
func (m Moment) String() string { return momentNames[m] }

// Participant is one of them. Its methods may be called from any goroutine.
type Participant struct {
	opt   Options
	began time.Time
	peer  *peer.Peer
	conn  *stream
	ssrc  uint32 // of the microphone; others follow

	mu      sync.Mutex
	at      [moments]time.Duration
	reached [moments]chan struct{}
	err     error
	offered *media.Transport
	sid     string

	channel link
	wantKey atomic.Bool
	packets atomic.Uint64
	life    context.Context // until Close
	end     context.CancelFunc
	running sync.WaitGroup
}

// Join starts somebody on the way into a conference and returns at once; see
// [Participant.Wait]. The peer is closed with [Participant.Close].
func Join(ctx context.Context, opt Options) (*Participant, error) {
	if opt.Domain == "" {
		opt.Domain = "localhost"
	}
	p := &Participant{opt: opt, ssrc: rand.Uint32()&^0xff | 0x10}
	for i := range p.reached {
		p.reached[i] = make(chan struct{})
	}
	p.life, p.end = context.WithCancel(context.Background())
	if !opt.NoMedia {
		var err error
		if p.peer, err = peer.New(); err != nil {
			return nil, err
		}
	}
	p.began = time.Now()
	p.running.Go(func() {
		if err := p.enter(ctx); err != nil {
			p.fail(err)
		}
	})
	return p, nil
}

// enter is the way from the conference request into the room.
func (p *Participant) enter(ctx context.Context) error {
	if err := p.request(ctx); err != nil {
		return err
	}
	p.mark(Requested)
	if err := p.open(ctx); err != nil {
		return err
	}
	p.running.Go(p.read)
	return p.conn.send(p.presence(true))
}

// fail notes the first thing that went wrong.
func (p *Participant) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && p.life.Err() == nil {
		p.err = err
		for m := range p.reached {
			if p.at[m] == 0 {
				close(p.reached[m])
				p.at[m] = -1
			}
		}
	}
}

func (p *Participant) mark(m Moment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at[m] == 0 {
		p.at[m] = max(time.Since(p.began), 1)
		close(p.reached[m])
	}
}

// At is how long after the beginning the moment came; 0 if it has not yet,
// negative if it cannot come any more.
func (p *Participant) At(m Moment) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[m]
}

// Wait waits for moments, and says what went wrong instead.
func (p *Participant) Wait(ctx context.Context, all ...Moment) error {
	for _, m := range all {
		select {
		case <-p.reached[m]:
		case <-ctx.Done():
			return fmt.Errorf("%s was not %s: %w", p.opt.Name, m, ctx.Err())
		}
		if p.At(m) < 0 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return fmt.Errorf("%s was not %s: %w", p.opt.Name, m, p.err)
		}
	}
	return nil
}

// Received is how many RTP packets, and stanzas, have arrived.
func (p *Participant) Received() (packets, stanzas uint64) {
	if p.conn == nil {
		return p.packets.Load(), 0
	}
	return p.packets.Load(), p.conn.stanzas.Load()
}

var errClosed = errors.New("closed")

// Close leaves without a word and waits for all goroutines.
func (p *Participant) Close() {
	p.mu.Lock()
	p.end()
	conn := p.conn
	p.mu.Unlock()
	if conn != nil {
		conn.close()
	}
	p.channel.close()
	if p.peer != nil {
		p.peer.Close()
	}
	p.running.Wait()
}
