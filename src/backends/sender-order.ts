import { type Eventually, isThenable } from './eventually.ts';

/** Keeps things of one kind in the order in which they came, however long each takes to be ready. */
export class SenderOrder {
  /** By kind: the end of what came last, while it is not ready. */
  readonly #latest = new Map<string, Promise<unknown>>();

  /** Calls `give` once `value` is there and all that came before of the same kind were given: at once, if that is so. */
  inTurn<T, R>(kind: () => string, value: Eventually<T>, give: (value: T) => R): Eventually<R> {
    const isThere = !isThenable(value);
    if (isThere && this.#latest.size === 0) return give(value);
    const key = kind();
    const earlier = this.#latest.get(key);
    if (isThere && earlier === undefined) return give(value);
    const turn = this.#wait(value, earlier, give).finally(() => {
      if (this.#latest.get(key) === turn) this.#latest.delete(key);
    });
    this.#latest.set(key, turn);
    return turn;
  }

  async #wait<T, R>(
    value: Eventually<T>,
    earlier: Promise<unknown> | undefined,
    give: (value: T) => R,
  ): Promise<R> {
    const there = await value;
    await earlier?.catch(() => undefined);
    return give(there);
  }
}
