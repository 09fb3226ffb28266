import type { SessionStats } from "../protocol";
import { strained } from "./connection";

/** ms between two looks at the clock. */
const every = 100;

/**
 * Watches whether this device keeps up: a timer that fires late shows that the
 * page had no time, and the statistics that there was none for pictures.
 */
export class Effort {
  #last = 0;
  #late = 0;
  #since = 0;
  #frames = { received: 0, decoded: 0 };
  #strained = false;
  /** Twice in a row: one bad moment, as when a meeting begins, is nothing. */
  slow = false;

  /** Watches until the signal aborts. */
  listen(signal: AbortSignal): void {
    this.#begin(performance.now());
    const timer = setInterval(() => this.#tick(performance.now()), every);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  #begin(now: number): void {
    [this.#since, this.#last, this.#late] = [now, now, 0];
  }

  #tick(now: number): void {
    // Timers of hidden pages are late on purpose.
    if (document.hidden) return this.#begin(now);
    this.#late += Math.max(0, now - this.#last - every);
    this.#last = now;
  }

  /** Judges the time since the last call, by the statistics of now and the loss on our way, in percent. */
  take(s: SessionStats, loss: number): void {
    const now = performance.now();
    this.#tick(now);
    const sum = { received: 0, decoded: 0 };
    for (const r of s.received) {
      sum.received += r.framesReceived;
      sum.decoded += r.framesDecoded;
    }
    const [received, decoded] = [sum.received - this.#frames.received, sum.decoded - this.#frames.decoded];
    this.#frames = sum;
    const before = this.#strained;
    const limited = s.sent.some((x) => x.active && x.limitedBy === "cpu");
    this.#strained = strained({ received, decoded, limited, late: this.#late / Math.max(1, now - this.#since), loss });
    this.slow = before && this.#strained;
    this.#begin(now);
  }
}
