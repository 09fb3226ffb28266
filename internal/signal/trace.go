package signal

import (
	"context"
	"log/slog"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// LevelTrace is the level of protocol tracing.
const LevelTrace = slog.Level(-8)

func (s *Server) tracing() bool { return s.log.Enabled(context.Background(), LevelTrace) }

// trace logs that a frame passed. Only its shape is shown: names, addresses
// and sizes, never bodies, tokens or resumption ids.
func (s *Server) trace(direction, who string, frame []byte) {
	if !s.tracing() {
		return
	}
	st, err := xmpp.Scan(frame)
	if err != nil {
		s.log.Log(context.Background(), LevelTrace, "frame", "dir", direction, "peer", who, "bytes", len(frame), "error", err)
		return
	}
	s.traceStanza(direction, who, st)
}

func (s *Server) traceStanza(direction, who string, st xmpp.Stanza) {
	if !s.tracing() {
		return
	}
	child, _ := st.First()
	s.log.Log(context.Background(), LevelTrace, "frame", "dir", direction, "peer", who,
		"name", st.Name, "type", st.Type, "to", st.To, "child", child.Name, "bytes", len(st.Raw))
}
