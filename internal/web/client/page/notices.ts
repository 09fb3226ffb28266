import { fill, h } from "./dom";
import { icon } from "./icons";

const shownFor = 5_000;
/** So many pieces of news at once; older ones give way. */
const mostNews = 3;

/**
 * Short messages: news in the corner, errors and lasting states on top. They
 * are read out by screen readers, news politely, the rest at once. Errors
 * stay until they are closed.
 */
export class Notices {
  readonly element = h("div", {});
  readonly #top = h("div", { class: "notices" });
  readonly #corner = h("div", { class: "notices news" });
  readonly #polite = h("div", { class: "sr-only", role: "status", "aria-live": "polite" });
  readonly #urgent = h("div", { class: "sr-only", role: "alert" });
  readonly #sticky = new Map<string, HTMLElement>();

  constructor() {
    this.element.append(this.#polite, this.#urgent, this.#top, this.#corner);
  }

  /** News that goes away by itself. */
  say(text: string): void {
    fill(this.#polite, text);
    const box = this.#box(this.#corner, text, "notice");
    while (this.#corner.childElementCount > mostNews) this.#corner.firstElementChild?.remove();
    setTimeout(() => box.remove(), shownFor);
  }

  /** Only for screen readers: what others see anyway. */
  announce(text: string): void {
    fill(this.#polite, text);
  }

  error(text: string): void {
    fill(this.#urgent, text);
    this.#box(this.#top, text, "notice error");
  }

  /** A state that lasts: shown until cleared. */
  hold(name: string, text: string): void {
    if (this.#sticky.get(name)?.dataset["text"] === text) return;
    this.clear(name);
    fill(this.#urgent, text);
    const box = h("div", { class: "notice sticky", "data-text": text }, h("span", { class: "spinner", "aria-hidden": "true" }), h("span", {}, text));
    this.#sticky.set(name, box);
    this.#top.append(box);
  }

  clear(name: string): void {
    if (this.#sticky.has(name)) fill(this.#urgent);
    this.#sticky.get(name)?.remove();
    this.#sticky.delete(name);
  }

  #box(where: HTMLElement, text: string, className: string): HTMLElement {
    const box = h("div", { class: className }, h("span", {}, text));
    const close = h("button", { class: "plain", type: "button", "aria-label": "Dismiss this message", onclick: () => box.remove() }, icon("close"));
    box.append(close);
    where.append(box);
    return box;
  }
}
