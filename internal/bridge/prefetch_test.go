package bridge

import "testing"

// TestPrefetchReadsNothing: a stream that has no place among the keys yet is no
// reason to fault.
func TestPrefetchReadsNothing(t *testing.T) {
	prefetch(nil)
	prefetch3(nil)
	l := audioList{subs: make([]*audioSub, 8)}
	for i := range l.subs {
		l.subs[i] = &audioSub{to: &endpoint{}}
		if i%2 == 0 {
			l.subs[i].audioStream = &audioStream{}
		}
	}
	for i := range l.subs {
		l.fetchAhead(i)
	}
}
