import { type Awaitable, isPromise } from '../core/awaitable.ts';

/** Keeps what comes from one sender in the order in which it came, however long each takes to be ready. */
export class SenderOrder {
  /** By sender: the end of what came last, while that is not ready. */
  readonly #latest = new Map<string, Promise<unknown>>();

  /**
   * Waits for `value`, and for earlier ones of the sender, then calls `use`. It does so immediately if neither is
   * missing.
   * @param sender Called only when somebody has to wait.
   */
  inTurn<T, R>(sender: () => string, value: Awaitable<T>, use: (value: T) => R): Awaitable<R> {
    const isThere = !isPromise(value);
    if (isThere && this.#latest.size === 0) return use(value);
    const key = sender();
    const earlier = this.#latest.get(key);
    if (isThere && earlier === undefined) return use(value);
    const turn = this.#wait(value, earlier, use).finally(() => {
      if (this.#latest.get(key) === turn) this.#latest.delete(key);
    });
    this.#latest.set(key, turn);
    return turn;
  }

  async #wait<T, R>(
    value: Awaitable<T>,
    earlier: Promise<unknown> | undefined,
    use: (value: T) => R,
  ): Promise<R> {
    const there = await value;
    await earlier?.catch(() => undefined);
    return use(there);
  }
}
