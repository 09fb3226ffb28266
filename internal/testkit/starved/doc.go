// Package starved tells tests that send media at their real pace whether the
// server had the processor it needed. Where it had not it leaves out video, or
// drops what has become too old, as it should; then what came of the media says
// more about the machine than about the code.
//
// The main function is [Of]. Tests of whole servers call it when media have
// been sent, and say that they judge no quantities if it has an answer. Only
// tests use this package. It must never excuse anything but quantities of
// media: whoever cannot come in, or gets what is wrong, has found a fault on a
// slow machine too.
package starved
