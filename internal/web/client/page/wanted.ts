import type { ReceiveConstraints } from "../protocol";

/** Picture heights that are asked for, in lines. */
const classes = [180, 360, 720, 1080, 2160];

/** Who looks at a size keeps it while the window changes by less than this. */
const slack = 0.1;

/** The class that fills so many device pixels; `before` is what was asked for until now, 0 if nothing. */
export function heightClass(cssPixels: number, pixelRatio: number, before: number): number {
  const need = cssPixels * pixelRatio;
  const exact = classes.find((c) => c >= need) ?? classes.at(-1)!;
  const lower = classes[classes.indexOf(before) - 1] ?? 0;
  return before > 0 && need <= before * (1 + slack) && need > lower * (1 - slack) ? before : exact;
}

/** How good pictures may be. */
export type Quality = "best" | "standard" | "low" | "audio";

export const qualities: readonly Quality[] = ["best", "standard", "low", "audio"];

/** Most lines of a camera and of a screen, on which one wants to read. */
const limits: Record<Quality, [camera: number, screen: number]> = { best: [2160, 2160], standard: [360, 1080], low: [180, 720], audio: [0, 0] };

/** A tile that can be seen now and shows somebody else. */
export interface Shown {
  /** Name of the source. */
  key: string;
  /** Height of the picture in CSS pixels. */
  height: number;
  desktop: boolean;
}

/** All that decides what is asked for. */
export interface Looking {
  shown: Shown[];
  /** The large one, "" for none. */
  staged: string;
  quality: Quality;
  /** Nobody looks at the page. */
  away: boolean;
  pixelRatio: number;
  /** Most videos that the deployment allows; -1 is no limit. */
  lastN: number;
}

/** Remembers what was asked for, so that small changes of size change nothing. */
export class Wanted {
  #heights = new Map<string, number>();

  /** What to ask the bridge for: what is on the screen, at the size it is shown, and nothing else. */
  next(l: Looking): ReceiveConstraints {
    const before = this.#heights;
    this.#heights = new Map();
    const heights = new Map<string, number>();
    for (const s of l.away || l.quality === "audio" ? [] : l.shown) {
      const exact = heightClass(s.height, l.pixelRatio, before.get(s.key) ?? 0);
      this.#heights.set(s.key, exact);
      heights.set(s.key, Math.min(exact, limits[l.quality][s.desktop ? 1 : 0]));
    }
    const lastN = l.lastN < 0 ? heights.size : Math.min(l.lastN, heights.size);
    return { lastN, onStage: heights.has(l.staged) ? [l.staged] : [], selected: [], defaultHeight: 0, heights };
  }
}
