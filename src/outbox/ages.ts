/** So few gone ones may stay in the rows that sweeping them out would not be worth it. */
const FEW = 1000;
/** One array for all would leave its former ones behind whenever it grows: tens of megabytes for a million items. */
const ROW = 1000;

/** Items in the order in which they came; in plain arrays, because they take the least memory for a million of them. */
export class Ages<T extends { readonly state: string }> {
  #rows: T[][] = [];
  /** In the first row, all before it have ended. */
  #start = 0;
  #count = 0;
  #ended = 0;

  add(item: T): void {
    const last = this.#rows.at(-1);
    if (last === undefined || last.length === ROW) this.#rows.push([item]);
    else last.push(item);
    this.#count += 1;
  }

  /** To be told of each item that has ended. */
  oneEnded(): void {
    this.#ended += 1;
    // Seldom, and each time half of the items go: in the long run constant time an item.
    if (this.#ended > FEW && this.#ended > this.#count / 2) this.#sweep();
  }

  /** The oldest one that has not ended and that `suits`. */
  oldest(suits: (item: T) => boolean = () => true): T | undefined {
    this.#skipEnded();
    let from = this.#start;
    for (const row of this.#rows) {
      let areAllEnded = from === 0 && row.length === ROW;
      for (let index = from; index < row.length; index += 1) {
        const item = row[index]!;
        if (item.state === 'ended') continue;
        areAllEnded = false;
        if (suits(item)) return item;
      }
      // Else an old one that stays would have the next search go through all that have ended behind it.
      if (areAllEnded) this.#remove(row);
      from = 0;
    }
    return undefined;
  }

  /** All that have not ended and that `suit`, the oldest first. */
  all(suits: (item: T) => boolean): T[] {
    return this.#rows.flatMap((row) => row.filter((item) => item.state !== 'ended' && suits(item)));
  }

  /** Visits all that have not ended, the oldest first. */
  forEach(visit: (item: T) => void): void {
    for (const row of this.#rows) for (const item of row) if (item.state !== 'ended') visit(item);
  }

  #skipEnded(): void {
    for (let [first] = this.#rows; first !== undefined; [first] = this.#rows) {
      while (first[this.#start]?.state === 'ended') this.#start += 1;
      if (this.#start < ROW) return;
      this.#remove(first);
      this.#start = 0;
    }
  }

  /** Removes a full row in which all have ended. */
  #remove(row: readonly T[]): void {
    this.#rows = this.#rows.filter((other) => other !== row);
    this.#count -= ROW;
    this.#ended -= ROW;
  }

  #sweep(): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#start = 0;
    this.#count = 0;
    this.#ended = 0;
    for (const row of rows) for (const item of row) if (item.state !== 'ended') this.add(item);
  }
}
