import type { Connection } from "./connection";
import { fill, h, setProps, toggleClass } from "./dom";
import { icon } from "./icons";
import { hue, initials } from "./words";

/** What a tile shows. */
export interface TileState {
  name: string;
  /** Ours is mirrored and says so. */
  self: boolean;
  desktop: boolean;
  video: MediaStreamTrack | null;
  micMuted: boolean;
  speaking: boolean;
  handUp: boolean;
  pinned: boolean;
  /** Why the picture stands still though there is one; "" while it does not. */
  paused: string;
  connection: Connection;
  /** Shown when it is a data URL: pictures elsewhere would tell others our address. */
  avatarUrl: string;
}

/** What somebody does with a tile. */
export interface TileActions {
  pin(key: string): void;
}

/**
 * One rectangle of the meeting: a person or a screen. It can be given another
 * key later: video elements are costly to make, and pages are turned often.
 */
export class Tile {
  readonly element: HTMLElement;
  readonly video = h("video", { autoplay: true, playsinline: true, muted: true, "aria-hidden": "true", tabindex: -1 });
  readonly #avatar = h("div", { class: "avatar", "aria-hidden": "true" });
  readonly #label = h("div", { class: "label" });
  readonly #pin: HTMLButtonElement;
  readonly #bars = h("button", { type: "button", class: "plain bars", tabindex: -1 }, h("span"), h("span"), h("span"));
  readonly #bubble = h("p", { class: "bubble", role: "status", hidden: true });
  readonly #paused = h("p", { class: "why", hidden: true });
  #key = "";
  #track: MediaStreamTrack | null = null;
  #shown = "";

  constructor(actions: TileActions) {
    this.#pin = h("button", { type: "button", class: "plain pin", tabindex: -1, onclick: () => actions.pin(this.#key) }, icon("pin"));
    this.element = h("div", { class: "tile", tabindex: -1 }, this.#avatar, this.video, this.#paused, this.#label, this.#bubble, this.#bars, this.#pin);
    this.element.addEventListener("dblclick", (ev) => this.#isSurface(ev) && !this.#inStrip() && actions.pin(this.#key));
    this.element.addEventListener("click", (ev) => this.#isSurface(ev) && this.#inStrip() && actions.pin(this.#key));
    this.#bars.addEventListener("click", () => this.#explain(this.#bubble.hidden));
    this.element.addEventListener("focusout", () => this.#explain(false));
    this.element.addEventListener("mouseleave", () => this.#explain(false));
    // A picture that has not come yet is no reason to hide who it will be of.
    for (const name of ["loadeddata", "emptied"]) this.video.addEventListener(name, () => this.#showVideo());
    this.video.muted = true;
  }

  /** Source name, such as "0a1b2c3d-v0". */
  get key(): string {
    return this.#key;
  }

  /** Makes it the tile of something else. */
  become(key: string): void {
    if (key === this.#key) return;
    this.#key = key;
    this.#shown = "";
    this.#setTrack(null);
    this.#explain(false);
    this.element.dataset["key"] = key;
    this.#avatar.style.setProperty("--hue", String(hue(key.slice(0, 8))));
  }

  /** One tile of a grid is reached with Tab, the others from there with arrows. */
  reachable(on: boolean): void {
    const index = on ? 0 : -1;
    for (const e of [this.element, this.#pin, this.#bars]) e.tabIndex = index;
  }

  update(s: TileState): void {
    this.#setTrack(s.video);
    const text = JSON.stringify({ ...s, video: s.video?.id });
    if (text === this.#shown) return;
    this.#shown = text;
    const classes: [string, boolean][] = [
      ["speaking", s.speaking], ["self", s.self && !s.desktop], ["desktop", s.desktop], ["paused", s.paused !== ""], ["pinned", s.pinned],
    ];
    for (const [name, on] of classes) toggleClass(this.element, name, on);
    setProps(this.element, { "aria-label": describe(s) });
    const pin = s.pinned ? "No longer keep on stage" : "Keep on stage";
    setProps(this.#pin, { "aria-label": `${pin}: ${labelText(s)}`, title: pin });
    this.#showConnection(s);
    fill(this.#avatar, s.avatarUrl.startsWith("data:image/") ? h("img", { src: s.avatarUrl, alt: "" }) : initials(s.name));
    fill(
      this.#label,
      s.desktop && icon("screen"),
      !s.desktop && s.micMuted && icon("micOff"),
      s.handUp && h("span", { class: "hand", title: "Hand raised" }, icon("hand")),
      h("span", { class: "name" }, labelText(s)),
    );
  }

  #showConnection(s: TileState): void {
    const { bars, text } = s.connection;
    this.#bars.dataset["bars"] = String(bars);
    setProps(this.#bars, { "aria-label": `Connection of ${s.self ? `${s.name} (you)` : s.name}: ${text}`, title: text });
    this.#bubble.textContent = text;
    // Small tiles have room for what is, not for why: the sign tells that.
    const [what = "", why] = s.paused.split(": ");
    fill(this.#paused, what, why && h("span", { class: "reason" }, `: ${why}`));
    this.#paused.hidden = s.paused === "";
  }

  #explain(on: boolean): void {
    this.#bubble.hidden = !on;
  }

  #isSurface(ev: Event): boolean {
    return !(ev.target as Element).closest("button");
  }

  #inStrip(): boolean {
    return this.element.closest(".tiles.staged .grid") !== null;
  }

  #setTrack(track: MediaStreamTrack | null): void {
    if (track === this.#track) return;
    this.#track = track;
    this.video.srcObject = track ? new MediaStream([track]) : null;
    this.#showVideo();
    // A browser may refuse to play before the first click; muted video it does not.
    if (track) void this.video.play().catch(() => undefined);
  }

  #showVideo(): void {
    toggleClass(this.element, "has-video", this.#track !== null && this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
  }

  /** Takes it off the page; nothing is decoded for it any more. It can become another. */
  detach(): void {
    this.#setTrack(null);
    this.#key = "";
    this.reachable(false);
    this.element.remove();
  }
}

function labelText(s: TileState): string {
  if (s.desktop) return s.self ? "Your screen" : `${s.name}'s screen`;
  return s.self ? `${s.name} (you)` : s.name;
}

function describe(s: TileState): string {
  const parts = [labelText(s)];
  if (!s.desktop) parts.push(s.micMuted ? "microphone off" : "microphone on", s.video ? "camera on" : "camera off");
  if (s.handUp) parts.push("hand raised");
  if (s.paused) parts.push(s.paused);
  if (s.pinned) parts.push("kept on stage");
  return parts.join(", ");
}
