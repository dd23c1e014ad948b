interface Operation {
  readonly run: () => unknown;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Gathers what is to be written in one turn of the event loop into one transaction, so that all share its flush. */
export class GroupCommit {
  readonly #inTransaction: (work: () => void) => void;
  #operations: Operation[] = [];

  /** @param inTransaction Runs the work in a transaction: when it returns, all is on disk; if it throws, nothing is. */
  constructor(inTransaction: (work: () => void) => void) {
    this.#inTransaction = inTransaction;
  }

  /** Resolves once what the operation wrote is on disk. */
  do(run: () => unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#operations.push({ run, resolve, reject }) === 1) setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const operations = this.#operations;
    this.#operations = [];
    try {
      this.#inTransaction(() => {
        for (const { run } of operations) run();
      });
    } catch (error) {
      for (const { reject } of operations) reject(error);
      return;
    }
    for (const { resolve } of operations) resolve();
  }
}
