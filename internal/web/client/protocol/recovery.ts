import type { MediaState, Session } from "./session";

/** Times of a recovery in ms; tests shorten them. */
export const recoveryTiming = {
  /** How long media may be interrupted, as the browser sees it after five seconds of silence, before anything is done. */
  patience: 1_000,
  /** How long an ICE restart may take. */
  restart: 8_000,
  /** The focus refuses a second restart within five seconds. */
  interval: 5_500,
};

/** What a recovery needs of a session. */
export type Recoverable = Pick<Session, "state" | "requestRestart">;

/**
 * Brings a session's media back when its path breaks: by an ICE restart within
 * the session, and when that does not help, by giving the session up.
 *
 * It sees an interruption after a few seconds, of which the browser makes a
 * failure much later; and it is told when the network comes back, upon which a
 * new path is looked for at once. While the old one works, that costs nothing.
 */
export class Recovery {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #restarting = false;
  #tried = false;
  #last = 0;
  #closed = false;

  /** Call give up to end the session and ask for another. */
  constructor(
    readonly session: Recoverable,
    readonly allowed: boolean,
    readonly giveUp: (why: string) => void,
  ) {}

  /** Call it with every state of the session. */
  onState(s: MediaState): void {
    if (this.#closed) return;
    if (s === "connected") this.#stop();
    if (s === "interrupted" && !this.#restarting && this.allowed) this.#timer ??= setTimeout(() => void this.#restart(), recoveryTiming.patience);
    if (s !== "failed" || this.#restarting) return;
    if (this.#tried || !this.allowed) this.#giveUp();
    else void this.#restart();
  }

  /** Call it when the network has changed or come back. */
  networkChanged(): void {
    if (this.allowed && !this.#restarting && this.session.state !== "connecting") void this.#restart();
  }

  close(): void {
    this.#stop();
    this.#closed = true;
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#restarting = this.#tried = false;
  }

  #giveUp(): void {
    this.#stop();
    this.giveUp("ICE FAILED");
  }

  async #restart(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#closed) return;
    const early = this.#last + recoveryTiming.interval - Date.now();
    if (early > 0) {
      this.#timer = setTimeout(() => void this.#restart(), early);
      return;
    }
    this.#restarting = this.#tried = true;
    this.#last = Date.now();
    try {
      await this.session.requestRestart();
    } catch {
      this.#failed();
      return;
    }
    if (this.#closed) return;
    if (this.session.state === "connected") this.#stop(); // the old path works: if it breaks yet, that is a new interruption
    else if (this.#restarting) this.#timer = setTimeout(() => this.#failed(), recoveryTiming.restart);
  }

  #failed(): void {
    if (this.#closed || this.session.state === "connected") this.#stop();
    else this.#giveUp();
  }
}
