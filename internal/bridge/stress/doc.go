// Package stress keeps a worker of the bridge from drowning. A worker that has
// more to forward than its core can carry would let everything wait in the
// socket until it is worthless, audio too; so it forwards less video instead.
//
// The main type is [Governor]. It is told how long the worker waited for
// something to do, how long what it read had been waiting, and what it
// forwarded, and sets a limit: the video packets a second that one receiver
// may be sent, the same for all of them. Who gets most loses most, and small
// conferences beside a large one lose nothing. What a receiver loses is the
// allocator's choice: large pictures go first, then frame rate, then the
// number of videos, from the last in the order of speech, the stage last.
//
// Audio is left out only where all of the video is not enough: those who do not
// talk first, which nobody hears, then all but who talks loudest
// ([Governor.Voices]). Who talks comes back before any video does, if there is
// time for that without video, which makes room; who does not talk when there is
// time for it. Where there is no time for another voice, what is left is for video.
//
// How much has to go is not guessed. A worker that keeps up says by the part
// of its time in which it is busy how much more it could do; one that does not
// keep up says by how fast its queue grows how much was asked of it. The limit
// falls at once to what leaves [Target] of the time in use, and rises by parts
// of the room that is left, later after each rise that was in vain. A queue
// that is emptied again within a quarter of a second changes nothing.
//
// So that receivers that get the same do not all step at once, each has a
// share of its own in the limit ([Spread]): the sum follows smoothly.
//
// Others may do a part of a worker's work; then the busiest of all counts
// ([Governor.Beside]), since it is this one's decisions that make the work: the
// caller makes it less where they are not.
//
// There is nothing to configure. The package must never read a clock, and
// knows nothing of packets; nothing is allocated after the first second.
package stress
