// Package focus is the role that turns rooms into conferences: it answers
// conference requests, joins rooms as the occupant "focus", places
// conferences on a bridge, holds a Jingle session with every participant, and
// tells each who sends what.
//
// The main type is [Focus], made and started by app. It speaks XMPP through
// xmpp.Router and to bridges through colibri.Bridge, and knows no other role.
//
// One goroutine owns one conference and sleeps on its mailbox and its
// earliest deadline (owner.go). The conference itself (conference.go and the
// files around it) is a plain struct driven by events which starts nothing,
// never waits and never reads a clock; requests to its bridge run beside it,
// one at a time and together with what has gathered meanwhile, and come back
// as events.
//
// How many are invited at a time follows the delay of the bridges (package
// admission); the lobby (lobby.go) is the one place that all conferences share.
//
// What it must never do: leave a room in which people are, leave a request
// unanswered, answer a session-accept late because a bridge is slow, or log
// ICE passwords and channel URLs.
//
// Limits are those of [Options]; besides, a mailbox holds at most maxMail
// events and an HTTP body at most maxBody bytes.
package focus
