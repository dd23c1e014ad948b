/** Memory for what is under way, in equal shares: one slow holder may not take the room of the others. */
export class Room<Holder> {
  readonly #share: number;
  readonly #taken = new Map<Holder, number>();

  /** @param share Bytes for each holder; the last thing to come in may go beyond it. */
  constructor(share: number) {
    this.#share = share;
  }

  isThereFor(holder: Holder): boolean {
    return (this.#taken.get(holder) ?? 0) < this.#share;
  }

  take(holder: Holder, bytes: number): void {
    this.#taken.set(holder, (this.#taken.get(holder) ?? 0) + bytes);
  }

  giveBack(holder: Holder, bytes: number): void {
    this.take(holder, -bytes);
  }
}
