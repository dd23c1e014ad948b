/*
 * The engine that keeps everything in one folder, with one LMDB environment for all pools.
 *
 *     main thread                         writer's thread              on disk
 *     ───────────                         ───────────────              ───────
 *     store.ts ── outboxes (../) ──┐
 *        │           records.ts ───┤      writer.js ── database.js ──► data.mdb   all tables (database.js draws them)
 *        │                         ▼         │  │                      lock.mdb   who reads and writes, of all processes
 *        └────────► writer-thread.ts ───────►│  ├── disk-room.js       allocates before LMDB writes
 *                   (messages, transactions) │  └── file-identity.js   are these still the files?
 *                                            └── operator-steps.js
 *     at the start, before LMDB opens anything:
 *     folder.ts ── files.ts, read-through.ts (page-format.ts)         clean-end   nobody has touched data.mdb since
 *     owner.ts                                                        owner-*.sock   one sidecar at a time
 *
 *     another process, beside a sidecar: operator-beside.ts ── stored-operator.ts ── operator-steps.js ── database.js
 *
 * While a sidecar runs, its main thread never touches the files: every touch may have to wait. What is JavaScript, threads
 * and other processes load as it is, also from `src` in tests on Node 20, which runs no TypeScript.
 */
import type { DeadLetter } from '../../core/dead-letter.ts';
import { PlainError } from '../../core/errors.ts';
import type { OperatorPort } from '../../core/operator.ts';
import type { Outbox, OutboxCounts, PutResult } from '../../core/outbox.ts';
import type { OutboxOptions, OutboxStore, OutboxPorts, StoreOptions } from '../../core/outbox-store.ts';
import { LocalOutbox } from '../local/local-outbox.ts';
import { RunningOperator } from '../local/running-operator.ts';
import { OrphanedOutbox } from '../local/orphaned-outbox.ts';
import { type Counts, FORMAT, type LedgerKey, openDatabase, type Operation } from './database.js';
import { burial, decodeLetter, decodeSummary } from './encoding.ts';
import { cannotOpen, prepareFolder } from './folder.ts';
import { StoredOperator } from './stored-operator.ts';
import { own, type Ownership } from './owner.ts';
import { LmdbRecords } from './records.ts';
import { WriterLink, type Look, TICK_MS } from './writer-thread.ts';

/** Opens the store in a folder, as its only owner. */
export async function openStore(
  folder: string,
  options: StoreOptions,
  ports: OutboxPorts,
): Promise<OutboxStore> {
  let ownership: Ownership | undefined;
  try {
    await prepareFolder(folder);
    ownership = await own(folder);
    await checkFormat(folder);
    return new LmdbStore({ folder, ownership, ...options }, ports);
  } catch (error) {
    await ownership?.abandon();
    throw cannotOpen(folder, error);
  }
}

/** Marks the folder as one of this format, which older versions may not read. */
async function checkFormat(folder: string): Promise<void> {
  const { root, meta } = openDatabase(folder);
  const format = meta.get('format') ?? 0;
  if (format < FORMAT) meta.putSync('format', FORMAT);
  await root.close();
  if (format <= FORMAT) return;
  throw new PlainError(
    `it was written by a newer version (format ${format}, this one knows ${FORMAT}); run that version, or set another path`,
  );
}

interface LmdbStoreOptions extends StoreOptions {
  readonly folder: string;
  /** Of the folder. */
  readonly ownership: Ownership;
}

/** Keeps the outboxes of all pools, the ledger and the dead letters in one database. */
class LmdbStore implements OutboxStore {
  readonly keepsWhatIsLeft = true;
  readonly isShared = false;
  readonly #link = new WriterLink();
  readonly #options: LmdbStoreOptions;
  readonly #ports: OutboxPorts;
  readonly operator: OperatorPort;
  readonly #outboxes = new Map<string, LocalOutbox>();
  readonly #orphans = new Map<string, OrphanedOutbox>();
  #longestMaxAgeMs = 0;
  readonly #beingRedelivered = new Set<string>();
  #erasures = 0;
  #lastKey = 0;
  /** Since `start`. Before it there is no thread to ask. */
  #isOpen = false;
  #isLooking = false;
  #isRedelivering = true;
  #toldProblem: string | undefined;
  #cancelLook = (): void => undefined;
  #closed: Promise<void> | undefined;

