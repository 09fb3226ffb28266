package secure

import "github.com/pion/logging"

// quiet keeps the libraries from writing to standard error: what matters
// reaches the owner through Config.OnClosed, and the rest would let a peer
// fill our logs. One value serves all sessions.
type quiet struct{}

// NewLogger implements logging.LoggerFactory.
func (quiet) NewLogger(string) logging.LeveledLogger { return quiet{} }

// Trace implements logging.LeveledLogger, as the methods below do.
func (quiet) Trace(string)          {}
func (quiet) Tracef(string, ...any) {}
func (quiet) Debug(string)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(string)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(string)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(string)          {}
func (quiet) Errorf(string, ...any) {}
