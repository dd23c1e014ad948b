interface Link<T> {
  readonly item: T;
  next: Link<T> | undefined;
}

/** First in, first out, in constant time: `Array.shift` moves all the rest. */
export class Fifo<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  push(item: T): void {
    const link: Link<T> = { item, next: undefined };
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
  }

  /** Puts an item before all others. */
  unshift(item: T): void {
    this.#first = { item, next: this.#first };
    this.#last ??= this.#first;
  }

  shift(): T | undefined {
    const link = this.#first;
    this.#first = link?.next;
    if (this.#first === undefined) this.#last = undefined;
    return link?.item;
  }

  isEmpty(): boolean {
    return this.#first === undefined;
  }
}
