package secure

import (
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
)

func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		name    string
		offered []dtls.SRTPProtectionProfile
		want    Profile
	}{
		{"browser order, server prefers AEAD", nil, AEADAES128GCM},
		{"AEAD only", []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM}, AEADAES128GCM},
		{"HMAC only", []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80}, AES128CMHMACSHA80},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPair(t, false)
				defer p.finish()
				p.trust()
				if err := p.dial(c.offered...); err != nil {
					t.Fatal(err)
				}
				keys := <-p.keys
				if keys.Profile != c.want {
					t.Errorf("got %v, want %v", keys.Profile, c.want)
				}
				if want := p.clientKeys(c.want); !reflect.DeepEqual(keys, want) {
					t.Error("the two sides derived different keys")
				}
				if st := p.session.State(); st.Phase != "established" || st.Profile != c.want.String() {
					t.Errorf("state %+v", st)
				}
			})
		})
	}
}

func TestRefusedClients(t *testing.T) {
	for _, c := range []struct {
		name string
		opts func(p *pair) []dtls.ClientOption
		want error // nil: any
	}{
		{"no SRTP", func(p *pair) []dtls.ClientOption {
			return []dtls.ClientOption{dtls.WithCertificates(p.id.certificate)}
		}, ErrNoProfile},
		{"no acceptable profile", func(p *pair) []dtls.ClientOption {
			return []dtls.ClientOption{dtls.WithCertificates(p.id.certificate), dtls.WithSRTPProtectionProfiles(dtls.SRTP_NULL_HMAC_SHA1_80)}
		}, nil},
		{"no certificate", func(*pair) []dtls.ClientOption {
			return []dtls.ClientOption{dtls.WithGetClientCertificate(noCertificate), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM)}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPair(t, false)
				defer p.finish()
				p.trust()
				_ = p.dialWith(c.opts(p)...)
				err := <-p.closed
				if c.want != nil {
					wantError(t, err, c.want)
				}
				if len(p.keys) > 0 {
					t.Error("keys were handed out")
				}
			})
		})
	}
}

func TestWrongFingerprint(t *testing.T) {
	for name, early := range map[string]bool{"known before the handshake": true, "known after it": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPair(t, false)
				defer p.finish()
				wrong := func() {
					other := p.session.cfg.Identity.Fingerprint()
					if err := p.session.SetRemoteFingerprint("sha-256", other); err != nil {
						t.Fatal(err)
					}
				}
				if early {
					wrong()
				}
				err := p.dial()
				if early && err == nil {
					t.Error("the client was not refused by an alert")
				}
				if !early {
					synctest.Wait()
					if len(p.keys) > 0 || len(p.closed) > 0 {
						t.Fatal("keys or end before the fingerprint was known")
					}
					wrong()
				}
				wantError(t, <-p.closed, ErrFingerprintMismatch)
				if len(p.keys) > 0 {
					t.Error("keys were handed out")
				}
			})
		})
	}
}

// A session-accept can come long after the first DTLS packet.
func TestLateFingerprint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, true)
		defer p.finish()
		if err := p.dial(); err != nil {
			t.Fatal(err)
		}
		opened := make(chan *channelClient, 1)
		go func() { opened <- dialChannel(t, p) }()
		time.Sleep(time.Minute)
		if len(p.keys) > 0 || len(p.opened) > 0 {
			t.Fatal("keys or channel before the fingerprint was known")
		}
		if phase := p.session.State().Phase; phase != "authenticating" {
			t.Errorf("phase %s", phase)
		}
		p.trust()
		<-p.keys
		<-p.opened
		(<-opened).close()
	})
}

func TestFingerprintRules(t *testing.T) {
	id := identity(t)
	fine := id.Fingerprint()
	for _, c := range []struct{ name, hash, value string }{
		{"sha-1", "sha-1", strings.Repeat("AB:", 19) + "AB"},
		{"unknown", "md5", "AB"},
		{"empty", "sha-256", ""},
		{"short", "sha-256", fine[:len(fine)-3]},
		{"long", "sha-256", fine + ":AB"},
		{"no hex", "sha-256", "ZZ" + fine[2:]},
		{"no colons", "sha-256", strings.ReplaceAll(fine, ":", "0")},
		{"moved colons", "sha-256", ":" + strings.Repeat("AB:", 30) + "ABA:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSession(Config{Identity: id})
			wantError(t, s.SetRemoteFingerprint(c.hash, c.value), ErrFingerprint)
		})
	}
	s := NewSession(Config{Identity: id})
	for _, v := range []string{fine, strings.ToLower(fine)} {
		if err := s.SetRemoteFingerprint("SHA-256", v); err != nil {
			t.Error(err)
		}
	}
	wantError(t, s.SetRemoteFingerprint("sha-256", "00"+fine[2:]), ErrFingerprint)
	if !s.remote.matches(id.certificate.Certificate[0]) || s.remote.matches(nil) || (fingerprint{}).matches(id.certificate.Certificate[0]) {
		t.Error("matches is wrong")
	}
	for hash, size := range map[string]int{"sha-384": 48, "sha-512": 64} {
		if _, err := parseFingerprint(hash, strings.Repeat("0a:", size-1)+"0a"); err != nil {
			t.Error(err)
		}
	}
}

