import type { Counts, LedgerKey } from './database.js';

/** A backend of a pool whose ledger is off. */
export interface Mismatch {
  readonly pool: string;
  readonly backend: string;
  /** delivered + dead + dropped + waiting − accepted. */
  readonly off: number;
}

/** Compares the ledger of a database with what is there. */
export class SelfTest {
  readonly #waiting = new Map<string, number>();

  /** To be told of each record. */
  found(pool: string, backend: string): void {
    const name = nameOf(pool, backend);
    this.#waiting.set(name, (this.#waiting.get(name) ?? 0) + 1);
  }

  /** To be asked once, after all records were found. */
  *mismatches(rows: Iterable<{ readonly key: LedgerKey; readonly value: Counts }>): Iterable<Mismatch> {
    for (const {
      key: [pool, backend],
      value: { accepted, delivered, dead, dropped },
    } of rows) {
      const name = nameOf(pool, backend);
      const off = delivered + dead + dropped + (this.#waiting.get(name) ?? 0) - accepted;
      this.#waiting.delete(name);
      if (off !== 0) yield { pool, backend, off };
    }
    for (const [name, off] of this.#waiting) {
      const [pool = '', backend = ''] = JSON.parse(name) as string[];
      yield { pool, backend, off };
    }
  }
}

function nameOf(pool: string, backend: string): string {
  return JSON.stringify([pool, backend]);
}
