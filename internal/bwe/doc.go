// Package bwe estimates how much may be sent towards one receiver: the
// send-side half of congestion control, for a server that forwards media
// without pacing it.
//
// The main type is [Estimator]; a bridge has one for each endpoint. It is told
// of every packet that carries a transport-wide number when it is sent, audio
// as well as video, and of the receiver's feedback
// (draft-holmer-rmcat-transport-wide-cc-extensions-01). Out of the two come
//
//   - a delay-based estimate in the manner of draft-ietf-rmcat-gcc-02 §5: the
//     trend of the one-way delay tells of a growing queue before anything is
//     lost, and the rate at which data is delivered then tells the capacity;
//   - a loss-based one ([lossModel]): the largest bandwidth that the losses
//     of the last seconds do not contradict, so that a lossy radio link is not
//     taken for a narrow one;
//   - requests for probes ([Probe]): short bursts of padding that show whether
//     there is room for what the receiver wants and does not get. Nothing is
//     probed for while nothing more is wanted.
//
// The estimate is the lower of the first two, and for a while less than that
// when a queue has to be emptied ([drainer]). For receivers without
// transport-wide feedback it is what their REMB messages and receiver reports
// allow.
//
// The owner of an Estimator, a media worker, calls Sent and Feedback, and Tick
// when Deadline has come; then it asks NextProbe. It tells with SetDemand what
// it would like to send.
//
// The package is a core: it opens no socket, starts no goroutine, holds no
// lock, reads no clock and does not log. It never keeps packets, only when and
// how large they were. It must not be asked how to divide the estimate among
// sources; package bridge/alloc does that.
//
// Limits: an Estimator takes about 4 KiB, and up to 128 KiB more for the
// packets on the way to a receiver that is fast and far away. Sent takes 10 ns
// and Feedback about 50 ns for each packet; neither allocates. What a peer
// sends can make the estimate wrong for that peer, within the bounds given in
// [Options], and costs time only in proportion to what it was sent.
//
// Where it differs from draft-ietf-rmcat-gcc-02: a group of packets is
// represented by its least delayed packet, not its last, because bursts are
// not paced here; an application-limited path loses a step of its estimate on
// overuse, not all above what is delivered; queues are drained; the loss-based
// part is a model with inherent loss; there are probes.
package bwe
