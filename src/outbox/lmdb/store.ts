import type { DeadLetter } from '../../core/dead-letter.ts';
import type { Outbox } from '../../core/outbox.ts';
import type { EngineOptions, OutboxOptions, OutboxStore, OutboxSurroundings } from '../engine.ts';
import { LocalOutbox } from '../local-outbox.ts';
import { type Database, lastKey, type LedgerKey, type Operation } from './database.js';
import { decodeLetter, decodeSummary, encodeLetter } from './encoding.ts';
import { isNearlyFull } from './folder.ts';
import type { Ownership } from './owner.ts';
import { LmdbRecords } from './records.ts';
import { SelfTest } from './self-test.ts';
import type { Writing } from './writing.ts';

/** How often it is looked whether an operator's command, another process, has left something to do. */
const LOOK_INTERVAL_MS = 500;
/** So many letters are handed over at a time. */
const MOST_AT_A_LOOK = 100;

/** What was opened for the store, and is closed with it. */
export interface OpenedFolder {
  readonly database: Database;
  readonly writing: Writing;
  readonly ownership: Ownership;
}

/** Keeps the outboxes of all pools, the ledger and the dead letters in one database. */
export class LmdbStore implements OutboxStore {
  readonly keepsWhatIsLeft = true;
  readonly #opened: OpenedFolder;
  readonly #options: EngineOptions;
  readonly #surroundings: OutboxSurroundings;
  readonly #outboxes = new Map<string, LocalOutbox>();
  readonly #beingRedelivered = new Set<string>();
  #lastKey: number;
  #cancelLook = (): void => undefined;
  #closed: Promise<void> | undefined;

  constructor(opened: OpenedFolder, options: EngineOptions, surroundings: OutboxSurroundings) {
    this.#opened = opened;
    this.#options = options;
    this.#surroundings = surroundings;
    this.#lastKey = lastKey(opened.database.summaries);
  }

  outbox(options: OutboxOptions): Outbox {
    const nextKey = (): number => (this.#lastKey += 1);
    const { deadLetterCapacity } = this.#options;
    const records = new LmdbRecords(options.pool, { ...this.#opened, deadLetterCapacity, nextKey });
    const outbox = new LocalOutbox(records, options, this.#surroundings);
    this.#outboxes.set(options.pool, outbox);
    return outbox;
  }

  start(redeliver: (letter: DeadLetter) => Promise<void>): void {
    const { observe } = this.#surroundings;
    const { ledger, summaries } = this.#opened.database;
    const selfTest = new SelfTest();
    const orphaned = new Map<string, number>();
    // One text for each sender and backend, not one for each of their records.
    const texts = new Map<string, string>();
    const shared = (text: string): string => texts.get(text) ?? (texts.set(text, text), text);
    for (const { key, value } of summaries.getRange()) {
      const [pool, backend, sender, acceptedAtMs, attempts, dueAtMs] = decodeSummary(value);
      const record = { key, backend: shared(backend), sender: shared(sender), acceptedAtMs, attempts };
      selfTest.found(pool, backend);
      const outbox = this.#outboxes.get(pool);
      if (outbox === undefined) orphaned.set(pool, (orphaned.get(pool) ?? 0) + 1);
      else outbox.restore(record, dueAtMs);
    }
    for (const [pool, depth] of orphaned) observe({ kind: 'outbox-orphaned', pool, depth });
    for (const { pool, backend, off } of selfTest.mismatches(ledger.getRange())) {
      observe({ kind: 'ledger-mismatched', pool, backend, off });
      void this.#write({ do: 'correct', ledger: [pool, backend], accepted: off });
    }
    this.#look(redeliver);
  }

  bury(letter: DeadLetter): Promise<void> {
    const { id, backend, pool } = letter.notification;
    const key: LedgerKey = [pool, backend];
    const { ledger } = this.#surroundings;
    const { deadLetterCapacity: capacity } = this.#options;
    ledger.count(backend, 'accepted');
    ledger.count(backend, 'dead');
    return this.#write({
      do: 'bury',
      key: undefined,
      ledger: key,
      id,
      letter: encodeLetter(letter),
      capacity,
    });
  }

  problem(): string | undefined {
    const { problem } = this.#opened.writing;
    if (problem === undefined) return undefined;
    const { folder } = this.#options;
    const full = isNearlyFull(folder) ? ' (the disk is full: make room)' : '';
    return `the outbox cannot write to ${folder}: ${problem}${full}`;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#cancelLook();
    const { database, writing, ownership } = this.#opened;
    await writing.close();
    await database.root.close();
    await ownership.release();
  }

  /** Looks for letters to deliver again, and, while writing fails, whether it would succeed again. */
  #look(redeliver: (letter: DeadLetter) => Promise<void>): void {
    const { database, writing } = this.#opened;
    if (writing.problem !== undefined) void this.#write({ do: 'probe' });
    // Another process wrote them, after the snapshot that reads share.
    database.root.resetReadTxn();
    for (const { key: id, value } of database.redeliveries.getRange({ limit: MOST_AT_A_LOOK })) {
      if (this.#beingRedelivered.has(id)) continue;
      this.#beingRedelivered.add(id);
      void this.#redeliver(decodeLetter(value), redeliver);
    }
    this.#cancelLook = this.#surroundings.clock.after(LOOK_INTERVAL_MS, () => this.#look(redeliver));
  }

  /** First accepted again, then forgotten as a letter: dying between, it is delivered once more, not lost. */
  async #redeliver(letter: DeadLetter, redeliver: (letter: DeadLetter) => Promise<void>): Promise<void> {
    const { id } = letter.notification;
    try {
      await redeliver(letter);
      await this.#write({ do: 'redelivered', id });
    } catch (error) {
      this.#surroundings.observe({ kind: 'internal-error', where: 'outbox', error });
    }
    this.#beingRedelivered.delete(id);
  }

  async #write(operation: Operation): Promise<void> {
    try {
      await this.#opened.writing.do(operation);
    } catch (error) {
      this.#surroundings.observe({ kind: 'internal-error', where: 'outbox', error });
    }
  }
}
