// Package speech finds out who speaks in a conference, from the audio levels
// in RTP headers alone (RFC 6464).
//
// A [Detector] is one conference. It names the dominant speaker with the
// method of Volfin and Cohen ("Dominant speaker identification for multipoint
// videoconferencing", Computer Speech & Language 27, 2013): every level counts
// on three time scales (now, the last 100 ms, the last second), and who wants
// the floor must beat who has it on all three. A cough wins the first scale
// only. It also keeps everybody in the order in which they spoke last, which
// decides whose video is forwarded.
//
// A [Router] decides in large conferences whose audio is forwarded at all, a
// packet at a time: a few places go to those who talk, so that a conference of
// three hundred open microphones costs as much as one of five. Nobody loses
// the beginning of a word by it, nor its middle.
//
// The bridge's conference calls [Detector.Add] for every audio packet, or for
// batches of them, [Detector.Tick] at [Detector.Deadline], and in large
// conferences [Router.Add] for every packet. The package is a core: it never
// reads a clock, locks, logs or starts a goroutine, and Add and Tick allocate
// nothing. Callers must feed it levels of authenticated packets only, or
// anybody can take the floor.
//
// Limits: none of its own. The detector's time for a decision, three times a
// second, grows with the number of speakers (about 20 ns for a silent one);
// the router's time for a packet with the number of places at most. Memory is
// about 150 bytes a speaker and 50 a voice.
package speech
