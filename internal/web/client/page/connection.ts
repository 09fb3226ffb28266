/** How good a connection is, and why, in words. Pure, so that it can be tested. */
import { enough, usual } from "../protocol";

/** Bars from 0, interrupted, to 3, good; -1 when nothing is known. */
export interface Connection {
  bars: -1 | 0 | 1 | 2 | 3;
  /** Why, as a sentence without its full stop. */
  text: string;
}

/** What is known of the connection of somebody else. */
export interface OtherFacts {
  /** The bridge has not heard of them for some seconds. */
  silent: boolean;
  /** What they tell of themselves: lost packets in percent and quality from 0 to 100; undefined when nothing. */
  told: { loss: number; quality: number } | undefined;
  /** Lost packets in percent of what they send us; undefined while too few came. */
  loss: number | undefined;
  /** We asked for their picture and the bridge does not send it. */
  suspended: boolean;
  /** Lines of the picture that we asked for, that they send at most (0 unknown), and that we get (0 none). */
  asked: number;
  sends: number;
  got: number;
  /** Estimated bit/s towards us; 0 when unknown. */
  downlink: number;
  /** Bit/s that all we asked for would take. */
  needed: number;
  /** The bridge sends less because it has too much to do. */
  busy: boolean;
  /** Our device does not keep up. */
  slow: boolean;
}

/** From so much loss on one hears and sees it, in percent. */
export const noticeable = 2;
const severe = 10;

export function ofOther(f: OtherFacts): Connection {
  if (f.silent) return { bars: 0, text: "Their connection is interrupted" };
  const why = reason(f);
  if (f.suspended) return { bars: 1, text: why ? `Video paused: ${why}` : "Video is not arriving" };
  if (f.told && f.told.loss >= noticeable) return { bars: f.told.loss >= severe ? 1 : 2, text: `They are losing ${Math.round(f.told.loss)} % of packets` };
  if (f.loss !== undefined && f.loss >= severe) return { bars: 1, text: losing(f.loss) };
  if (why && f.got > 0 && 2 * f.got <= Math.min(f.asked, f.sends || f.asked)) return { bars: 2, text: `Video reduced: ${why}` };
  if (f.loss !== undefined && f.loss >= noticeable) return { bars: 2, text: losing(f.loss) };
  if (f.told && f.told.quality < 50) return { bars: f.told.quality < 20 ? 1 : 2, text: "Their connection or device is weak" };
  return f.told || f.loss !== undefined ? { bars: 3, text: "Good" } : { bars: -1, text: "Not measured yet" };
}

/** What is known of our own connection. */
export interface OwnFacts {
  /** Signalling or media is interrupted. */
  interrupted: boolean;
  /** Measured at all. */
  known: boolean;
  /** Percent lost of what the others send us, and of what we send. */
  lossIn: number;
  lossOut: number;
  /** Round trip in ms. */
  rtt: number;
  downlink: number;
  needed: number;
  busy: boolean;
  slow: boolean;
}

/** A longer round trip makes people interrupt each other. */
const longRoundTrip = 400;

export function ofOwn(f: OwnFacts): Connection {
  if (f.interrupted) return { bars: 0, text: "Your connection is interrupted" };
  if (!f.known) return { bars: -1, text: "Not measured yet" };
  const loss = Math.max(f.lossIn, f.lossOut);
  // A device that is too slow fetches packets too late, and then they are lost as well.
  const perhaps = f.slow ? ", perhaps because your device cannot keep up" : "";
  if (loss >= noticeable) return { bars: loss >= severe ? 1 : 2, text: `You are ${losing(loss).toLowerCase()} ${f.lossOut >= f.lossIn ? "on the way out" : "on the way in"}${perhaps}` };
  const why = reason(f);
  if (f.slow && !(why && f.busy)) return { bars: 2, text: "Your device cannot keep up: close other programs, or choose a lower video quality" };
  if (why) return { bars: 2, text: `Video reduced: ${why}` };
  if (f.rtt >= longRoundTrip) return { bars: 2, text: `Slow: sound takes ${Math.round(f.rtt / 2)} ms to the server` };
  return { bars: 3, text: "Good" };
}

const losing = (percent: number): string => `Losing ${Math.round(percent)} % of packets`;

/**
 * Why we get less video than we asked for, "" when nothing is known against
 * it. A server or a device with too much to do looks like a narrow connection:
 * packets wait in both as well. So what is known of those counts first.
 */
function reason(f: { downlink: number; needed: number; busy: boolean; slow: boolean }): string {
  if (f.busy && f.needed > 0) return "the server has too much to do";
  if (f.downlink <= 0 || f.downlink >= f.needed) return "";
  return f.slow ? "your device cannot keep up" : `your connection carries ${bitrate(f.downlink)}`;
}

/**
 * How much of what comes gets lost on our way, in percent: what is lost of few
 * senders only is their loss, and so is what they know to lose on the way out.
 */
export function ownLoss(senders: { loss: number | undefined; upload: number }[]): number {
  return usual(senders.flatMap((s) => (s.loss === undefined ? [] : [Math.max(0, s.loss - s.upload)])));
}

/**
 * What of somebody's loss is not ours, in percent. Each is measured on few
 * packets, so that it differs from ours by chance: only what stands out counts.
 */
export function theirLoss(loss: number, own: number): number {
  return loss - own >= own / 2 ? Math.max(0, loss - own) : 0;
}

/** How our device fared between two readings. */
export interface Effort {
  /** Whole pictures that came, and those of them that were decoded. */
  received: number;
  decoded: number;
  /** The browser says that it sends worse pictures because it has no time. */
  limited: boolean;
  /** The part of the time, from 0 to 1, in which the page could not do anything. */
  late: number;
  /** Percent lost on our way: a picture that refers to a lost one cannot be decoded. */
  loss: number;
}

/** Whether that is too much for the device. */
export function strained(e: Effort): boolean {
  const undecoded = e.loss < noticeable && e.received >= enough && e.decoded < 0.7 * e.received;
  return e.limited || e.late >= 0.4 || undecoded;
}

/** A bit rate as people write it: "600 kbit/s", "2.5 Mbit/s". */
export function bitrate(bits: number): string {
  if (bits < 1_000_000) return `${Math.max(10, Math.round(bits / 10_000) * 10)} kbit/s`;
  return `${(bits / 1_000_000).toFixed(1).replace(/\.0$/, "")} Mbit/s`;
}

/** Bit/s that a picture of so many lines takes, about. */
export function bitsFor(lines: number): number {
  if (lines <= 0) return 0;
  return lines <= 180 ? 150_000 : lines <= 360 ? 400_000 : lines <= 720 ? 1_200_000 : 2_500_000;
}

/** Counters of packets, which only grow. */
export interface Count {
  packets: number;
  lost: number;
}

/** What came between two readings; nothing when the counters began anew. */
export function since(before: Count | undefined, now: Count): Count {
  if (!before || now.packets < before.packets) return { packets: 0, lost: 0 };
  return { packets: now.packets - before.packets, lost: Math.max(0, now.lost - before.lost) };
}

/** Percent lost; undefined when too little came. */
export function lossOf(c: Count): number | undefined {
  return c.packets + c.lost < enough ? undefined : (100 * c.lost) / (c.packets + c.lost);
}
