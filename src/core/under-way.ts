/** Keeps account of operations that are not done yet. */
export class UnderWay {
  readonly #operations = new Set<Promise<unknown>>();

  get count(): number {
    return this.#operations.size;
  }

  /** Gives the operation back, and counts it until it is done. */
  async track<T>(operation: Promise<T>): Promise<T> {
    this.#operations.add(operation);
    try {
      return await operation;
    } finally {
      this.#operations.delete(operation);
    }
  }

  /** Resolves once nothing is under way any more; what fails is told to those who wait for it. */
  async settled(): Promise<void> {
    while (this.#operations.size > 0) await Promise.allSettled(this.#operations);
  }
}
