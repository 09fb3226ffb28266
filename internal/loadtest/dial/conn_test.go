package dial

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/bridge/secure"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/srtp"
)

// pair is a connection and the bridge's side of it, joined without a network.
type pair struct {
	conn   *Conn
	server *secure.Session
	keys   chan secure.Keys
}

func newPair(t *testing.T, wrong bool, channel *secure.ChannelConfig, offer ...srtp.Profile) *pair {
	t.Helper()
	mine, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := secure.NewIdentity(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{keys: make(chan secure.Keys, 1)}
	p.server = secure.NewSession(secure.Config{
		Identity: theirs, Send: func(b []byte) { p.conn.Push(b) }, OnKeys: func(k secure.Keys) { p.keys <- k },
		OnClosed: func(error) {}, Channel: channel,
	})
	announced := theirs.Fingerprint()
	if wrong {
		announced = mine.Fingerprint().Value
	}
	p.conn = New(Config{
		Identity: mine, Send: p.server.Push, Profiles: offer, KeepOpen: channel != nil,
		Remote: &media.Fingerprint{Hash: "sha-256", Value: strings.ToLower(announced), Setup: "actpass"},
	})
	if err := p.server.SetRemoteFingerprint("sha-256", mine.Fingerprint().Value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.conn.Close()
		p.server.Close()
		<-p.server.Done()
	})
	return p
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestKeys: both sides have the same keys, whatever profile was offered.
func TestKeys(t *testing.T) {
	for _, tc := range []struct {
		offer []srtp.Profile
		want  srtp.Profile
	}{
		{nil, srtp.AEADAES128GCM},
		{[]srtp.Profile{srtp.AES128CMHMACSHA180}, srtp.AES128CMHMACSHA180},
	} {
		p := newPair(t, false, nil, tc.offer...)
		mine, err := p.conn.Handshake(patience(t))
		if err != nil {
			t.Fatal(err)
		}
		theirs := <-p.keys
		if mine.Profile != tc.want || !bytes.Equal(mine.LocalKey, theirs.RemoteKey) || !bytes.Equal(mine.RemoteKey, theirs.LocalKey) ||
			!bytes.Equal(mine.LocalSalt, theirs.RemoteSalt) || !bytes.Equal(mine.RemoteSalt, theirs.LocalSalt) {
			t.Errorf("%v: not the same keys", mine.Profile)
		}
	}
}

// TestWrongCertificate: whoever is there is not who was announced.
func TestWrongCertificate(t *testing.T) {
	p := newPair(t, true, nil)
	if _, err := p.conn.Handshake(patience(t)); !errors.Is(err, ErrFingerprint) {
		t.Error(err)
	}
	for _, f := range []*media.Fingerprint{nil, {Hash: "sha-256", Setup: "active"}} {
		if _, err := New(Config{Remote: f}).Handshake(patience(t)); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
}

// TestChannel: messages go both ways, and closing ends it.
func TestChannel(t *testing.T) {
	got := make(chan string, 1)
	open := make(chan struct{})
	p := newPair(t, false, &secure.ChannelConfig{OnOpen: func() { close(open) }, OnMessage: func(b []byte) { got <- string(b) }, OnClosed: func(error) {}})
	if _, err := p.conn.Handshake(patience(t)); err != nil {
		t.Fatal(err)
	}
	answers, closed := make(chan string, 1), make(chan struct{})
	ch, err := p.conn.OpenChannel(func(b []byte) { answers <- string(b) }, func() { close(closed) })
	if err != nil {
		t.Fatal(err)
	}
	<-open
	if err := ch.Send([]byte("there")); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "there" {
		t.Errorf("%q", s)
	}
	if err := p.server.SendChannel([]byte("and back")); err != nil {
		t.Fatal(err)
	}
	if s := <-answers; s != "and back" {
		t.Errorf("%q", s)
	}
	p.conn.Close()
	<-closed
}
