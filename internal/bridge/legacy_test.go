package bridge

import (
	"slices"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/rtp"
)

// Clients without transport-wide numbers, which estimate their bandwidth
// themselves.

const extSendTime = 3

// withoutTCC is the offer to such a client.
func withoutTCC(m *colibri.EndpointModify) {
	for i := range m.Media {
		d := &m.Media[i]
		d.HeaderExtensions = slices.DeleteFunc(d.HeaderExtensions, func(e media.HeaderExtension) bool { return e.URI == media.ExtTransportCC })
		if d.Kind == media.Video {
			d.HeaderExtensions = append(d.HeaderExtensions, media.HeaderExtension{ID: extSendTime, URI: media.ExtAbsSendTime})
		}
	}
}

// withBoth is the offer to others, as the focus makes it.
func withBoth(m *colibri.EndpointModify) {
	d := &m.Media[1]
	d.HeaderExtensions = append(d.HeaderExtensions, media.HeaderExtension{ID: extSendTime, URI: media.ExtAbsSendTime})
}

// TestSendTimes: video carries the time at which it is sent, to who has no
// transport-wide numbers, when it is repeated as well.
func TestSendTimes(t *testing.T) {
	l := newLab(t, 1, 0)
	old, modern := l.join(0, withoutTCC), l.join(0, withBoth)
	old.kind = reportsREMB
	old.remb = 5_000_000
	late := func(data []byte) time.Duration {
		at := uint32(data[0])<<16 | uint32(data[1])<<8 | uint32(data[2])
		behind := (rtp.AbsSendTime(time.Duration(l.w.now)) - at) & (1<<24 - 1)
		return time.Duration(behind) * time.Second >> 18
	}
	var first, repeated, others int
	var newest uint16
	old.check = func(h *rtp.Header) {
		data, ok := h.Extension(extSendTime)
		switch {
		case h.PayloadType == ptOpus:
			if ok {
				others++
			}
		case !ok || len(data) != 3:
			t.Fatalf("video without a send time: %x", h.Raw)
		case late(data) > time.Millisecond: // a NACK is answered between two steps
			t.Fatalf("sent at %v: %x", l.w.now, data)
		case h.PayloadType == ptRTX:
			repeated++
		default:
			first++
			newest = h.Seq
		}
	}
	modern.check = func(h *rtp.Header) {
		if _, ok := h.Extension(extSendTime); ok {
			others++
		}
	}
	old.wants(180)
	modern.wants(180)
	l.run(3 * time.Second)
	old.sendRTCP(rtp.AppendNACK(rtp.AppendReceiverReport(nil, 1, nil), 1, 1001, []uint16{newest, newest - 1}))
	l.run(100 * time.Millisecond)
	if first < 50 || repeated != 2 || others != 0 || modern.video == 0 {
		t.Errorf("%d packets and %d repeats have send times, and %d others", first, repeated, others)
	}
}

// TestLostREMB: that two thirds of a receiver's messages are lost does not keep
// it from getting what it says, and not more, nor less for want of news.
func TestLostREMB(t *testing.T) {
	l := newLab(t, 1, 0)
	c := l.join(0, withoutTCC)
	c.kind, c.remb = reportsREMB, 700_000
	seconds := 0
	l.each = append(l.each, func() {
		if time.Duration(l.w.now)%time.Second < time.Millisecond {
			seconds++
		}
		c.kind = reportsNothing
		if seconds%3 == 0 {
			c.kind = reportsREMB
		}
	})
	c.wants(720)
	l.within(8*time.Second, "what fits", func() bool { return c.heights[1001] == 360 })
	for range 40 {
		l.run(500 * time.Millisecond)
		if c.heights[1001] != 360 || c.describe().Details.Estimate != 700_000 {
			t.Fatalf("%v, %+v", c.heights, c.describe())
		}
	}
	c.remb = 3_000_000
	l.within(10*time.Second, "the large picture", func() bool { return c.heights[1001] == 720 })
	c.remb = 300_000
	l.within(5*time.Second, "the small picture", func() bool { return c.heights[1001] == 180 })
}