// bigHello makes the client's first message as long as a browser's, whose
// post-quantum key share fills 1.2 KiB: two handshake fragments.
func bigHello(m handshake.MessageClientHello) handshake.Message {
	m.Extensions = append(m.Extensions, &extension.ALPN{ProtocolNameList: []string{
		strings.Repeat("a", 250), strings.Repeat("b", 250), strings.Repeat("c", 250), strings.Repeat("d", 250), strings.Repeat("e", 250)}})
	return &m
}

func TestFragmentedHello(t *testing.T) {
	for name, swap := range map[string]bool{"in order": false, "last fragment first": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPair(t, false)
				defer p.finish()
				var held []byte
				fragments := 0
				p.rewire(func(b []byte, deliver func([]byte)) {
					fragments++
					switch {
					case swap && fragments == 1:
						held = append(held, b...)
					case swap && fragments == 2:
						deliver(b)
						deliver(held)
					default:
						deliver(b)
					}
				}, nil)
				p.trust()
				err := p.dialWith(
					dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
					dtls.WithCertificates(p.id.certificate),
					dtls.WithClientHelloMessageHook(bigHello),
					dtls.WithMTU(1175))
				if err != nil {
					t.Fatal(err)
				}
				<-p.keys
				if fragments < 3 {
					t.Errorf("%d datagrams from the client: nothing was fragmented", fragments)
				}
			})
		})
	}
}

// bad returns a wire that loses every third datagram and delays or doubles
// others.
func bad(seed uint64) wire {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(b []byte, deliver func([]byte)) {
		b = append([]byte(nil), b...)
		switch r.IntN(6) {
		case 0, 1:
		case 2:
			time.AfterFunc(time.Duration(r.IntN(400))*time.Millisecond, func() { deliver(b) })
		case 3:
			deliver(b)
			deliver(b)
		default:
			deliver(b)
		}
	}
}

func TestBadNetwork(t *testing.T) {
	for seed := range uint64(20) {
		bubble(t, func(t *testing.T) {
			p := newPair(t, false)
			defer p.finish()
			p.rewire(bad(seed), bad(seed+1000))
			p.trust()
			if err := p.dial(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			<-p.keys
			time.Sleep(time.Second) // for what is late
		})
	}
}

func TestHandshakeTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, false)
		defer p.finish()
		p.rewire(nil, cut)
		start := time.Now()
		failed := make(chan error, 1)
		go func() { failed <- p.dial() }()
		wantError(t, <-p.closed, ErrHandshakeTimeout)
		if took := time.Since(start); took != handshakeTimeout {
			t.Errorf("took %v", took)
		}
		if <-failed == nil {
			t.Error("client connected through a cut wire")
		}
	})
}

func TestGarbage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, false)
		defer p.finish()
		r := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			b := make([]byte, r.IntN(1500))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			if len(b) > 3 { // half of them look like DTLS records
				b[0], b[1], b[2] = 20+byte(r.IntN(5)), 0xfe, 0xfd
			}
			p.session.Push(b)
			synctest.Wait()
		}
		// A session may give up on some garbage; it must do so in good order.
		if len(p.closed) == 0 {
			p.connect()
		}
	})
}

