import type { Delivery } from '../core/delivery.ts';
import { Chain, type Linked } from '../core/chain.ts';

interface Lessee extends Linked<Lessee> {
  readonly resolve: (delivery: Delivery | undefined) => void;
}

/** Those who wait for a delivery, first come first served. */
export class Lessees {
  readonly #chain = new Chain<Lessee>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  wait(): Promise<Delivery | undefined> {
    this.#count += 1;
    return new Promise((resolve) => {
      this.#chain.push({ resolve, previous: undefined, next: undefined });
    });
  }

  /** Gives the first one a delivery, or undefined: there will be none any more. */
  serve(delivery: Delivery | undefined): void {
    const first = this.#chain.first;
    if (first === undefined) return;
    this.#chain.remove(first);
    this.#count -= 1;
    first.resolve(delivery);
  }
}
