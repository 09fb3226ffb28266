import { fill, h, setProps } from "./dom";
import { icon } from "./icons";

/** More pages have no dots: nobody counts them. */
const mostDots = 13;

/** The buttons that turn pages, and where one is. */
export class Pager {
  readonly element: HTMLElement;
  readonly #text = h("span", { class: "page-text", "aria-live": "polite" });
  readonly #dots = h("span", { class: "dots", "aria-hidden": "true" });
  readonly #back: HTMLButtonElement;
  readonly #on: HTMLButtonElement;
  #shown = "";

  constructor(turn: (by: number) => void) {
    this.#back = h("button", { type: "button", class: "plain", "aria-label": "Previous page", title: "Previous page (Page Up)", onclick: () => turn(-1) }, icon("back"));
    this.#on = h("button", { type: "button", class: "plain", "aria-label": "Next page", title: "Next page (Page Down)", onclick: () => turn(1) }, icon("on"));
    this.element = h("nav", { class: "pager", "aria-label": "Pages of participants", hidden: true }, this.#back, h("span", { class: "where" }, this.#text, this.#dots), this.#on);
  }

  /** `page` counts from 0. Compact ones stand beside a strip. */
  show(page: number, pages: number, compact: boolean): void {
    const state = `${page} ${pages} ${compact}`;
    if (state === this.#shown) return;
    this.#shown = state;
    this.element.hidden = pages < 2;
    // Not disabled: a button that is disabled while it has the focus loses it.
    setProps(this.#back, { "aria-disabled": String(page === 0) });
    setProps(this.#on, { "aria-disabled": String(page >= pages - 1) });
    this.#text.textContent = compact ? `${page + 1} / ${pages}` : `Page ${page + 1} of ${pages}`;
    setProps(this.#text, { "aria-label": `Page ${page + 1} of ${pages}` });
    const dots = compact || pages > mostDots ? 0 : pages;
    fill(this.#dots, Array.from({ length: dots }, (_, i) => h("i", { class: i === page ? "here" : "" })));
  }
}
