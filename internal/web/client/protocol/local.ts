import type { Kind } from "./media";
import type { MuteKind } from "./names";
import type { SourceState } from "./presence";

/** The three things a participant can send: microphone, camera, screen. */
export type SlotName = "a0" | "v0" | "v1";

/** What moderators call what a slot carries. */
export const muteKindOf: Record<SlotName, MuteKind> = { a0: "audio", v0: "video", v1: "desktop" };

export interface Slot {
  readonly name: SlotName;
  readonly kind: Kind;
  readonly videoType: "camera" | "desktop";
  /** What is sent now; null is muted. */
  track: MediaStreamTrack | null;
  /** Whether there ever was a track: then there are SSRCs, and they stay. */
  used: boolean;
  /** Highest picture anybody wants, in lines; -1 is no limit, 0 is nobody. */
  maxHeight: number;
}

/** What we send, independent of sessions: it outlives reconnections. */
export class LocalSlots {
  readonly a0: Slot = slot("a0", "audio", "camera");
  readonly v0: Slot = slot("v0", "video", "camera");
  readonly v1: Slot = slot("v1", "video", "desktop");

  get all(): Slot[] {
    return [this.a0, this.v0, this.v1];
  }

  set(name: SlotName, track: MediaStreamTrack | null): Slot {
    const s = this[name];
    s.track = track;
    if (track) s.used = true;
    return s;
  }

  /** SourceInfo for the endpoint `id`. */
  sourceInfo(id: string): Map<string, SourceState> {
    const told = this.all.filter((s) => s.used || s.name !== "v1");
    return new Map(told.map((s) => [`${id}-${s.name}`, { muted: s.track === null, videoType: s.videoType }]));
  }
}

function slot(name: SlotName, kind: Kind, videoType: "camera" | "desktop"): Slot {
  return { name, kind, videoType, track: null, used: false, maxHeight: -1 };
}

/** How one encoding of a sender should be set. */
export interface EncodingPlan {
  active: boolean;
  scaleResolutionDownBy: number;
  maxBitrate: number;
  scalabilityMode: string | undefined;
}

/** Bit rates in bit/s for a picture of up to that many lines. */
const bitrates: [lines: number, rate: number][] = [
  [180, 200_000],
  [360, 500_000],
  [720, 1_500_000],
  [1080, 3_000_000],
  [Infinity, 6_000_000],
];
const desktopBitrate = 2_500_000;

function bitrateFor(lines: number): number {
  return bitrates.find(([most]) => lines <= most)![1];
}

/** An encoding that carries nothing. */
const unused: EncodingPlan = { active: false, scaleResolutionDownBy: 1, maxBitrate: 100_000, scalabilityMode: undefined };

/**
 * Plans the encodings of a video sender. `count` is how many there are, the
 * smallest first; `height` is that of the captured picture, `maxHeight` what
 * receivers want (-1 no limit, 0 nothing).
 */
export function planEncodings(count: number, height: number, maxHeight: number, codec: string, desktop: boolean): EncodingPlan[] {
  if (count === 1) return [singlePlan(height, maxHeight, desktop)];
  if (codec === "vp9" || codec === "av1") return layeredPlan(count, height, maxHeight);
  return scales(count, height).map((scale, i) => {
    if (scale === 0) return unused;
    const lines = height / scale;
    return {
      // The smallest is sent whenever anybody wants anything.
      active: maxHeight !== 0 && (maxHeight < 0 || i === 0 || lines <= maxHeight),
      scaleResolutionDownBy: scale,
      maxBitrate: bitrateFor(lines),
      scalabilityMode: "L1T3",
    };
  });
}

function singlePlan(height: number, maxHeight: number, desktop: boolean): EncodingPlan {
  const wanted = maxHeight > 0 && !desktop ? Math.min(height, maxHeight) : height;
  return {
    active: maxHeight !== 0,
    scaleResolutionDownBy: Math.max(1, height / wanted),
    maxBitrate: desktop ? desktopBitrate : bitrateFor(wanted),
    scalabilityMode: desktop ? undefined : "L1T3",
  };
}

/** VP9 and AV1 carry their layers in the first stream; the others are silent. */
function layeredPlan(count: number, height: number, maxHeight: number): EncodingPlan[] {
  const wanted = maxHeight < 0 ? height : Math.min(height, Math.max(maxHeight, height / 4));
  const layers = wanted > height / 2 ? 3 : wanted > height / 4 ? 2 : 1;
  const first: EncodingPlan = {
    active: maxHeight !== 0,
    scaleResolutionDownBy: 2 ** (3 - layers),
    maxBitrate: bitrateFor(height / 2 ** (3 - layers)),
    scalabilityMode: layers === 1 ? "L1T3" : `L${layers}T3_KEY`,
  };
  return [first, ...Array.from({ length: count - 1 }, () => unused)];
}

/**
 * How much smaller than the captured picture each encoding is. Above 720
 * lines the lower ones stay at 180 and 360. Small pictures have fewer
 * encodings, because Chromium sends no more than these: 0 stands for unused.
 */
function scales(count: number, height: number): number[] {
  if (count === 3 && height > 720) return [height / 180, height / 360, 1];
  const used = Math.min(count, height >= 540 ? 3 : height >= 270 ? 2 : 1);
  return Array.from({ length: count }, (_, i) => (i < used ? 2 ** (used - 1 - i) : 0));
}
