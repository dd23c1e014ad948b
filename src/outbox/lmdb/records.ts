import type { DeadLetter } from '../../core/dead-letter.ts';
import type { Notification } from '../../core/delivery.ts';
import { PlainError } from '../../core/errors.ts';
import { type RecordName, type Records, type RecordSummary, summaryOf } from '../records.ts';
import type { WriterLink } from './writer-thread.ts';
import type { LedgerKey } from './database.js';
import { burial, decodeNotification, encodeNotification, encodeSummary } from './encoding.ts';

/** What the records of all pools share. */
export interface SharedByRecords {
  readonly link: WriterLink;
  readonly deadLetterCapacity: number;
  /** Gives each record of any pool its key. */
  readonly nextKey: () => number;
}

/** The records of one pool in the database. */
export class LmdbRecords implements Records {
  readonly keepsWhatIsLeft = true;
  readonly cachedBytes = 16 * 1024 * 1024;
  readonly #pool: string;
  readonly #shared: SharedByRecords;
  readonly #ledgerKeys = new Map<string, LedgerKey>();

  constructor(pool: string, shared: SharedByRecords) {
    this.#pool = pool;
    this.#shared = shared;
  }

  add(notification: Notification): Promise<number> {
    const { nextKey, link } = this.#shared;
    const key = nextKey();
    const operation = {
      do: 'add',
      key,
      ledger: this.#ledgerKey(notification.backend),
      summary: encodeSummary(this.#pool, summaryOf(notification, key), 0),
      notification: encodeNotification(notification),
    } as const;
    return link.writing.do(operation, () => key);
  }

  async read(keys: readonly number[]): Promise<readonly (Notification | Error | undefined)[]> {
    const { read, error = '' } = await this.#shared.link.thread.ask({ do: 'read', keys });
    if (read === undefined) throw unreadable(error);
    return read.map((one) => {
      if (typeof one === 'string') return decoded(one);
      return one && unreadable(one.error);
    });
  }

  postpone(record: RecordSummary, dueAtMs: number): Promise<void> {
    const summary = encodeSummary(this.#pool, record, dueAtMs);
    return this.#shared.link.writing.do({ do: 'postpone', key: record.key, summary });
  }

  remove({ key, backend }: RecordName, end: 'delivered' | 'dropped'): Promise<void> {
    const ledger = this.#ledgerKey(backend);
    return this.#shared.link.writing.do({ do: 'remove', key, ledger, end });
  }

  bury({ key, backend }: RecordName, letter: DeadLetter): Promise<void> {
    const { link, deadLetterCapacity } = this.#shared;
    const source = { key, ledger: this.#ledgerKey(backend), capacity: deadLetterCapacity };
    return link.writing.do(burial(letter, source));
  }

  /** The same array for one backend each time, so that a message to the writer's thread holds it once. */
  #ledgerKey(backend: string): LedgerKey {
    let key = this.#ledgerKeys.get(backend);
    if (key === undefined) this.#ledgerKeys.set(backend, (key = [this.#pool, backend]));
    return key;
  }
}

function decoded(text: string): Notification | Error {
  try {
    return decodeNotification(text);
  } catch {
    return unreadable('its record is damaged');
  }
}

function unreadable(why: string): PlainError {
  return new PlainError(`the outbox could not read a notification: ${why}`);
}
