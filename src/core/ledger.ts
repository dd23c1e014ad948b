/** What can become of a notification. Outboxes themselves count what waits (`depth`) and what is in flight. */
export const ledgerStates = ['accepted', 'delivered', 'dead', 'dropped'] as const;
export type LedgerState = (typeof ledgerStates)[number];

export type LedgerEntry = Record<LedgerState, number>;

/**
 * Counts what became of each backend's notifications. At every moment
 * accepted = delivered + dead + dropped + depth + in flight, because each change is one synchronous step.
 */
export class Ledger {
  readonly #entries = new Map<string, LedgerEntry>();

  count(backend: string, state: LedgerState): void {
    this.entry(backend)[state] += 1;
  }

  /** The counts of one backend. They begin at 0, so that a backend is shown before its first notification. */
  entry(backend: string): LedgerEntry {
    let entry = this.#entries.get(backend);
    if (entry === undefined) {
      entry = { accepted: 0, delivered: 0, dead: 0, dropped: 0 };
      this.#entries.set(backend, entry);
    }
    return entry;
  }

  entries(): ReadonlyMap<string, Readonly<LedgerEntry>> {
    return this.#entries;
  }
}
