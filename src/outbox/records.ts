import type { DeadLetter } from '../core/dead-letter.ts';
import type { Notification } from '../core/delivery.ts';
import type { Observe } from '../core/observation.ts';

/** What an outbox knows in memory of a record: all but the request itself. */
export interface RecordSummary {
  /** Grows from record to record. */
  readonly key: number;
  readonly backend: string;
  readonly sender: string;
  /** Unix time in whole seconds: V8 would make a box for milliseconds in each of a million records. */
  readonly acceptedAtSeconds: number;
  readonly attempts: number;
  /** What is known of the last attempt, packed (`last-attempt.ts`). 0, or not there: nothing. */
  readonly last?: number;
}

export function summaryOf({ backend, sender, acceptedAtMs }: Notification, key: number): RecordSummary {
  return { key, backend, sender, acceptedAtSeconds: Math.floor(acceptedAtMs / 1000), attempts: 0 };
}

/** What finds a record, and its line in the ledger. */
export type RecordName = Pick<RecordSummary, 'key' | 'backend'>;

/** The store under one outbox. It keeps records and decides nothing. Its promises settle in the order of the calls. */
export interface Records {
  /** Whether what is left at close is there when the store is opened again. */
  readonly keepsWhatIsLeft: boolean;
  /** How many bytes of what waits the outbox keeps in memory; the rest is read. Infinity: nothing else keeps it. */
  readonly cachedBytes: number;
  /** Resolves to the record's key once it is as safe as the store promises. */
  add(notification: Notification): Promise<number>;
  /**
   * Reads records in the order of the keys: always the first, then as many as are few bytes together. Undefined: somebody
   * else, such as an operator, has removed it. An error: it cannot be read. Rejects if none can be read now.
   */
  read(keys: readonly number[]): Promise<readonly (Notification | Error | undefined)[]>;
  /** @param dueAtMs Unix time in milliseconds: no other time means the same to the next run. */
  postpone(record: RecordSummary, dueAtMs: number): Promise<void>;
  /** Removes a record and counts its end. */
  remove(record: RecordName, end: 'delivered' | 'dropped'): Promise<void>;
  /** Makes a record a dead letter. */
  bury(record: RecordName, letter: DeadLetter): Promise<void>;
}

/**
 * Records whose failures stop nobody: each is observed, and the promise resolves to undefined. What could not be removed
 * or postponed goes on as if it had been. The next run finds the older state and delivers once more.
 */
export class GuardedRecords {
  readonly keepsWhatIsLeft: boolean;
  readonly cachedBytes: number;
  readonly #records: Records;
  readonly #observe: Observe;

  constructor(records: Records, observe: Observe) {
    this.keepsWhatIsLeft = records.keepsWhatIsLeft;
    this.cachedBytes = records.cachedBytes;
    this.#records = records;
    this.#observe = observe;
  }

  add(notification: Notification): Promise<number | undefined> {
    return this.#try(() => this.#records.add(notification));
  }

  /** As `Records.read`. Undefined for a record that cannot be read, and in place of all if none can be read now. */
  async read(keys: readonly number[]): Promise<readonly (Notification | undefined)[] | undefined> {
    const read = await this.#try(() => this.#records.read(keys));
    return read?.map((one) => (one instanceof Error ? this.#fail(one) : one));
  }

  postpone(record: RecordSummary, dueAtMs: number): Promise<void> {
    return this.#try(() => this.#records.postpone(record, dueAtMs));
  }

  remove(record: RecordName, end: 'delivered' | 'dropped'): Promise<void> {
    return this.#try(() => this.#records.remove(record, end));
  }

  bury(record: RecordName, letter: DeadLetter): Promise<void> {
    return this.#try(() => this.#records.bury(record, letter));
  }

  #try<T>(operation: () => Promise<T>): Promise<T | undefined> {
    try {
      return operation().catch(this.#fail);
    } catch (error) {
      return Promise.resolve(this.#fail(error));
    }
  }

  readonly #fail = (error: unknown): undefined => {
    this.#observe({ kind: 'internal-error', where: 'outbox', error });
    return undefined;
  };
}
