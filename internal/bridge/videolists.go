package bridge

// Who gets a video source is kept in one list for each encoding, of those who
// get just that, and one of those who wait for a key frame to change. So a
// packet of a large picture costs nothing for the many who get the small one.

// videoList is a list of subscriptions; the order means nothing.
type videoList []*videoSub

// moveTo puts v into another list; nil is none.
func (v *videoSub) moveTo(to *videoList) {
	if v.list == to {
		return
	}
	if l := v.list; l != nil {
		end := len(*l) - 1
		last := (*l)[end]
		(*l)[v.index], last.index = last, v.index
		(*l)[end] = nil
		*l = (*l)[:end]
	}
	if v.list = to; to != nil {
		v.index = len(*to)
		*to = append(*to, v)
	}
}

// settle puts v into the list where it belongs now.
func (v *videoSub) settle() {
	if i := v.sel.Current(); i >= 0 && i == v.sel.Target() {
		v.moveTo(&v.src.encodings[i].settled)
		return
	}
	v.moveTo(&v.src.switching)
}

// stop ends the subscription; its numbering is kept.
func (v *videoSub) stop() {
	if v.src == nil {
		return
	}
	v.moveTo(nil)
	v.src = nil
	v.restart()
}

// restart makes v wait for a key frame.
func (v *videoSub) restart() {
	v.sel.Restart()
	v.layers.restart()
}

func (s *mediaSource) forwardVideo(p *videoPacket) {
	s.owner.w.head.reset()
	for _, v := range p.enc.settled {
		v.packet(p)
	}
	// From the end, as those who have changed leave the list.
	for i := len(s.switching) - 1; i >= 0; i-- {
		v := s.switching[i]
		v.packet(p)
		v.settle()
	}
}

// dropVideo closes up a sequence number nobody is to miss.
func (s *mediaSource) dropVideo(e *encoding, seq uint16) {
	for _, v := range e.settled {
		v.dropNumber(seq)
	}
	for _, v := range s.switching {
		if v.sel.Current() == e.index {
			v.dropNumber(seq)
		}
	}
}

func (v *videoSub) dropNumber(seq uint16) {
	if v.layers.counts() {
		v.seq.Drop(seq)
	}
}

// restart makes all who get one of these encodings wait for a key frame.
func (s *mediaSource) restart(these func(*encoding) bool) {
	for _, v := range s.switching {
		if i := v.sel.Current(); i >= 0 && these(s.encodings[i]) {
			v.restart()
		}
	}
	for _, e := range s.encodings {
		for i := len(e.settled) - 1; i >= 0 && these(e); i-- {
			v := e.settled[i]
			v.restart()
			v.settle()
		}
	}
}

func (s *mediaSource) videoReceivers() int {
	n := len(s.switching)
	for _, e := range s.encodings {
		n += len(e.settled)
	}
	return n
}

// dropReceivers ends all subscriptions of a source that goes.
func (s *mediaSource) dropReceivers() {
	for _, ep := range s.owner.c.order {
		delete(ep.heights, s)
		ep.forget(s)
	}
}

// unsubscribeAll ends everything a receiver gets.
func (c *conference) unsubscribeAll(ep *endpoint) {
	for _, a := range ep.audioOut {
		a.stop()
	}
	for _, v := range ep.streams {
		v.stop()
	}
}
