package source

import "fmt"

// Condition is the stanza error condition (RFC 6120 §8.3.3) a refusal becomes
// when it is sent to the client that caused it.
type Condition string

// Conditions of refusals.
const (
	BadRequest         Condition = "bad-request"
	ResourceConstraint Condition = "resource-constraint"
	Forbidden          Condition = "forbidden"
)

// Error is a refusal of sources. It knows what the sender is told.
type Error struct {
	Condition Condition
	Text      string // for people; contains nothing secret
}

// Error implements error.
func (e *Error) Error() string { return string(e.Condition) + ": " + e.Text }

func badRequest(format string, args ...any) *Error {
	return &Error{Condition: BadRequest, Text: fmt.Sprintf(format, args...)}
}
