import { Chain, type Linked } from '../core/chain.ts';

/** One notification that was handed to the records. */
interface Handed extends Linked<Handed> {
  readonly atMs: number;
}

/** What was handed to the records and is not written yet: not accepted, but somebody waits for it. */
export class Unwritten {
  readonly #chain = new Chain<Handed>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** When the one came that waits longest, by the monotonic clock in milliseconds. */
  get oldestAtMs(): number | undefined {
    return this.#chain.first?.atMs;
  }

  /** To be called with what was handed over; the returned function ends its waiting. */
  begin(atMs: number): () => void {
    const handed: Handed = { atMs, previous: undefined, next: undefined };
    this.#chain.push(handed);
    this.#count += 1;
    return () => {
      this.#chain.remove(handed);
      this.#count -= 1;
    };
  }
}
