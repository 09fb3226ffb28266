import { fill, h, setProps, toggleClass } from "./dom";
import { icon, type IconName } from "./icons";

interface ButtonState {
  icon: IconName;
  /** What it does when pressed now. */
  label: string;
  /** Whether what it stands for is on: to be seen only, since the label says it too. */
  active?: boolean;
  /** Drawn as something missing. */
  off?: boolean;
  badge?: number;
}

export type ToolName = "mic" | "camera" | "screen" | "hand" | "chat" | "people" | "tiles" | "quality" | "settings" | "more" | "leave";

const keys: Partial<Record<ToolName, string>> = { mic: "M", camera: "V", screen: "D", hand: "R", chat: "C", people: "P", tiles: "W", quality: "A" };

/** The row of buttons under a meeting. */
export class Toolbar {
  readonly element = h("div", { class: "toolbar", role: "toolbar", "aria-label": "Meeting controls" });
  readonly #buttons = new Map<ToolName, HTMLButtonElement>();

  constructor(names: ToolName[], onPress: (name: ToolName, byKeyboard: boolean) => void) {
    for (const name of names) {
      const press = (ev: MouseEvent): void => {
        onPress(name, ev.detail === 0);
        // After a mouse click Space should talk, not press the button again.
        if (ev.detail > 0) this.#buttons.get(name)?.blur();
      };
      const button = h("button", { type: "button", class: `tool ${name}`, "data-tool": name, onclick: press });
      this.#buttons.set(name, button);
      this.element.append(button);
    }
    this.element.addEventListener("keydown", (ev) => this.#arrow(ev));
  }

  /** Buttons that there is no room for, with what they say. */
  get hidden(): [ToolName, string][] {
    return [...this.#buttons].flatMap(([name, b]) => (b.offsetParent === null ? [[name, b.getAttribute("aria-label") ?? ""]] : []));
  }

  set(name: ToolName, s: ButtonState): void {
    const button = this.#buttons.get(name);
    if (!button) return;
    const key = keys[name];
    const text = JSON.stringify(s);
    if (button.dataset["state"] === text) return;
    button.dataset["state"] = text;
    setProps(button, {
      "aria-label": s.badge ? `${s.label} (${s.badge} new)` : s.label,
      "aria-keyshortcuts": key,
    });
    toggleClass(button, "off", s.off ?? false);
    toggleClass(button, "active", (s.active ?? false) && !s.off);
    fill(
      button,
      icon(s.icon),
      s.badge ? h("span", { class: "badge", "aria-hidden": "true" }, String(Math.min(99, s.badge))) : undefined,
      h("span", { class: "tip", "aria-hidden": "true" }, key ? `${s.label} (${key})` : s.label),
    );
  }

  /** Arrow keys move along a toolbar (ARIA Authoring Practices). */
  #arrow(ev: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[ev.key];
    if (!step) return;
    const all = [...this.#buttons.values()].filter((b) => b.offsetParent !== null);
    const i = all.indexOf(document.activeElement as HTMLButtonElement);
    if (i < 0) return;
    ev.preventDefault();
    all[(i + step + all.length) % all.length]!.focus();
  }
}
