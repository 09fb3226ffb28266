/** For so many ms after somebody spoke nobody else takes their seat. */
const keepAfterSpeaking = 4_000;

/**
 * Who sits where among the others. People look for faces where they saw them
 * last, so seats change as little as can be: whoever comes sits down at the
 * end, whoever leaves is replaced by one other, and a speaker who is not on
 * the first page changes places with the one there who has been silent
 * longest. It knows no clock: times are handed in, in ms.
 */
export class Order {
  #seats: string[] = [];
  readonly #spoke = new Map<string, number>();
  /** How many of the seats are on the first page. */
  front = Infinity;

  get seats(): readonly string[] {
    return this.#seats;
  }

  /** Takes note of who is here. Of those who come at once, `first` sit before the rest. */
  update(present: readonly string[], first: (id: string) => boolean): void {
    const here = new Set(present);
    for (let i = this.#seats.length - 1; i >= 0; i--) if (!here.has(this.#seats[i]!)) this.#leave(i);
    const seated = new Set(this.#seats);
    const fresh = present.filter((id) => !seated.has(id));
    this.#seats.push(...fresh.filter(first), ...fresh.filter((id) => !first(id)));
  }

  /** In a room of one page everybody moves up; otherwise only the last one moves. */
  #leave(seat: number): void {
    this.#spoke.delete(this.#seats[seat]!);
    if (this.#seats.length <= this.front) return void this.#seats.splice(seat, 1);
    const last = this.#seats.pop()!;
    if (seat < this.#seats.length) this.#seats[seat] = last;
  }

  /** Takes note that somebody speaks, or asks to. */
  heard(id: string, now: number): void {
    this.#spoke.set(id, now);
  }

  /**
   * Brings somebody to the first page. `kept` stay where they are. False when
   * it has to be tried again: everybody there spoke only just now.
   */
  bring(id: string, now: number, kept: (id: string) => boolean): boolean {
    const from = this.#seats.indexOf(id);
    if (from < 0 || from < this.front) return true;
    let [to, silentSince] = [-1, Infinity];
    for (let i = Math.min(this.front, this.#seats.length) - 1; i >= 0; i--) {
      const at = this.#spoke.get(this.#seats[i]!) ?? -Infinity;
      // Of those who never spoke the last one goes: people look at the top first.
      if (kept(this.#seats[i]!) || at >= silentSince || (to >= 0 && at === silentSince)) continue;
      [to, silentSince] = [i, at];
    }
    if (to < 0) return true; // no seat may change
    if (now - silentSince < keepAfterSpeaking) return false;
    this.swap(id, this.#seats[to]!);
    return true;
  }

  /** Two change places. */
  swap(a: string, b: string): void {
    const [i, j] = [this.#seats.indexOf(a), this.#seats.indexOf(b)];
    if (i >= 0 && j >= 0) [this.#seats[i], this.#seats[j]] = [b, a];
  }
}
