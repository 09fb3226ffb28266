import { h, toggleClass } from "./dom";
import { bestGrid, wantedHeight } from "./layout";
import { Tile, type TileState } from "./tile";

const gap = 8;
const filmstripHeight = 120;
/** ms that a page may be hidden before it stops receiving pictures. */
const awayAfter = 10_000;

/** What the tiles make us want to receive. */
export interface Wanted {
  heights: Map<string, number>;
  onStage: string[];
}

/**
 * The tiles of a meeting: a grid of all, or one large with the others in a
 * strip. It measures itself and says which pictures are wanted, and how large.
 */
export class Tiles {
  readonly element = h("section", { class: "tiles", "aria-label": "Participants" });
  readonly #stage = h("div", { class: "on-stage" });
  readonly #grid = h("div", { class: "grid", role: "list" });
  readonly #tiles = new Map<string, Tile>();
  readonly #visible = new Set<string>();
  readonly #observer: IntersectionObserver;
  #order: string[] = [];
  #staged = "";
  #wantedTimer: ReturnType<typeof setTimeout> | undefined;
  #awayTimer: ReturnType<typeof setTimeout> | undefined;
  #away = false;
  onPin: (key: string) => void = () => undefined;
  onWanted: (w: Wanted) => void = () => undefined;

  constructor() {
    this.element.append(this.#stage, this.#grid);
    new ResizeObserver(() => this.#arrange()).observe(this.element);
    this.#observer = new IntersectionObserver((entries) => this.#onVisible(entries), { root: this.element, threshold: 0.05 });
  }

  /** Shows these tiles in this order; `staged` is the key of the large one, "" for a grid. */
  show(states: Map<string, TileState>, staged: string): void {
    for (const [key, tile] of this.#tiles) {
      if (states.has(key)) continue;
      this.#observer.unobserve(tile.element);
      this.#visible.delete(key);
      this.#tiles.delete(key);
      tile.remove();
    }
    for (const [key, state] of states) this.#tile(key).update(state);
    const order = [...states.keys()];
    if (order.join() === this.#order.join() && staged === this.#staged) return;
    this.#order = order;
    this.#staged = states.has(staged) ? staged : "";
    this.#place();
  }

  #tile(key: string): Tile {
    let tile = this.#tiles.get(key);
    if (!tile) {
      tile = new Tile(key, (k) => this.onPin(k));
      this.#tiles.set(key, tile);
      this.#observer.observe(tile.element);
    }
    return tile;
  }

  /** Moves elements only where they are not yet: moving a video makes it flicker. */
  #place(): void {
    toggleClass(this.element, "staged", this.#staged !== "");
    const large = this.#tiles.get(this.#staged)?.element;
    if (large && large.parentElement !== this.#stage) this.#stage.replaceChildren(large);
    if (!large) this.#stage.replaceChildren();
    large?.setAttribute("role", "group");
    let after: Element | null = null;
    for (const key of this.#order) {
      const e = this.#tiles.get(key)!.element;
      if (e === large) continue;
      e.setAttribute("role", "listitem");
      const next: Element | null = after ? after.nextElementSibling : this.#grid.firstElementChild;
      if (next !== e) this.#grid.insertBefore(e, next);
      after = e;
    }
    this.#arrange();
  }

  #arrange(): void {
    const { clientWidth, clientHeight } = this.element;
    const count = this.#order.length - (this.#staged ? 1 : 0);
    const strip = { width: Math.floor((filmstripHeight * 16) / 9), height: filmstripHeight };
    const g = this.#staged ? strip : bestGrid(count, clientWidth - 2 * gap, clientHeight - 2 * gap, gap);
    this.#grid.style.setProperty("--tile-width", `${g.width}px`);
    this.#grid.style.setProperty("--tile-height", `${g.height}px`);
    this.#tellWanted();
  }

  #onVisible(entries: IntersectionObserverEntry[]): void {
    for (const e of entries) {
      const key = (e.target as HTMLElement).dataset["key"] ?? "";
      if (e.isIntersecting) this.#visible.add(key);
      else this.#visible.delete(key);
    }
    this.#tellWanted();
  }

  /** Waits a moment: while a window is resized this changes with every frame. */
  #tellWanted(): void {
    clearTimeout(this.#wantedTimer);
    this.#wantedTimer = setTimeout(() => this.onWanted(this.#wanted()), 150);
  }

  #wanted(): Wanted {
    const heights = new Map<string, number>();
    for (const [key, tile] of this.#tiles) {
      const shown = this.#visible.has(key) && !this.#away;
      heights.set(key, shown ? wantedHeight(tile.element.clientHeight, devicePixelRatio) : 0);
    }
    return { heights, onStage: this.#staged ? [this.#staged] : [] };
  }

  /** The element of one tile, to move the focus to. */
  at(index: number): string | undefined {
    return this.#order[index];
  }

  /** Pictures on a page that nobody looks at are not wanted, after a while. */
  pageShown(shown: boolean): void {
    clearTimeout(this.#awayTimer);
    const set = (away: boolean): void => {
      this.#away = away;
      this.#tellWanted();
    };
    if (shown) set(false);
    else this.#awayTimer = setTimeout(() => set(true), awayAfter);
  }
}
