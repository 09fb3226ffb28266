package xmpp

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestAcks(t *testing.T) {
	var a Acks
	sh := &Shared{Head: []byte("12345")}
	a.Sent(sh) // not counted: management is off
	a.Enable("abc")
	for range 4 {
		a.Sent(sh)
	}
	if n, size := a.Pending(); n != 4 || size != 32 {
		t.Fatal(n, size)
	}
	if err := a.Ack(5); err == nil {
		t.Fatal("more acknowledged than sent")
	}
	if err := a.Ack(3); err != nil {
		t.Fatal(err)
	}
	if err := a.Ack(2); err == nil {
		t.Fatal("the count went back")
	}
	if n, size := a.Pending(); n != 1 || size != 8 {
		t.Fatal(n, size)
	}
	if again := a.Unsent(); len(again) != 1 {
		t.Fatal(again)
	}
	a.Sent(sh)
	if err := a.Ack(4); err != nil {
		t.Fatal("a stanza sent again counts once:", err)
	}
}

func TestAcksWrapAround(t *testing.T) {
	a := Acks{acked: math.MaxUint32, in: math.MaxUint32}
	a.Enable("")
	a.Received()
	if a.In() != 0 {
		t.Error(a.In())
	}
	a.Sent(&Shared{})
	a.Sent(&Shared{})
	if err := a.Ack(1); err != nil {
		t.Error(err)
	}
	if n, _ := a.Pending(); n != 0 {
		t.Error(n)
	}
}

// TestAcksTwin compares with a plain slice of everything that was sent.
func TestAcksTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a Acks
	a.Enable("x")
	var sent []*Shared
	acked := 0
	for range 100000 {
		switch n := len(sent) - acked; {
		case r.IntN(3) > 0:
			sh := &Shared{Head: make([]byte, r.IntN(9))}
			a.Sent(sh)
			sent = append(sent, sh)
		case n > 0:
			acked += r.IntN(n + 1)
			if err := a.Ack(uint32(acked)); err != nil {
				t.Fatal(err)
			}
		case r.IntN(50) == 0:
			sent = sent[:acked]
			a.Unsent()
		}
		size := 0
		n, got := a.Pending()
		for _, sh := range sent[acked:] {
			size += sh.Size("x")
		}
		if n != len(sent)-acked || got != size {
			t.Fatal(n, got, len(sent)-acked, size)
		}
		if n > 200 {
			acked = len(sent)
			_ = a.Ack(uint32(acked))
		}
	}
}

// TestAcksForget: memory for a storm is kept through it, and given back by the
// first acknowledgement of little.
func TestAcksForget(t *testing.T) {
	var a Acks
	a.Enable("a")
	sent := uint32(0)
	cycle := func(stanzas int) int {
		for range stanzas {
			a.Sent(&Shared{})
		}
		if sent += uint32(stanzas); a.Ack(sent) != nil {
			t.Fatal("refused")
		}
		return cap(a.queue)
	}
	for i, want := range []struct{ stanzas, least, most int }{{5, 5, 8}, {321, 321, 640}, {200, 321, 640}, {5, 0, 0}, {1, 1, 8}} {
		if got := cycle(want.stanzas); got < want.least || got > want.most {
			t.Errorf("%d: after %d stanzas it has memory for %d, want %d to %d", i, want.stanzas, got, want.least, want.most)
		}
	}
}
