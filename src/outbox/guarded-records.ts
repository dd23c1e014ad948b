import type { DeadLetter } from '../core/dead-letter.ts';
import type { Notification } from '../core/delivery.ts';
import type { Observe } from '../core/observation.ts';
import type { RecordName, Records, RecordSummary } from './records.ts';

/**
 * Records whose failures stop nobody: each is observed and answered with undefined. What could not be removed or
 * postponed goes on as if it had been; the next run finds the older state and delivers once more.
 */
export class GuardedRecords {
  readonly keepsWhatIsLeft: boolean;
  readonly atHandBytes: number;
  readonly #records: Records;
  readonly #observe: Observe;

  constructor(records: Records, observe: Observe) {
    this.keepsWhatIsLeft = records.keepsWhatIsLeft;
    this.atHandBytes = records.atHandBytes;
    this.#records = records;
    this.#observe = observe;
  }

  add(notification: Notification): Promise<number | undefined> {
    return this.#try(() => this.#records.add(notification));
  }

  /** As of records; undefined for a record that cannot be read, and for all of them if none can now. */
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
