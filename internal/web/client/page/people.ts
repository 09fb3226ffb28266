import { fill, h, setProps, toggleClass, uniqueId } from "./dom";
import { icon } from "./icons";
import { rowTop, totalHeight, visibleRows, type Viewport } from "./virtual";
import { hue, initials, matches } from "./words";

/** One line of the list. */
export interface Person {
  id: string;
  name: string;
  self: boolean;
  moderator: boolean;
  micMuted: boolean;
  cameraOff: boolean;
  handUp: boolean;
  pinned: boolean;
}

export type PersonAction = "pin" | "mute" | "stop-camera" | "make-moderator" | "remove";

interface Offered {
  action: PersonAction;
  label: (p: Person) => string;
  /** Only moderators may. */
  moderators: boolean;
  when: (p: Person) => boolean;
}

const offered: Offered[] = [
  { action: "pin", label: (p) => (p.pinned ? "No longer keep on stage" : "Keep on stage"), moderators: false, when: () => true },
  { action: "mute", label: () => "Mute", moderators: true, when: (p) => !p.self && !p.micMuted },
  { action: "stop-camera", label: () => "Stop camera", moderators: true, when: (p) => !p.self && !p.cameraOff },
  { action: "make-moderator", label: () => "Make moderator", moderators: true, when: (p) => !p.self && !p.moderator },
  { action: "remove", label: () => "Remove", moderators: true, when: (p) => !p.self },
];

/** In px, as in people.css. */
const rowHeight = 56;
const oneLine = 44;
const twoLines = 84;
const beyond = 4;
/** Fewer people are found without a search. */
const searchFrom = 8;

/** What is drawn of a person, and where: most of it stays while the list is scrolled. */
interface Row {
  element: HTMLElement;
  shown: string;
  place: string;
}

/**
 * The panel that lists everybody. Only the rows that can be seen exist; they
 * say how many there are, and which of them they are.
 */
export class People {
  readonly element: HTMLElement;
  readonly #list = h("ul", { class: "people-list", role: "list" });
  readonly #space = h("li", { class: "space", role: "presentation" });
  readonly #title: HTMLHeadingElement;
  readonly #search: HTMLInputElement;
  readonly #found = h("p", { class: "found", role: "status" });
  readonly #rows = new Map<string, Row>();
  #all: Person[] = [];
  #people: Person[] = [];
  #asModerator = false;
  /** Whose actions are open, and whom Tab reaches. */
  #open = "";
  #here = "";
  onAction: (id: string, action: PersonAction) => void = () => undefined;

