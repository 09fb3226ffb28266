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
  /** The bridge does not send this picture now, though there is one. */
  paused: boolean;
  /** Shown when it is a data URL: pictures elsewhere would tell others our address. */
  avatarUrl: string;
}

/** One rectangle of the meeting: a person or a screen. */
export class Tile {
  readonly element: HTMLElement;
  readonly video = h("video", { autoplay: true, playsinline: true, muted: true, "aria-hidden": "true", tabindex: -1 });
  readonly #avatar = h("div", { class: "avatar", "aria-hidden": "true" });
  readonly #label = h("div", { class: "label" });
  readonly #pin: HTMLButtonElement;
  #track: MediaStreamTrack | null = null;
  #shown = "";

  constructor(
    /** Source name, such as "0a1b2c3d-v0". */
    readonly key: string,
    onPin: (key: string) => void,
  ) {
    this.#pin = h("button", { type: "button", class: "plain pin", onclick: () => onPin(key) }, icon("pin"));
    this.element = h("div", { class: "tile", "data-key": key }, this.#avatar, this.video, this.#label, this.#pin);
    this.element.addEventListener("dblclick", () => onPin(key));
    this.#avatar.style.setProperty("--hue", String(hue(key.slice(0, 8))));
    this.video.muted = true;
  }

  update(s: TileState): void {
    this.#setTrack(s.video);
    const text = JSON.stringify({ ...s, video: s.video?.id });
    if (text === this.#shown) return;
    this.#shown = text;
    toggleClass(this.element, "speaking", s.speaking);
    toggleClass(this.element, "self", s.self && !s.desktop);
    toggleClass(this.element, "desktop", s.desktop);
    toggleClass(this.element, "has-video", s.video !== null);
    toggleClass(this.element, "paused", s.paused);
    toggleClass(this.element, "pinned", s.pinned);
    setProps(this.element, { "aria-label": describe(s) });
    setProps(this.#pin, { "aria-label": s.pinned ? `Unpin ${s.name}` : `Pin ${s.name} large`, "aria-pressed": String(s.pinned), title: s.pinned ? "Unpin" : "Pin" });
    fill(this.#avatar, s.avatarUrl.startsWith("data:image/") ? h("img", { src: s.avatarUrl, alt: "" }) : initials(s.name));
    fill(
      this.#label,
      s.desktop && icon("screen"),
      !s.desktop && s.micMuted && icon("micOff"),
      s.handUp && h("span", { class: "hand", title: "Hand raised" }, icon("hand")),
      h("span", { class: "name" }, labelText(s)),
    );
  }

  #setTrack(track: MediaStreamTrack | null): void {
    if (track === this.#track) return;
    this.#track = track;
    this.video.srcObject = track ? new MediaStream([track]) : null;
    // A browser may refuse to play before the first click; muted video it does not.
    if (track) void this.video.play().catch(() => undefined);
  }

  remove(): void {
    this.#setTrack(null);
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
  return parts.join(", ");
}
