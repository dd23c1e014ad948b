/** Where an item stands in a chain; its fields are the chain's own. */
export interface Place<T> {
  readonly item: T;
  previous: Place<T> | undefined;
  next: Place<T> | undefined;
}

/** Items in a row, from which any one is taken in constant time: an array would move all the rest. */
export class Chain<T> {
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;

  get first(): Place<T> | undefined {
    return this.#first;
  }

  isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Puts an item behind all others. */
  push(item: T): Place<T> {
    const place: Place<T> = { item, previous: this.#last, next: undefined };
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    return place;
  }

  /** Puts an item before all others. */
  unshift(item: T): Place<T> {
    const place: Place<T> = { item, previous: undefined, next: this.#first };
    if (this.#first === undefined) this.#last = place;
    else this.#first.previous = place;
    this.#first = place;
    return place;
  }

  /** Takes the first item. */
  shift(): T | undefined {
    const place = this.#first;
    if (place !== undefined) this.remove(place);
    return place?.item;
  }

  /** Takes the item at a place of this chain, once. */
  remove(place: Place<T>): void {
    if (place.previous === undefined) this.#first = place.next;
    else place.previous.next = place.next;
    if (place.next === undefined) this.#last = place.previous;
    else place.next.previous = place.previous;
  }
}
