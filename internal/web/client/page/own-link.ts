import type { Connection } from "./connection";
import { h, setProps } from "./dom";

/** ms that a state must last before it is told: numbers tremble. */
const settle = 5_000;

/**
 * Says on top of the page what ails our own connection, wherever our tile is.
 * There is nothing while it is good. A press shows the whole sentence.
 */
export class OwnLink {
  readonly #text = h("b", { class: "words" });
  readonly #bars = h("i", { class: "bars", "aria-hidden": "true" }, h("span"), h("span"), h("span"));
  readonly element = h(
    "button",
    { type: "button", class: "own-link", hidden: true, onclick: () => this.onPress(this.#text.textContent ?? "") },
    this.#bars,
    this.#text,
  );
  #bad = false;
  #told = false;
  #since = 0;
  onPress: (text: string) => void = () => undefined;

  /** Shows it, and returns a sentence for those who do not see it; mostly "". */
  show(c: Connection, now: number): string {
    const bad = c.bars > 0 && c.bars < 3;
    if (bad !== this.#bad) [this.#bad, this.#since] = [bad, now];
    const lasts = now - this.#since >= settle;
    this.element.hidden = !bad || !lasts;
    if (bad) this.#say(c);
    if (bad === this.#told || !lasts) return "";
    this.#told = bad;
    return bad ? `Your connection: ${c.text}` : "Your connection is good again";
  }

  #say(c: Connection): void {
    this.#bars.dataset["bars"] = String(c.bars);
    if (this.#text.textContent === c.text) return;
    this.#text.textContent = c.text;
    setProps(this.element, { "aria-label": `Your connection: ${c.text}`, title: c.text });
  }
}