  constructor(onClose: () => void, onInvite: () => void) {
    const title = uniqueId("people");
    this.#title = h("h2", { id: title }, "Participants");
    const close = h("button", { class: "plain", type: "button", "aria-label": "Close list of participants", onclick: onClose }, icon("close"));
    const invite = h("button", { class: "button wide", type: "button", onclick: onInvite }, icon("link"), "Copy the meeting's address");
    this.#search = h("input", { type: "search", placeholder: "Find somebody", "aria-label": "Find somebody by name", autocomplete: "off", hidden: true });
    this.#search.addEventListener("input", () => this.#filter());
    this.#search.addEventListener("keydown", (ev) => this.#onSearchKey(ev));
    this.#list.append(this.#space);
    this.#list.setAttribute("aria-labelledby", title);
    this.#list.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#list.addEventListener("keydown", (ev) => this.#onKey(ev));
    this.#list.addEventListener("focusin", (ev) => this.#onFocus(ev));
    new ResizeObserver(() => this.#draw()).observe(this.#list);
    this.element = h("aside", { class: "panel people-panel", "aria-labelledby": title }, h("header", {}, this.#title, close), invite, this.#search, this.#found, this.#list);
  }

  show(people: Person[], asModerator: boolean): void {
    this.#all = people;
    this.#asModerator = asModerator;
    this.#title.textContent = `Participants (${people.length})`;
    this.#search.hidden = people.length < searchFrom && this.#search.value === "";
    this.#filter();
  }

  /** Where the focus goes when the panel opens. */
  focus(byKeyboard: boolean): void {
    // Not the search for all: on a phone that would open the keyboard, and who uses a mouse wants keys to steer.
    const first = byKeyboard && !this.#search.hidden ? this.#search : this.element.querySelector<HTMLElement>("button");
    first?.focus();
  }

  #filter(): void {
    const query = this.#search.hidden ? "" : this.#search.value;
    this.#people = query.trim() ? this.#all.filter((p) => matches(p.name, query)) : this.#all;
    const n = this.#people.length;
    const text = !query.trim() ? "" : n === 0 ? `Nobody is called “${query.trim()}”` : `${n} found`;
    if (this.#found.textContent !== text) this.#found.textContent = text;
    this.#draw();
  }

  // Drawing.

  #viewport(): Viewport {
    const open = this.#people.findIndex((p) => p.id === this.#open);
    const { scrollTop, clientHeight } = this.#list;
    return { scrollTop, height: clientHeight, rowHeight, count: this.#people.length, open, extra: this.#extra(this.#people[open]), beyond };
  }

  /** Room for what can be done about a person: more than two buttons take two lines. */
  #extra(p: Person | undefined): number {
    return p && this.#possible(p).length > 2 ? twoLines : oneLine;
  }

  #possible(p: Person): Offered[] {
    return offered.filter((o) => (this.#asModerator || !o.moderators) && o.when(p));
  }

  #draw(): void {
    if (!this.element.isConnected) return;
    const v = this.#viewport();
    this.#space.style.height = `${totalHeight(v)}px`;
    const { first, end } = visibleRows(v);
    const shown = new Set<number>();
    for (let i = first; i < end; i++) shown.add(i);
    const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>(".people-list > [data-id]")?.dataset["id"];
    // A row with the focus stays, wherever it is scrolled to.
    const kept = focused === undefined ? -1 : this.#people.findIndex((p) => p.id === focused);
    if (kept >= 0) shown.add(kept);
    if (!this.#people.some((p) => p.id === this.#here)) this.#here = this.#people[0]?.id ?? "";
    const ids = new Set([...shown].map((i) => this.#people[i]!.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    let after: Element = this.#space;
    for (const i of [...shown].sort((a, b) => a - b)) after = this.#row(v, i, after);
  }

  /** Draws a row behind another one, which is also the order it is read in. */
  #row(v: Viewport, i: number, after: Element): HTMLElement {
    const p = this.#people[i]!;
    let row = this.#rows.get(p.id);
    if (!row) this.#rows.set(p.id, (row = { element: h("li", { role: "listitem", "data-id": p.id }), shown: "", place: "" }));
    const { element } = row;
    this.#placeRow(v, i, row, p.id === this.#here);
    const text = JSON.stringify([p, this.#asModerator, this.#open === p.id, p.id === this.#here]);
    if (row.shown !== text) {
      row.shown = text;
      this.#fillRow(element, p);
    }
    if (after.nextElementSibling !== element) after.after(element);
    return element;
  }

  #placeRow(v: Viewport, i: number, row: Row, here: boolean): void {
    const [top, height] = [rowTop(v, i), rowHeight + (v.open === i ? v.extra : 0)];
    const place = `${i} ${v.count} ${top} ${height} ${here}`;
    if (row.place === place) return;
    row.place = place;
    const { element } = row;
    element.style.transform = `translateY(${top}px)`;
    element.style.height = `${height}px`;
    setProps(element, { "aria-setsize": v.count, "aria-posinset": i + 1, tabindex: here ? 0 : -1 });
  }

  #fillRow(element: HTMLElement, p: Person): void {
    const focused = element.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset["focus"] : undefined;
    const open = this.#open === p.id;
    toggleClass(element, "opened", open);
    const avatar = h("span", { class: "avatar small", "aria-hidden": "true" }, initials(p.name));
    avatar.style.setProperty("--hue", String(hue(p.id)));
    const name = h("span", { class: "who" }, h("span", { class: "name" }, p.self ? `${p.name} (you)` : p.name), p.moderator && h("span", { class: "role" }, "Moderator"));
    const state = h(
      "span",
      { class: "state" },
      p.pinned && sign("pin", "kept on stage"),
      p.handUp && sign("hand", "hand raised"),
      sign(p.micMuted ? "micOff" : "mic", p.micMuted ? "microphone off" : "microphone on"),
      sign(p.cameraOff ? "cameraOff" : "camera", p.cameraOff ? "camera off" : "camera on"),
    );
    fill(element, avatar, name, h("span", { class: "row" }, state, this.#more(p, open)), open && this.#actions(p));
    if (focused === undefined) return;
    // What can be done no longer has no button any more; the person's own is the nearest.
    const find = (what: string): HTMLElement | null => element.querySelector(`[data-focus="${CSS.escape(what)}"]`);
    (find(focused) ?? find(p.id))?.focus();
  }

  #more(p: Person, open: boolean): HTMLElement {
    const props = { "aria-label": `What you can do about ${p.name}`, "aria-expanded": String(open), "data-focus": p.id, tabindex: p.id === this.#here ? 0 : -1 };
    return h("button", { type: "button", class: "plain", ...props, onclick: () => this.#toggle(p.id) }, icon("more"));
  }

  #toggle(id: string): void {
    this.#open = this.#open === id ? "" : id;
    this.#draw();
  }

  #actions(p: Person): HTMLElement {
    return h("div", { class: "actions" }, this.#possible(p).map((o) => this.#action(p, o)));
  }

  #action(p: Person, o: Offered): HTMLElement {
    const label = o.label(p);
    const props = { "data-focus": `${p.id} ${o.action}`, "aria-label": `${label}: ${p.name}` };
    return h("button", { type: "button", class: "button small", ...props, onclick: () => this.onAction(p.id, o.action) }, label);
  }

  // The keyboard.

  #onFocus(ev: FocusEvent): void {
    const id = (ev.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset["id"];
    if (!id || id === this.#here) return;
    this.#here = id;
    this.#draw();
  }

  #onSearchKey(ev: KeyboardEvent): void {
    if (ev.key === "ArrowDown") this.#go(0);
    else if (ev.key === "Escape" && this.#search.value) {
      this.#search.value = "";
      this.#filter();
    } else return;
    ev.preventDefault();
    ev.stopPropagation();
  }

  /** Rows are walked with arrows; Enter opens what can be done. */
  #onKey(ev: KeyboardEvent): void {
    const target = ev.target as HTMLElement;
    const page = Math.max(1, Math.floor(this.#list.clientHeight / rowHeight) - 1);
    const at = this.#people.findIndex((p) => p.id === this.#here);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.#people.length - 1 }[ev.key];
    if (to !== undefined) this.#go(to);
    else if ((ev.key === "Enter" || ev.key === " ") && target.dataset["id"]) this.#toggle(target.dataset["id"]);
    else return;
    ev.preventDefault();
    ev.stopPropagation();
  }

  /** Moves the focus to a row, which may have to be drawn first. */
  #go(to: number): void {
    const i = Math.max(0, Math.min(this.#people.length - 1, to));
    const p = this.#people[i];
    if (!p) return;
    const v = this.#viewport();
    const [top, height] = [rowTop(v, i), rowHeight + (v.open === i ? v.extra : 0)];
    if (top < v.scrollTop) this.#list.scrollTop = top;
    else if (top + height > v.scrollTop + v.height) this.#list.scrollTop = top + height - v.height;
    this.#here = p.id;
    this.#draw();
    this.#rows.get(p.id)?.element.focus({ preventScroll: true });
  }
}

function sign(name: "hand" | "mic" | "micOff" | "camera" | "cameraOff" | "pin", text: string): HTMLElement {
  return h("span", { class: `sign ${name}` }, icon(name), h("span", { class: "sr-only" }, text));
}