// Whoever knows the peer's address can forge plain records; after the
// handshake none may end the session or make it speak.
func TestForgedPlaintext(t *testing.T) {
	record := func(content byte, body ...byte) []byte {
		head := []byte{content, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0x77, byte(content), 0, byte(len(body))}
		return append(head, body...)
	}
	forged := map[string][]byte{
		"application data":          record(23, 1, 2, 3),
		"fatal alert":               record(21, 2, 40),
		"close_notify":              record(21, 1, 0),
		"change cipher spec":        record(20, 1),
		"wrong change cipher spec":  record(20, 2, 2),
		"unknown type":              record(63, 1),
		"empty handshake":           record(22),
		"broken handshake":          record(22, 1, 2, 3),
		"alert behind a handshake":  append(record(22), record(21, 2, 40)...),
		"shorter than its length":   record(22, 1, 2, 3)[:14],
		"shorter than its header":   {22, 0xfe, 0xfd},
		"nothing":                   {},
		"sealed by somebody else":   append([]byte{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0x77, 0, 0, 26}, make([]byte, 26)...),
		"a later epoch than exists": append([]byte{21, 0xfe, 0xfd, 0, 9, 0, 0, 0, 0, 0x77, 0, 0, 26}, make([]byte, 26)...),
	}
	for name, b := range forged {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPair(t, true)
				defer p.finish()
				p.connect()
				synctest.Wait()
				before := p.session.State()
				for range 3 {
					p.session.Push(b)
					synctest.Wait()
				}
				if after := p.session.State(); after.Sent != before.Sent || after.Phase != "established" {
					t.Errorf("before %+v\nafter  %+v", before, after)
				}
				c := dialChannel(t, p) // everything still works
				<-p.opened
				c.close()
			})
		})
	}
}

func TestForgedPlaintextBeforeFingerprint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, false)
		defer p.finish()
		if err := p.dial(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		before := p.session.State()
		p.session.Push([]byte{23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0x77, 1, 0, 1, 0})
		synctest.Wait()
		if after := p.session.State(); after.Sent != before.Sent || after.Dropped != before.Dropped+1 {
			t.Errorf("before %+v\nafter  %+v", before, after)
		}
		p.trust()
		<-p.keys
	})
}

func FuzzHarmless(f *testing.F) {
	f.Add([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1})
	f.Add([]byte{20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if harmless(b) && len(b) > 0 && b[0] == 21 && len(b) > 4 && b[3] == 0 && b[4] == 0 {
			t.Error("a plain alert passes")
		}
	})
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add("sha-256", strings.Repeat("0A:", 31)+"0A")
	f.Fuzz(func(t *testing.T, hash, value string) {
		if p, err := parseFingerprint(hash, value); err == nil && len(p.digest) != p.hash.Size() {
			t.Errorf("digest of %d bytes", len(p.digest))
		}
	})
}

func TestQueueBounds(t *testing.T) {
	var count traffic
	p := newPipe(func([]byte) {}, &count)
	p.push(make([]byte, MaxDatagram+1), true)
	p.push([]byte{22}, false)
	for range 2 * maxQueue {
		p.push([]byte{22}, true)
	}
	if dropped := count.dropped.Load(); dropped != maxQueue+2 {
		t.Errorf("dropped %d", dropped)
	}
}

func TestRemoteClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, false)
		defer p.finish()
		p.connect()
		_ = p.conn.Close()
		wantError(t, <-p.closed, ErrRemoteClosed)
		<-p.session.Done()
		if st := p.session.State(); st.Phase != "ended" {
			t.Errorf("state %+v", st)
		}
	})
}

func TestClose(t *testing.T) {
	stages := map[string]func(p *pair){
		"before anything": func(*pair) {},
		"in the handshake": func(p *pair) {
			p.rewire(cut, nil)
			p.session.Push([]byte{22, 0xfe, 0xfd})
		},
		"waiting for the fingerprint": func(p *pair) {
			if err := p.dial(); err != nil {
				p.t.Fatal(err)
			}
		},
		"established": func(p *pair) { p.connect() },
		"with a channel": func(p *pair) {
			p.connect()
			c := dialChannel(p.t, p)
			<-p.opened
			p.t.Cleanup(c.close)
		},
		"with half an association": func(p *pair) {
			p.connect()
			if _, err := p.conn.Write([]byte("no SCTP")); err != nil {
				p.t.Fatal(err)
			}
		},
	}
	for name, reach := range stages {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPair(t, true)
				reach(p)
				synctest.Wait()
				p.session.Close()
				p.session.Close()
				p.session.Push([]byte{22})
				<-p.session.Done()
				if len(p.closed) > 0 {
					t.Errorf("OnClosed after Close: %v", <-p.closed)
				}
				wantError(t, p.session.SendChannel([]byte("x")), ErrNoChannel)
				p.finish()
			})
		})
	}
}

