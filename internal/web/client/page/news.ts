/** So many are named; more are counted. */
const mostNames = 2;

/** Comings and goings, told together: three hundred of them are one sentence. */
export class News {
  readonly #came = new Map<string, string>();
  readonly #went = new Map<string, string>();

  /** Whether there is anything to tell. */
  get any(): boolean {
    return this.#came.size + this.#went.size > 0;
  }

  came(id: string, name: string): void {
    if (!this.#went.delete(id)) this.#came.set(id, name);
  }

  went(id: string, name: string): void {
    if (!this.#came.delete(id)) this.#went.set(id, name);
  }

  /** What has happened since the last call, in sentences. */
  take(): string[] {
    const out = [sentence([...this.#came.values()], "joined"), sentence([...this.#went.values()], "left")].filter((s) => s !== "");
    this.#came.clear();
    this.#went.clear();
    return out;
  }
}

function sentence(names: string[], did: string): string {
  if (names.length === 0) return "";
  return `${names.length > mostNames ? `${names.length} people` : names.join(" and ")} ${did}`;
}
