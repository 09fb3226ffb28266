import type { Conference, ReceiveConstraints, SessionStats } from "../protocol";
import { bitsFor, lossOf, noticeable, ofOther, ofOwn, ownLoss, since, theirLoss, type Connection, type Count } from "./connection";
import { Effort } from "./effort";

/** ms between two readings of the statistics. */
const every = 3_000;
/** ms that a picture may take to come before we say that it does not. */
const patience = 4_000;
/** ms after which what somebody told of themselves is old. */
const longestTold = 35_000;

/** What somebody tells of themselves; losses in percent. */
interface Told {
  download: number;
  upload: number;
  quality: number;
  sends: number;
  at: number;
}

/** Gathers what is known of everybody's connection. */
export class Links {
  readonly #told = new Map<string, Told>();
  readonly #silent = new Set<string>();
  readonly #asked = new Map<string, { height: number; since: number }>();
  #counts = new Map<number, Count>();
  #loss = new Map<string, number | undefined>();
  #got = new Map<string, number>();
  readonly #effort = new Effort();
  #downlink = 0;
  #busy = false;
  #needed = 0;
  #own = { known: false, lossIn: 0, lossOut: 0, rtt: 0 };

  constructor(
    readonly conference: Conference,
    readonly changed: () => void,
  ) {
    conference.on("endpointStats", (id, s) => this.#onTold(id, s));
    conference.on("connectivity", (id, active) => {
      if (active) this.#silent.delete(id);
      else this.#silent.add(id);
      changed();
    });
    conference.on("downlink", (bits, busy) => ([this.#downlink, this.#busy] = [bits, busy]));
    conference.on("left", (m) => this.#forget(m.id));
  }

  /** Reads the statistics every few seconds, while somebody looks, until the signal aborts. */
  listen(signal: AbortSignal): void {
    const timer = setInterval(() => void (document.hidden ? 0 : this.#read()), every);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.#effort.listen(signal);
  }

  /** What the bridge is asked for: only of that can it be said that it does not come. */
  asked(c: ReceiveConstraints): void {
    const now = performance.now();
    for (const name of [...this.#asked.keys()]) if (!c.heights.get(name)) this.#asked.delete(name);
    for (const [name, height] of c.heights) if (height > 0) this.#asked.set(name, { height, since: this.#asked.get(name)?.since ?? now });
    this.#needed = this.#wantedBits();
  }

  /** Of the person `id`, as far as the source goes that a tile shows. */
  of(id: string, source: string, on: boolean, forwarded: ReadonlySet<string> | undefined): Connection & { suspended: boolean } {
    const now = performance.now();
    const told = this.#told.get(id);
    const asked = this.#asked.get(source);
    const suspended = on && asked !== undefined && now - asked.since > patience && forwarded !== undefined && !forwarded.has(source);
    const facts = {
      silent: this.#silent.has(id), told: told && now - told.at < longestTold ? this.#theirs(told) : undefined, loss: this.#loss.get(id), suspended,
      asked: asked?.height ?? 0, sends: told?.sends ?? 0, got: this.#got.get(source) ?? 0, downlink: this.#downlink, needed: this.#needed,
      busy: this.#busy, slow: this.#effort.slow,
    };
    return { ...ofOther(facts), suspended };
  }

  /** What of that is theirs: who hears nobody but us misses what we lost on the way out. */
  #theirs({ download, upload, quality }: Told): { loss: number; quality: number } {
    const ours = this.conference.members.length === 1 ? this.#own.lossOut : 0;
    return { loss: Math.max(upload, theirLoss(download, ours)), quality: ours >= noticeable ? 100 : quality };
  }

  own(): Connection {
    const c = this.conference;
    const interrupted = c.state === "reconnecting" || c.mediaState === "interrupted" || c.mediaState === "failed";
    return ofOwn({ ...this.#own, interrupted, downlink: this.#downlink, needed: this.#needed, busy: this.#busy, slow: this.#effort.slow });
  }

  /** What would come if all went well: of cameras that are on. */
  #wantedBits(): number {
    const on = (source: string): boolean => this.conference.member(source.slice(0, source.indexOf("-")))?.sources.get(source)?.muted === false;
    return [...this.#asked].reduce((sum, [source, { height }]) => sum + (on(source) ? bitsFor(height) : 0), 0);
  }

  #onTold(id: string, s: Record<string, unknown>): void {
    const loss = s["packetLoss"] as { total?: unknown; download?: unknown; upload?: unknown } | undefined;
    const quality = Number(s["connectionQuality"] ?? 100);
    this.#told.set(id, {
      download: Number(loss?.download ?? loss?.total) || 0, upload: Number(loss?.upload) || 0, quality: Number.isFinite(quality) ? quality : 100, sends: Number(s["maxEnabledResolution"]) || 0, at: performance.now(),
    });
  }

  #forget(id: string): void {
    this.#told.delete(id);
    this.#silent.delete(id);
    this.#loss.delete(id);
  }

  async #read(): Promise<void> {
    try {
      const stats = await this.conference.stats();
      if (stats) this.#take(stats);
      else this.#own.known = false;
    } catch {
      return; // the session ended meanwhile
    }
    this.#needed = this.#wantedBits();
    this.changed();
  }

  #take(s: SessionStats): void {
    this.#got = new Map(s.received.filter((r) => r.kind === "video").map((r) => [r.name, r.height]));
    const before = this.#counts;
    this.#counts = new Map([...s.received, ...s.sent].map((r) => [r.ssrc, { packets: r.packets, lost: r.lost }]));
    const by = new Map<string, Count>();
    const out = { packets: 0, lost: 0 };
    for (const r of s.received) {
      const owner = r.name.slice(0, r.name.lastIndexOf("-"));
      const count = by.get(owner) ?? { packets: 0, lost: 0 };
      by.set(owner, count);
      add(count, since(before.get(r.ssrc), r));
    }
    for (const r of s.sent) add(out, since(before.get(r.ssrc), r));
    const measured = [...by].map(([id, count]): [string, number | undefined] => [id, lossOf(count)]);
    const lossIn = ownLoss(measured.map(([id, loss]) => ({ loss, upload: this.#told.get(id)?.upload ?? 0 })));
    this.#loss = new Map(measured.map(([id, loss]) => [id, loss === undefined ? undefined : theirLoss(loss, lossIn)]));
    this.#effort.take(s, lossIn);
    this.#own = { known: true, lossIn, lossOut: lossOf(out) ?? 0, rtt: s.rtt };
  }
}

function add(sum: Count, more: Count): void {
  sum.packets += more.packets;
  sum.lost += more.lost;
}
