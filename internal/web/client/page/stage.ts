/** How the meeting is shown: one large, or all equally large. */
export type Mode = "stage" | "tiles";

/** A speaker stays large for at least so many ms. */
const shortest = 2_000;

/** What there is to be shown large. */
export interface Candidates {
  /** Keys of all tiles. */
  all: ReadonlySet<string>;
  /** Screens of the others, the newest last. */
  screens: string[];
  /** The camera of who speaks now; "" when it is nobody, or we. */
  speaker: string;
  /** The camera to show when nobody has spoken yet. */
  first: string;
}

/**
 * Decides what is large: what is pinned, else the newest screen, else in
 * stage view who speaks. A screen comes on stage by itself, also in tile
 * view, until somebody chooses tiles again.
 */
export class Stage {
  mode: Mode;
  pinned = "";
  /** Screens that somebody has put back among the tiles. */
  #dismissed = new Set<string>();
  #key = "";
  #since = -Infinity;

  constructor(mode: Mode) {
    this.mode = mode;
  }

  /** What is large now, "" for nothing. */
  get key(): string {
    return this.#key;
  }

  /** Decides anew, at `now` ms. Returns what was large before. */
  choose(c: Candidates, now: number): string {
    const before = this.#key;
    if (!c.all.has(this.pinned)) this.pinned = "";
    for (const s of this.#dismissed) if (!c.screens.includes(s)) this.#dismissed.delete(s);
    const next = this.#next(c, now);
    if (next !== before) [this.#key, this.#since] = [next, now];
    return before;
  }

  #next(c: Candidates, now: number): string {
    if (this.pinned) return this.pinned;
    const screen = c.screens.filter((s) => !this.#dismissed.has(s)).at(-1);
    if (screen) return screen;
    if (this.mode === "tiles") return "";
    const here = c.all.has(this.#key) && !c.screens.includes(this.#key) ? this.#key : "";
    if (!c.speaker) return here || c.first;
    return here && now - this.#since < shortest ? here : c.speaker;
  }

  /** From one large to tiles, or back. */
  toggle(screens: string[]): Mode {
    const toTiles = this.#key !== "";
    this.pinned = "";
    this.#dismissed = new Set(toTiles ? screens : []);
    return (this.mode = toTiles ? "tiles" : "stage");
  }

  /** Keeps something large, or no longer if it was. */
  pin(key: string): void {
    this.pinned = this.pinned === key ? "" : key;
  }
}
