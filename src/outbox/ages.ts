/** So few gone ones may stay in the row that sweeping them out would not be worth it. */
const FEW = 1000;

/** Items in the order in which they came; a plain array, because it takes the least memory for a million of them. */
export class Ages<T extends { readonly state: string }> {
  #row: T[] = [];
  #start = 0;
  #ended = 0;

  add(item: T): void {
    this.#row.push(item);
  }

  /** To be told of each item that has ended. */
  oneEnded(): void {
    this.#ended += 1;
    // Seldom, and each time half of the row goes: in the long run constant time an item.
    if (this.#ended > FEW && this.#ended > this.#row.length / 2) {
      this.#row = this.#row.filter((item) => item.state !== 'ended');
      this.#start = 0;
      this.#ended = 0;
    }
  }

  /** The oldest one that has not ended and that `suits`. */
  oldest(suits: (item: T) => boolean = () => true): T | undefined {
    while (this.#row[this.#start]?.state === 'ended') this.#start += 1;
    for (let index = this.#start; index < this.#row.length; index += 1) {
      const item = this.#row[index]!;
      if (item.state !== 'ended' && suits(item)) return item;
    }
    return undefined;
  }

  /** All that have not ended and that `suit`, the oldest first. */
  all(suits: (item: T) => boolean): T[] {
    return this.#row.filter((item) => item.state !== 'ended' && suits(item));
  }
}
