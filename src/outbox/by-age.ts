/** A link of the chain below; the chain's own, not to be touched elsewhere. */
export interface Aged {
  older: this | undefined;
  newer: this | undefined;
}

/** Items in the order in which they were accepted; any of them is removed in constant time. */
export class ByAge<T extends Aged> {
  #oldest: T | undefined;
  #newest: T | undefined;

  get oldest(): T | undefined {
    return this.#oldest;
  }

  add(item: T): void {
    item.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
  }

  remove(item: T): void {
    if (item.older === undefined) this.#oldest = item.newer;
    else item.older.newer = item.newer;
    if (item.newer === undefined) this.#newest = item.older;
    else item.newer.older = item.older;
    item.older = undefined;
    item.newer = undefined;
  }
}
