import { h, toggleClass } from "./dom";
import { containedHeight, pagedGrid, pagesOf, stripLayout, type Paged, type Strip } from "./layout";
import { Pager } from "./pager";
import { Tile, type TileState } from "./tile";
import type { Shown } from "./wanted";

const gap = 8;
/** ms that a page may be hidden before it stops receiving pictures. */
const awayAfter = 10_000;
/** ms that what is shown must stay before it is asked for: windows are resized with every frame. */
const settleTime = 150;
/** ms after which it is asked for even so. */
const longestSettling = 600;
/** Tiles kept for other pages; a page has no more. */
const mostSpare = 50;
/** px that a finger moves to turn a page. */
const swipe = 50;

/** What is to be shown. */
export interface Picture {
  /** Key of the large tile, "" for none. */
  staged: string;
  /** Number of the others. */
  count: number;
  /** The keys of the others, in order, for pages of that size. */
  arrange(perPage: number): string[];
  state(key: string): TileState;
}

/** What can be seen of others now. */
export interface Visible {
  shown: Shown[];
  staged: string;
  /** Nobody looks at the page, or something covers it. */
  away: boolean;
}

/**
 * The tiles of a meeting: pages of a grid, or one large with the others in a
 * strip of pages beside it. Only tiles of the page that is open exist; it
 * says which pictures can be seen, and how large they are.
 */
export class Tiles {
  readonly element = h("section", { class: "tiles", "aria-label": "Participants" });
  readonly #stage = h("div", { class: "on-stage" });
  readonly #grid = h("div", { class: "grid", role: "list" });
  readonly #pager = new Pager((by) => this.turn(by));
  readonly #tiles = new Map<string, Tile>();
  readonly #spare: Tile[] = [];
  #picture: Picture = { staged: "", count: 0, arrange: () => [], state: () => { throw new Error("nothing to show"); } };
  #order: string[] = [];
  #page = 0;
  #perPage = 1;
  #here = "";
  #wantedTimer: ReturnType<typeof setTimeout> | undefined;
  #awayTimer: ReturnType<typeof setTimeout> | undefined;
  /** What was last told, and since when something else is to be. */
  #look = "";
  #unsettled = 0;
  #away = false;
  #covered = false;
  onPin: (key: string) => void = () => undefined;
  onVisible: (v: Visible) => void = () => undefined;

