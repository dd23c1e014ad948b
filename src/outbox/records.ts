import type { DeadLetter } from '../core/dead-letter.ts';
import type { Notification } from '../core/delivery.ts';

/** What an outbox knows in memory of a record: all but the request itself. */
export interface RecordSummary {
  /** Grows from record to record. */
  readonly key: number;
  readonly backend: string;
  readonly sender: string;
  /** Unix time in whole seconds: of one in milliseconds V8 would make a box of its own for each of a million records. */
  readonly acceptedAtSeconds: number;
  readonly attempts: number;
  /** What is known of the last attempt, packed (`last-attempt.ts`); 0, or not there: nothing. */
  readonly last?: number;
}

export function summaryOf({ backend, sender, acceptedAtMs }: Notification, key: number): RecordSummary {
  return { key, backend, sender, acceptedAtSeconds: Math.floor(acceptedAtMs / 1000), attempts: 0 };
}

/** What finds a record, and its line in the ledger. */
export type RecordName = Pick<RecordSummary, 'key' | 'backend'>;

/** The store under one outbox: it keeps records and decides nothing. Its answers come in the order of the calls. */
export interface Records {
  /** Whether what is left at close is there when the store is opened again. */
  readonly keepsWhatIsLeft: boolean;
  /** So much of what waits its outbox keeps at hand, in bytes; the rest is read. Infinity: it is kept nowhere else. */
  readonly atHandBytes: number;
  /** Resolves to the record's key once it is as safe as the store promises. */
  add(notification: Notification): Promise<number>;
  /**
   * Reads records in the order of the keys: the first in any case, then as many as are few bytes together. Undefined for
   * one that somebody else has removed, as operators may; an error for one that cannot be read. Rejects if none can now.
   */
  read(keys: readonly number[]): Promise<readonly (Notification | Error | undefined)[]>;
  /** @param dueAtMs Unix time in milliseconds: no other time means the same to the next run. */
  postpone(record: RecordSummary, dueAtMs: number): Promise<void>;
  /** Removes a record and counts its end. */
  remove(record: RecordName, end: 'delivered' | 'dropped'): Promise<void>;
  /** Makes a record a dead letter. */
  bury(record: RecordName, letter: DeadLetter): Promise<void>;
}
