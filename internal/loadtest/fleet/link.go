package fleet

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

// version is of the messages; machines that work together have the same.
const version = 1

// maxMessage bounds a message: the largest is a plan, or a participant in a
// room of thousands.
const maxMessage = 16 << 20

// How long who waits.
const (
	knockTime = 10 * time.Second // for a handshake and its proofs
	patience  = 30 * time.Second // for a sign of life
	beatEvery = 5 * time.Second
)

// message is what the two say; one field is set, or none in a sign of life.
type message struct {
	// The coordinator's.
	Job   *job `json:"job,omitempty"`
	Begin bool `json:"begin,omitempty"`
	Stop  bool `json:"stop,omitempty"`

	// The agent's.
	Ready       bool                `json:"ready,omitempty"`
	Refused     string              `json:"refused,omitempty"` // why there will be no test
	Second      *record.Second      `json:"second,omitempty"`
	Participant *record.Participant `json:"participant,omitempty"`
	Done        *done               `json:"done,omitempty"` // the last message
}

// job is a plan with what it does not carry itself.
type job struct {
	Version      int           `json:"version"`
	Plan         loadtest.Plan `json:"plan"`
	Token        string        `json:"token,omitempty"`
	Password     string        `json:"password,omitempty"`
	RoomPassword string        `json:"room_password,omitempty"`
}

// newJob is a machine's share of a plan.
func newJob(p loadtest.Plan, share loadtest.Share) *job {
	p.Share = share
	return &job{Version: version, Plan: p, Token: p.Token, Password: p.Password, RoomPassword: p.RoomPassword}
}

// plan is the plan with its secrets.
func (j *job) plan() loadtest.Plan {
	p := j.Plan
	p.Token, p.Password, p.RoomPassword = j.Token, j.Password, j.RoomPassword
	return p
}

// done is what is left to say when all participants were told.
type done struct {
	Duration time.Duration  `json:"duration"`
	Machine  record.Machine `json:"machine"`
}

// link is a connection whose ends have proved who they are.
type link struct {
	conn net.Conn
	mu   sync.Mutex // of who writes
}

// send writes a message, from any goroutine.
func (l *link) send(m *message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", len(b))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err = l.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// receive waits for the next message, or a sign of life, for some time.
func (l *link) receive() (*message, error) {
	_ = l.conn.SetReadDeadline(time.Now().Add(patience))
	m, err := readMessage(l.conn)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		err = fmt.Errorf("nothing was heard for %v", patience)
	}
	return m, err
}

func readMessage(r io.Reader) (*message, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes is too long", n)
	}
	var b bytes.Buffer // grows with what comes, not with what is promised
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return nil, err
	}
	var m message
	if err := json.Unmarshal(b.Bytes(), &m); err != nil {
		return nil, errors.New("a message cannot be read")
	}
	return &m, nil
}

// beat sends signs of life until ctx ends. Who cannot write finds out by
// reading.
func (l *link) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if l.send(&message{}) != nil {
				return
			}
		}
	}
}