  constructor() {
    this.element.append(this.#stage, h("div", { class: "strip" }, this.#grid, this.#pager.element));
    new ResizeObserver(() => this.#arrange()).observe(this.element);
    this.element.addEventListener("keydown", (ev) => this.#onKey(ev));
    this.element.addEventListener("focusin", (ev) => this.#onFocus(ev));
    this.#listenToSwipes();
  }

  show(p: Picture): void {
    this.#picture = p;
    this.#arrange();
  }

  /** Keys that can be seen, the large one first. */
  get visible(): string[] {
    const { staged } = this.#picture;
    return [...(staged ? [staged] : []), ...this.#onPage()];
  }

  get page(): number {
    return this.#page;
  }

  get pages(): number {
    return pagesOf(this.#picture.count, this.#perPage);
  }

  /** Opens another page. */
  turn(by: number): void {
    const page = Math.max(0, Math.min(this.pages - 1, this.#page + by));
    if (page === this.#page) return;
    this.#page = page;
    this.#arrange();
  }

  #onPage(): string[] {
    return this.#order.slice(this.#page * this.#perPage, (this.#page + 1) * this.#perPage);
  }

  #arrange(): void {
    const { staged, count } = this.#picture;
    if (count === 0 && !staged) return;
    const { clientWidth, clientHeight } = this.element;
    const [width, height] = [clientWidth - 2 * gap, clientHeight - 2 * gap];
    const g: Paged | Strip = staged ? stripLayout(count, width, height, gap) : pagedGrid(count, width, height, gap);
    const side = "side" in g ? g.side : "";
    toggleClass(this.element, "staged", staged !== "");
    toggleClass(this.element, "below", side === "below");
    toggleClass(this.element, "under", side === "under");
    // Staying with the first tile that was seen keeps the place when the size of pages changes.
    if (g.perPage !== this.#perPage) this.#page = Math.floor((this.#page * this.#perPage) / g.perPage);
    this.#perPage = g.perPage;
    this.#page = Math.min(this.#page, this.pages - 1);
    this.#order = this.#picture.arrange(g.perPage);
    this.#grid.style.setProperty("--tile-width", `${g.width}px`);
    this.#grid.style.setProperty("--tile-height", `${g.height}px`);
    this.#pager.show(this.#page, this.pages, staged !== "");
    this.#fill();
    this.#tellVisible();
  }

  /** Gives every visible key a tile. Who stays keeps theirs; whose seat changed hands gives it away. */
  #fill(): void {
    const { staged } = this.#picture;
    const keys = this.visible;
    const wanted = new Set(keys);
    const free = new Map([...this.#tiles].filter(([key]) => !wanted.has(key)));
    for (const key of free.keys()) this.#tiles.delete(key);
    const seats = [...this.#grid.children].map((e) => (e as HTMLElement).dataset["key"] ?? "");
    keys.forEach((key, i) => {
      if (this.#tiles.has(key)) return;
      const seat = seats[staged ? i - 1 : i] ?? "";
      const from = free.has(seat) ? seat : (free.keys().next().value ?? "");
      const tile = free.get(from) ?? this.#spare.pop() ?? new Tile({ pin: (k) => this.onPin(k) });
      free.delete(from);
      tile.become(key);
      this.#tiles.set(key, tile);
    });
    for (const tile of free.values()) this.#putAway(tile);
    for (const key of keys) this.#tiles.get(key)!.update(this.#picture.state(key));
    this.#place(this.#onPage());
  }

  #putAway(tile: Tile): void {
    tile.detach();
    if (this.#spare.length < mostSpare) this.#spare.push(tile);
  }

  /** Moves elements only where they are not yet: moving a video makes it flicker. */
  #place(keys: string[]): void {
    const large = this.#tiles.get(this.#picture.staged)?.element;
    if (large && large.parentElement !== this.#stage) this.#stage.replaceChildren(large);
    if (!large) this.#stage.replaceChildren();
    large?.setAttribute("role", "group");
    let after: Element | null = null;
    for (const [i, key] of keys.entries()) {
      const e = this.#tiles.get(key)!.element;
      e.setAttribute("role", "listitem");
      e.setAttribute("aria-setsize", String(this.#order.length));
      e.setAttribute("aria-posinset", String(this.#page * this.#perPage + i + 1));
      const next: Element | null = after ? after.nextElementSibling : this.#grid.firstElementChild;
      if (next !== e) this.#grid.insertBefore(e, next);
      after = e;
    }
    this.#setReachable();
  }

  // The keyboard.

  #setReachable(): void {
    const keys = this.#onPage();
    if (!keys.includes(this.#here)) this.#here = keys[0] ?? "";
    for (const [key, tile] of this.#tiles) tile.reachable(key === this.#here || key === this.#picture.staged);
  }

  #onFocus(ev: FocusEvent): void {
    const key = (ev.target as HTMLElement).closest<HTMLElement>(".grid > .tile")?.dataset["key"];
    if (!key || key === this.#here) return;
    this.#here = key;
    this.#setReachable();
  }

  #onKey(ev: KeyboardEvent): void {
    const target = ev.target as HTMLElement;
    const key = target.dataset["key"];
    if (key === undefined || ev.ctrlKey || ev.altKey || ev.metaKey) return;
    if (ev.key === "Enter") {
      this.onPin(key);
      this.#tiles.get(key)?.element.focus();
    } else if (!this.#move(key, ev.key)) return;
    ev.preventDefault();
    ev.stopPropagation();
  }

  /** Arrow keys go from tile to tile, and over the edge to the next page. */
  #move(from: string, key: string): boolean {
    const all = [...this.#grid.children] as HTMLElement[];
    const columns = Math.max(1, all.filter((e) => e.offsetTop === all[0]?.offsetTop).length);
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
    const at = all.findIndex((e) => e.dataset["key"] === from);
    if (by === undefined || at < 0) return false;
    const to = at + by;
    if (to >= 0 && to < all.length) all[to]!.focus();
    else {
      const before = this.#page;
      this.turn(Math.sign(by));
      if (this.#page !== before) (this.#grid.children[by > 0 ? 0 : this.#grid.children.length - 1] as HTMLElement).focus();
    }
    return true;
  }

  #listenToSwipes(): void {
    let start: Touch | undefined;
    this.element.addEventListener("touchstart", (ev) => (start = ev.touches.length === 1 ? ev.touches[0] : undefined), { passive: true });
    this.element.addEventListener("touchend", (ev) => {
      const end = ev.changedTouches[0];
      if (!start || !end) return;
      const [dx, dy] = [end.clientX - start.clientX, end.clientY - start.clientY];
      if (Math.abs(dx) > swipe && Math.abs(dx) > 2 * Math.abs(dy)) this.turn(dx < 0 ? 1 : -1);
    }, { passive: true });
  }

  // What can be seen.

  /** Tells it when it differs from what was told, once it has settled. */
  #tellVisible(): void {
    const { clientWidth, clientHeight } = this.element;
    const look = [clientWidth, clientHeight, this.#perPage, this.#away, this.#covered, devicePixelRatio, this.#picture.staged, ...this.visible].join();
    if (look === this.#look) return;
    this.#look = look;
    const now = performance.now();
    this.#unsettled ||= now;
    clearTimeout(this.#wantedTimer);
    this.#wantedTimer = setTimeout(() => {
      this.#unsettled = 0;
      this.onVisible(this.#see());
    }, Math.max(0, Math.min(settleTime, this.#unsettled + longestSettling - now)));
  }

  #see(): Visible {
    const { staged, state } = this.#picture;
    const shown = this.visible.flatMap((key): Shown[] => {
      const { self, desktop } = state(key);
      const { clientWidth, clientHeight } = this.#tiles.get(key)!.element;
      return self ? [] : [{ key, desktop, height: containedHeight(clientWidth, clientHeight) }];
    });
    return { shown, staged, away: this.#away || this.#covered };
  }

  /** The key of one tile, counted from the first page on. */
  at(index: number): string | undefined {
    const { staged } = this.#picture;
    return staged ? [staged, ...this.#order][index] : this.#order[index];
  }

  /** Something lies over all of it. */
  cover(covered: boolean): void {
    if (covered === this.#covered) return;
    this.#covered = covered;
    this.#tellVisible();
  }

  /** Pictures on a page that nobody looks at are not wanted, after a while. */
  pageShown(shown: boolean): void {
    clearTimeout(this.#awayTimer);
    const set = (away: boolean): void => {
      this.#away = away;
      this.#tellVisible();
    };
    if (shown) set(false);
    else this.#awayTimer = setTimeout(() => set(true), awayAfter);
  }
}
