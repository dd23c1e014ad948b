/** An item of a chain carries its own links: a million of them cost no objects of their own. */
export interface Linked<T> {
  previous: T | undefined;
  next: T | undefined;
}

/**
 * Items in a row, from which any item is taken in constant time. An item is in one chain at most.
 *
 * What comes and goes with each notification is in a chain, not in a Set or Map. A growing Map replaces its table, and the
 * old table points to the new one. Once one is old, all later ones, with what they held, live until a full garbage collection.
 */
export class Chain<T extends Linked<T>> {
  #first: T | undefined;
  #last: T | undefined;

  get first(): T | undefined {
    return this.#first;
  }

  isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Whether an item that is in no other chain is in this one. */
  has(item: T): boolean {
    return item.previous !== undefined || this.#first === item;
  }

  /** Puts an item behind all others. */
  push(item: T): void {
    item.previous = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
  }

  get last(): T | undefined {
    return this.#last;
  }

  /** Puts an item behind one of this chain. */
  insertAfter(other: T, item: T): void {
    if (other === this.#last) return this.push(item);
    item.previous = other;
    item.next = other.next;
    if (other.next !== undefined) other.next.previous = item;
    other.next = item;
  }

  /** Puts an item before one of this chain. */
  insertBefore(other: T, item: T): void {
    if (other.previous === undefined) this.unshift(item);
    else this.insertAfter(other.previous, item);
  }

  /** Puts an item before all others. */
  unshift(item: T): void {
    item.next = this.#first;
    if (this.#first === undefined) this.#last = item;
    else this.#first.previous = item;
    this.#first = item;
  }

  /** Takes an item of this chain. */
  remove(item: T): void {
    if (item.previous === undefined) this.#first = item.next;
    else item.previous.next = item.next;
    if (item.next === undefined) this.#last = item.previous;
    else item.next.previous = item.previous;
    item.previous = undefined;
    item.next = undefined;
  }
}