  constructor(options: LmdbStoreOptions, ports: OutboxPorts) {
    this.#options = options;
    this.#ports = ports;
    const stored = new StoredOperator((step) => this.#link.thread.takeStep(step));
    this.operator = new RunningOperator(() => [...this.#outboxes, ...this.#orphans], stored);
  }

  outbox(options: OutboxOptions): Outbox {
    const outbox = new LocalOutbox(this.#records(options.pool), options, this.#ports);
    this.#outboxes.set(options.pool, outbox);
    this.#longestMaxAgeMs = Math.max(this.#longestMaxAgeMs, options.retry.maxAgeMs);
    return outbox;
  }

  #records(pool: string): LmdbRecords {
    const nextKey = (): number => (this.#lastKey += 1);
    const { deadLetterCapacity } = this.#options;
    return new LmdbRecords(pool, { link: this.#link, deadLetterCapacity, nextKey });
  }

  /** Of a pool that is no longer configured. Its `max_age` is not known, so the longest of all pools counts. */
  #orphan(pool: string): OrphanedOutbox {
    let orphan = this.#orphans.get(pool);
    if (orphan === undefined) {
      orphan = new OrphanedOutbox(this.#records(pool), this.#longestMaxAgeMs, this.#ports);
      this.#orphans.set(pool, orphan);
    }
    return orphan;
  }

  async start(redeliver: (letter: DeadLetter) => Promise<void>): Promise<void> {
    const { observe, clock } = this.#ports;
    const { folder } = this.#options;
    const mismatches = await this.#restore(folder);
    await this.#link.open(folder, clock);
    this.#isOpen = true;
    for (const { pool, backend, off } of mismatches) {
      observe({ kind: 'ledger-mismatched', pool, backend, off });
      void this.#write({ do: 'correct', ledger: [pool, backend], accepted: off });
    }
    for (const orphan of this.#orphans.values()) orphan.start();
    this.#look(redeliver);
  }

  /** Gives the outboxes their records, and tells where the ledger is off. */
  async #restore(folder: string): Promise<Mismatch[]> {
    // Opened only for this: what was read stays mapped until the close, and a million records are half a gigabyte.
    const { root, summaries, ledger } = openDatabase(folder);
    const selfTest = new SelfTest();
    // One text for each sender and backend, not one for each of their records.
    const texts = new Map<string, string>();
    const shared = (text: string): string => texts.get(text) ?? (texts.set(text, text), text);
    for (const { key, value } of summaries.getRange()) {
      this.#lastKey = key;
      const summary = this.#decoded(decodeSummary, value);
      if (summary === undefined) continue;
      const [pool, backend, sender, acceptedAtMs, attempts, dueAtMs, last = 0] = summary;
      const acceptedAtSeconds = Math.floor(acceptedAtMs / 1000);
      const names = { backend: shared(backend), sender: shared(sender) };
      const record = { key, ...names, acceptedAtSeconds, attempts, last };
      selfTest.found(pool, backend);
      const outbox = this.#outboxes.get(pool);
      if (outbox === undefined) this.#orphan(pool).restore(record);
      else outbox.restore(record, dueAtMs);
    }
    for (const [pool, { waiting }] of this.orphans()) {
      this.#ports.observe({ kind: 'outbox-orphaned', pool, depth: waiting });
    }
    const mismatches = [...selfTest.mismatches(ledger.getRange())];
    await root.close();
    return mismatches;
  }

  /** Undefined: it cannot be read. One damaged text must not stop the delivery of all others. */
  #decoded<T>(decode: (text: string) => T, text: string): T | undefined {
    try {
      return decode(text);
    } catch {
      const error = new PlainError('a text in data.mdb is damaged: it is left there, and not sent');
      this.#ports.observe({ kind: 'internal-error', where: 'outbox', error });
      return undefined;
    }
  }

  bury(letter: DeadLetter): Promise<PutResult> {
    const { backend, pool } = letter.notification;
    const { ledger } = this.#ports;
    const { deadLetterCapacity: capacity } = this.#options;
    ledger.count(backend, 'accepted');
    ledger.count(backend, 'dead');
    return this.#write(burial(letter, { key: undefined, ledger: [pool, backend], capacity }));
  }

  orphans(): [pool: string, counts: OutboxCounts][] {
    const all = [...this.#orphans].map(([pool, orphan]) => [pool, orphan.counts()] as [string, OutboxCounts]);
    return all.filter(([, { waiting }]) => waiting > 0);
  }

  whyUnready(): string | undefined {
    const problem = this.#isOpen ? this.#link.thread.problem : undefined;
    if (problem === undefined) return undefined;
    return `the outbox cannot write to ${this.#options.folder}: ${problem}`;
  }

  stopRedelivering(): void {
    this.#isRedelivering = false;
  }

  deadLetters(): number {
    return this.#isOpen ? this.#link.thread.deadLetters : 0;
  }

  isStuck(): boolean {
    return this.#isOpen && this.#link.thread.isStuck;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#cancelLook();
    await Promise.all([...this.#orphans.values()].map((orphan) => orphan.close()));
    await this.#link.close();
    await this.#options.ownership.release();
  }

  /** Looks every tick, whatever the thread is doing, because its silence must be observed, too. */
  #look(redeliver: (letter: DeadLetter) => Promise<void>): void {
    this.#link.thread.tick();
    this.#tellProblem();
    if (!this.#isLooking) void this.#lookOnce(redeliver);
    this.#cancelLook = this.#ports.clock.after(TICK_MS, () => this.#look(redeliver));
  }

  #tellProblem(): void {
    const problem = this.whyUnready();
    if (problem === this.#toldProblem) return;
    this.#toldProblem = problem;
    const { observe } = this.#ports;
    if (problem === undefined) observe({ kind: 'outbox-writable' });
    else observe({ kind: 'outbox-unwritable', problem });
  }

  /** Looks for what an operator wants removed or delivered again. The thread also looks whether it can write. */
  async #lookOnce(redeliver: (letter: DeadLetter) => Promise<void>): Promise<void> {
    this.#isLooking = true;
    try {
      const { look, error } = await this.#link.thread.ask({ do: 'look' });
      if (look === undefined) throw new PlainError(`the outbox could not be looked at: ${error}`);
      this.#found(look, redeliver);
    } catch (error) {
      this.#ports.observe({ kind: 'internal-error', where: 'outbox', error });
    }
    this.#isLooking = false;
  }

  #found({ erasures, redeliveries }: Look, redeliver: (letter: DeadLetter) => Promise<void>): void {
    // What an operator has removed must not be sent from memory.
    if (erasures !== this.#erasures) for (const outbox of this.#outboxes.values()) outbox.forgetAll();
    this.#erasures = erasures;
    if (!this.#isRedelivering || this.whyUnready() !== undefined) return;
    for (const text of redeliveries) {
      const letter = this.#decoded(decodeLetter, text);
      if (letter === undefined) continue;
      const { id } = letter.notification;
      if (this.#beingRedelivered.has(id)) continue;
      this.#beingRedelivered.add(id);
      void this.#redeliver(letter, redeliver);
    }
  }

  /** First accepted again, then removed as a letter. After a kill in between it is delivered once more, not lost. */
  async #redeliver(letter: DeadLetter, redeliver: (letter: DeadLetter) => Promise<void>): Promise<void> {
    const { id } = letter.notification;
    try {
      await redeliver(letter);
      // It may not have been written: then it is handed over again when something can be.
      const problem = this.whyUnready();
      if (problem !== undefined) throw new PlainError(`a dead letter was not delivered again: ${problem}`);
      await this.#write({ do: 'redelivered', id });
    } catch (error) {
      this.#ports.observe({ kind: 'internal-error', where: 'outbox', error });
    }
    this.#beingRedelivered.delete(id);
  }

  async #write(operation: Operation): Promise<PutResult> {
    try {
      await this.#link.writing.do(operation);
      return 'accepted';
    } catch (error) {
      this.#ports.observe({ kind: 'internal-error', where: 'outbox', error });
      return 'dropped';
    }
  }
}

/** A backend of a pool whose ledger is off. */
interface Mismatch {
  readonly pool: string;
  readonly backend: string;
  /** delivered + dead + dropped + waiting − accepted. */
  readonly off: number;
}

/** Compares the ledger of a database with what is there. */
class SelfTest {
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
