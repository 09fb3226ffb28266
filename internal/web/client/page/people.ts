import { fill, h, uniqueId } from "./dom";
import { icon } from "./icons";
import { hue, initials } from "./words";

/** One line of the list. */
export interface Person {
  id: string;
  name: string;
  self: boolean;
  moderator: boolean;
  micMuted: boolean;
  cameraOff: boolean;
  handUp: boolean;
}

export type PersonAction = "mute" | "stop-camera" | "make-moderator" | "remove";

const actions: [PersonAction, string, (p: Person) => boolean][] = [
  ["mute", "Mute", (p) => !p.micMuted],
  ["stop-camera", "Stop camera", (p) => !p.cameraOff],
  ["make-moderator", "Make moderator", (p) => !p.moderator],
  ["remove", "Remove", () => true],
];

/** The panel that lists everybody. */
export class People {
  readonly element: HTMLElement;
  readonly #list = h("ul", { class: "people-list" });
  readonly #title: HTMLHeadingElement;
  #shown = "";
  /** Whose actions are open. */
  #open = "";
  onAction: (id: string, action: PersonAction) => void = () => undefined;

  constructor(onClose: () => void, onInvite: () => void) {
    const title = uniqueId("people");
    this.#title = h("h2", { id: title }, "Participants");
    const close = h("button", { class: "plain", type: "button", "aria-label": "Close list of participants", onclick: onClose }, icon("close"));
    const invite = h("button", { class: "button wide", type: "button", onclick: onInvite }, icon("link"), "Copy the meeting's address");
    this.element = h("aside", { class: "panel people-panel", "aria-labelledby": title }, h("header", {}, this.#title, close), invite, this.#list);
  }

  show(people: Person[], asModerator: boolean): void {
    const text = JSON.stringify([people, asModerator, this.#open]);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#title.textContent = `Participants (${people.length})`;
    const focused = (document.activeElement as HTMLElement | null)?.dataset["focus"];
    fill(this.#list, people.map((p) => this.#line(p, asModerator && !p.self, () => this.show(people, asModerator))));
    if (!focused) return;
    // What can be done no longer has no button any more; the person's own is the nearest.
    const find = (name: string): HTMLElement | null => this.#list.querySelector(`[data-focus="${CSS.escape(name)}"]`);
    (find(focused) ?? find(focused.split(" ")[0]!))?.focus();
  }

  #line(p: Person, withActions: boolean, again: () => void): HTMLElement {
    const avatar = h("span", { class: "avatar small", "aria-hidden": "true" }, initials(p.name));
    avatar.style.setProperty("--hue", String(hue(p.id)));
    const name = h("span", { class: "who" }, h("span", { class: "name" }, p.self ? `${p.name} (you)` : p.name), p.moderator && h("span", { class: "role" }, "Moderator"));
    const state = h(
      "span",
      { class: "state" },
      p.handUp && sign("hand", "hand raised"),
      sign(p.micMuted ? "micOff" : "mic", p.micMuted ? "microphone off" : "microphone on"),
      sign(p.cameraOff ? "cameraOff" : "camera", p.cameraOff ? "camera off" : "camera on"),
    );
    const open = withActions && this.#open === p.id;
    return h("li", { "data-id": p.id }, avatar, name, h("span", { class: "row" }, state, withActions && this.#more(p, open, again)), open && this.#actions(p));
  }

  #more(p: Person, open: boolean, again: () => void): HTMLElement {
    const toggle = (): void => {
      this.#open = open ? "" : p.id;
      again();
    };
    const label = `What you can do about ${p.name}`;
    return h("button", { type: "button", class: "plain", "aria-label": label, "aria-expanded": String(open), "data-focus": p.id, onclick: toggle }, icon("more"));
  }

  #actions(p: Person): HTMLElement {
    const possible = actions.filter(([, , when]) => when(p));
    return h(
      "div",
      { class: "actions" },
      possible.map(([action, label]) =>
        h(
          "button",
          { type: "button", class: "button small", "data-focus": `${p.id} ${action}`, "aria-label": `${label}: ${p.name}`, onclick: () => this.onAction(p.id, action) },
          label,
        ),
      ),
    );
  }
}

function sign(name: "hand" | "mic" | "micOff" | "camera" | "cameraOff", text: string): HTMLElement {
  return h("span", { class: `sign ${name}` }, icon(name), h("span", { class: "sr-only" }, text));
}
