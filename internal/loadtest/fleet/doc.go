// Package fleet lets several machines carry out one load test. On each of them
// an [Agent] waits for it; [Run] is what package loadtest's Run is, with
// machines: every one gets the whole plan and its share of the participants
// (loadtest.Share), all begin at one time, and their reports become one.
//
// A coordinator and an agent talk over one TCP connection: TLS, in which each
// proves that it knows the shared secret, then messages as JSON behind their
// length. The coordinator sends the plan; the agent prepares it and says that
// it is ready, or why not; the coordinator lets all begin, and may stop them;
// the agent tells each second, and at the end its participants. Both send a
// sign of life every few seconds. Who hears nothing for a while takes the other
// for lost: an agent then ends its part of the test, and the coordinator goes
// on with the rest and says so in the report.
//
// # Limits
//
// Nothing is read of a stranger but the proof. Messages, participants and
// seconds are bounded, plans are checked as if a person had written them, and
// what goes to servers of strangers needs the agent's own leave too. At most
// loadtest.MaxMachines share a plan. Their clocks are not compared: delays are
// known of participants on the same machine only (media.Here).
package fleet
