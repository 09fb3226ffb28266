type Listener<Args> = Args extends unknown[] ? (...args: Args) => void : never;

/** A typed event emitter. `Events` maps event names to the tuple of arguments. */
export class Emitter<Events extends { [K in keyof Events]: unknown[] }> {
  #listeners = new Map<keyof Events, Set<unknown>>();

  /** Calls fn on every `name` from now on. Returns the function that ends it. */
  on<K extends keyof Events>(name: K, fn: Listener<Events[K]>): () => void {
    let set = this.#listeners.get(name);
    if (!set) this.#listeners.set(name, (set = new Set()));
    set.add(fn);
    return () => set.delete(fn);
  }

  /**
   * Tells all listeners. One that throws does not keep the others, nor the
   * protocol, from going on: its error becomes an unhandled rejection.
   */
  protected emit<K extends keyof Events>(name: K, ...args: Events[K]): void {
    for (const fn of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (fn as (...a: Events[K]) => void)(...args);
      } catch (err) {
        void Promise.reject(err);
      }
    }
  }
}