// A session that waits for nothing but the peer's goodbye has no goroutine; it
// helps a peer that has missed our last flight, but not for ever, says goodbye
// itself, and is not ended by who has not the keys.
func TestRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, false)
		defer p.finish()
		lose := 3 // times the last flight
		p.rewire(nil, func(b []byte, deliver func([]byte)) {
			if lose > 0 && b[0] == contentChangeCipherSpec {
				lose--
				return
			}
			deliver(b)
		})
		p.connect()
		synctest.Wait()
		if lose != 0 || p.session.rest == nil || p.session.rest.repeats != 3 {
			t.Fatalf("%d to lose, %+v", lose, p.session.rest)
		}
		finished := []byte{contentHandshake, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0x77, 0, 0, 1, 1}
		before := p.session.State()
		for range 3 * maxRepeats {
			p.session.Push(finished)
		}
		if n := p.session.State().Sent - before.Sent; n != maxRepeats-3 {
			t.Errorf("%d datagrams for forged ones", n)
		}
		forged := append([]byte{contentAlert, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0x77, 0, 0, 26}, make([]byte, 26)...)
		p.session.Push(forged)
		synctest.Wait()
		if after := p.session.State(); after.Phase != "established" {
			t.Errorf("after a forged alert %+v", after)
		}
		p.session.Close()
		<-p.session.Done()
		if _, err := p.conn.Read(make([]byte, 10)); err != io.EOF {
			t.Errorf("the peer was told %v", err)
		}
	})
}

// TestRestTakesNothingAmiss: what is no record, or none to its end, wherever it
// was queued while the handshake ended, is dropped.
func TestRestTakesNothingAmiss(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, false)
		defer p.finish()
		p.connect()
		synctest.Wait()
		s := p.session
		before := s.State()
		short := []byte{contentHandshake, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0x77, 0, 0, 1, 1}
		bad := [][]byte{short[:1], short[:12], short[:13], append(short, 1), make([]byte, MaxDatagram+1)}
		s.mu.Lock()
		for _, b := range bad {
			s.restless(b)
		}
		s.mu.Unlock()
		if after := s.State(); after.Dropped-before.Dropped != uint64(len(bad)) || after.Sent != before.Sent || after.Phase != "established" {
			t.Errorf("%+v, was %+v", after, before)
		}
	})
}

// TestRestIsLeft: a peer's alert ends a session at rest, and one whose owner
// closes it says goodbye.
func TestRestIsLeft(t *testing.T) {
	for i := range 4 {
		ours, withChannel := i%2 == 0, i < 2
		bubble(t, func(t *testing.T) {
			p := newPair(t, withChannel)
			p.connect()
			synctest.Wait()
			if p.session.rest == nil {
				t.Fatal("no rest")
			}
			if ours {
				p.session.Close()
				if _, err := p.conn.Read(make([]byte, 10)); err != io.EOF {
					t.Errorf("the peer was told %v", err)
				}
			} else {
				_ = p.conn.Close()
				wantError(t, <-p.closed, ErrRemoteClosed)
			}
			<-p.session.Done()
			p.finish()
		})
	}
}

// TestRestBeforeChannel: a session whose peer may open a channel rests until it
// does.
func TestRestBeforeChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, true)
		defer p.finish()
		p.connect()
		synctest.Wait()
		if p.session.rest == nil {
			t.Fatal("no rest")
		}
		c := dialChannel(t, p)
		<-p.opened
		c.send(t, "x")
		if got := <-p.messages; got != "x" {
			t.Error(got)
		}
		c.close()
	})
}

// Application data without a channel is dropped and harms nothing.
func TestUnwantedData(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPair(t, false)
		defer p.finish()
		p.connect()
		for range 10 {
			if _, err := p.conn.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if st := p.session.State(); st.Discarded != 10 || st.Phase != "established" {
			t.Errorf("state %+v", st)
		}
	})
}

func TestSendNeverExceedsMTU(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const mtu = 500
		p := newPair(t, true)
		defer p.finish()
		p.session.cfg.MTU = mtu
		longest := 0
		p.rewire(nil, func(b []byte, deliver func([]byte)) {
			longest = max(longest, len(b))
			deliver(b)
		})
		p.connect()
		c := dialChannel(t, p)
		<-p.opened
		if err := p.session.SendChannel(make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
		c.read(t)
		c.close()
		p.rewire(nil, cut)
		synctest.Wait()
		if longest > mtu || longest < mtu-10 {
			t.Errorf("longest datagram %d", longest)
		}
	})
}

func TestIdentity(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	a, err := NewIdentity(now)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Expires(); !got.Equal(now.Add(Validity)) {
		t.Errorf("expires %v", got)
	}
	f, err := parseFingerprint("sha-256", a.Fingerprint())
	if err != nil || !f.matches(a.certificate.Certificate[0]) {
		t.Errorf("fingerprint %s does not match its certificate: %v", a.Fingerprint(), err)
	}
	if a.Fingerprint() != strings.ToUpper(a.Fingerprint()) {
		t.Error("fingerprint is not upper case")
	}
}
