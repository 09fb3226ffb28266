import type { RemoteTrack } from "../protocol";

/** Plays the others' audio: one element a track, out of sight. */
export class Sound {
  readonly element = document.createElement("div");
  readonly #players = new Map<string, HTMLAudioElement>();
  #speaker = "";
  #silent = false;
  /** The browser wants a click before it plays anything. */
  onBlocked: () => void = () => undefined;

  constructor() {
    this.element.hidden = true;
  }

  add(t: RemoteTrack): void {
    const audio = document.createElement("audio");
    audio.autoplay = true;
    audio.srcObject = new MediaStream([t.track]);
    this.#players.set(t.source.name, audio);
    this.element.append(audio);
    void this.#route(audio);
    void this.#play(audio);
  }

  remove(name: string): void {
    const audio = this.#players.get(name);
    this.#players.delete(name);
    if (!audio) return;
    audio.srcObject = null;
    audio.remove();
  }

  /** Sends all sound to another output device. */
  useSpeaker(id: string): void {
    this.#speaker = id;
    for (const a of this.#players.values()) void this.#route(a);
  }

  /** Tries again after a click; the browser allows it then. */
  resume(): void {
    this.#silent = false;
    for (const a of this.#players.values()) void this.#play(a);
  }

  async #play(audio: HTMLAudioElement): Promise<void> {
    try {
      await audio.play();
    } catch (err) {
      if (!(err instanceof Error) || err.name !== "NotAllowedError" || this.#silent) return;
      this.#silent = true;
      this.onBlocked();
    }
  }

  async #route(audio: HTMLAudioElement): Promise<void> {
    const routable = audio as HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> };
    try {
      if (this.#speaker) await routable.setSinkId?.(this.#speaker);
    } catch {
      // The device is gone; the default one plays.
    }
  }
}
