import { isWriting } from "./dom";

export interface Shortcut {
  key: string;
  /** How it is written in the help. */
  label: string;
  what: string;
  run: () => void;
  /** Only while the focus is on nothing: elsewhere the key does something else. */
  onPageOnly?: boolean;
}

/** Keys as Jitsi users know them. Space held down talks; see `hold`. */
export class Shortcuts {
  readonly #byKey = new Map<string, Shortcut>();
  #held = false;

  constructor(
    readonly list: Shortcut[],
    readonly hold: { start: () => void; end: () => void },
  ) {
    for (const s of list) this.#byKey.set(s.key, s);
  }

  /** Listens until the signal aborts. */
  listen(signal: AbortSignal): void {
    document.addEventListener("keydown", (ev) => this.#down(ev), { signal });
    document.addEventListener("keyup", (ev) => this.#up(ev), { signal });
    window.addEventListener("blur", () => this.#release(), { signal });
  }

  help(): [string, string][] {
    const unique = this.list.filter((s) => s.label !== "");
    return [...unique.map((s): [string, string] => [s.label, s.what]), ["Space", "Hold to talk while muted"]];
  }

  #down(ev: KeyboardEvent): void {
    if (ev.ctrlKey || ev.metaKey || ev.altKey || ev.isComposing || document.querySelector("dialog[open]")) return;
    if (isWriting(ev.target) && ev.key !== "Escape") return;
    if (ev.key === " ") return this.#space(ev);
    const s = this.#byKey.get(ev.key.toLowerCase());
    if (!s || ev.repeat || (s.onPageOnly && ev.target !== document.body)) return;
    ev.preventDefault();
    s.run();
  }

  /** On a button, Space presses the button. */
  #space(ev: KeyboardEvent): void {
    if (ev.target instanceof HTMLElement && ev.target.closest("button, a, [role=button], summary")) return;
    ev.preventDefault();
    if (ev.repeat || this.#held) return;
    this.#held = true;
    this.hold.start();
  }

  #up(ev: KeyboardEvent): void {
    if (ev.key === " ") this.#release();
  }

  #release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.hold.end();
  }
}
