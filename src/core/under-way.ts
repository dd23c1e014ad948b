/** Keeps account of operations that are not done yet. */
export class UnderWay {
  #count = 0;
  #onSettled: (() => void)[] = [];

  get count(): number {
    return this.#count;
  }

  /** Counts an operation until it settles, and gives it back. Failures go to whoever awaits it. */
  track<T>(operation: Promise<T>): Promise<T> {
    this.#count += 1;
    operation.then(this.#done, this.#done);
    return operation;
  }

  /** Resolves once nothing is under way any more. */
  settled(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onSettled.push(resolve));
  }

  readonly #done = (): void => {
    this.#count -= 1;
    if (this.#count > 0) return;
    for (const resolve of this.#onSettled.splice(0)) resolve();
  };
}
