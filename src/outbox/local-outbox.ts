import type { Delivery, Notification, Verdict } from '../core/delivery.ts';
import type { Outbox, OutboxCounts } from '../core/outbox.ts';
import { Alarm } from './alarm.ts';
import { Chain } from './chain.ts';
import type { OutboxOptions, OutboxSurroundings } from './engine.ts';
import { GuardedRecords } from './guarded-records.ts';
import type { Left, Records } from './records.ts';
import { type Counted, Tally } from './tally.ts';
import { Turns, type Waiting } from './turns.ts';

/** What is known in memory of a record; its headers and body stay where the records are. */
interface Entry extends Waiting<Entry>, Counted<Entry> {
  readonly key: number;
  attempts: number;
}

/**
 * All that is policy in an outbox of one process: capacity, turns, leases, ledger. A change is made in the records
 * first; then ledger and counts change in one synchronous step.
 */
export class LocalOutbox implements Outbox {
  readonly #records: GuardedRecords;
  readonly #keepsWhatIsLeft: boolean;
  readonly #options: OutboxOptions;
  readonly #surroundings: OutboxSurroundings;
  readonly #turns: Turns<Entry>;
  readonly #tally: Tally<Entry>;
  readonly #alarm: Alarm;
  readonly #leased = new Map<Delivery, Entry>();
  readonly #lessees = new Chain<(delivery: Delivery | undefined) => void>();
  readonly #underWay = new Set<Promise<unknown>>();
  #beingWritten = 0;
  #lastPut: Promise<void> = Promise.resolve();
  #isLeasing = true;
  #closed: Promise<void> | undefined;

  constructor(records: Records, options: OutboxOptions, surroundings: OutboxSurroundings) {
    this.#records = new GuardedRecords(records, surroundings.observe);
    this.#keepsWhatIsLeft = records.keepsWhatIsLeft;
    this.#options = options;
    this.#surroundings = surroundings;
    this.#turns = new Turns(options.order);
    this.#tally = new Tally(surroundings);
    this.#alarm = new Alarm(surroundings.clock, () => this.#handOut());
    for (const left of records.left()) this.#enter(left);
  }

  put(notification: Notification): Promise<void> {
    const { capacity, whenFull } = this.#options;
    const isFull = this.#tally.takingRoom + this.#beingWritten >= capacity;
    const oldest = isFull && whenFull === 'drop_oldest' ? this.#tally.oldestWaiting() : undefined;
    if (this.#closed !== undefined || (isFull && oldest === undefined)) {
      this.#tally.refuse(notification, this.#closed === undefined ? 'full' : 'stopped');
      return Promise.resolve();
    }
    const dropped = oldest === undefined ? undefined : this.#track(this.#drop(oldest, 'full'));
    this.#lastPut = this.#track(this.#write(notification, Promise.all([dropped, this.#lastPut])));
    return this.#lastPut;
  }

  lease(): Promise<Delivery | undefined> {
    return new Promise((resolve) => {
      this.#lessees.push(resolve);
      this.#handOut();
    });
  }

  settle(delivery: Delivery, verdict: Verdict): Promise<boolean> {
    const entry = this.#leased.get(delivery);
    if (entry === undefined) return Promise.resolve(false);
    // At once, so that nothing settles or drops it a second time while its end is being written.
    this.#leased.delete(delivery);
    return this.#track(this.#settle(entry, verdict));
  }

  counts(): OutboxCounts {
    return this.#tally.counts();
  }

  drained(): Promise<void> {
    return this.#tally.drained();
  }

  stopLeasing(): void {
    this.#isLeasing = false;
    this.#alarm.cancel();
    this.#handOut();
  }

  close(): Promise<void> {
    this.stopLeasing();
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    for (const entry of this.#leased.values()) this.#tally.move(entry, 'waiting');
    this.#leased.clear();
    if (!this.#keepsWhatIsLeft) {
      const drops: Promise<void>[] = [];
      for (
        let entry = this.#tally.oldestWaiting();
        entry !== undefined;
        entry = this.#tally.oldestWaiting()
      ) {
        drops.push(this.#drop(entry, 'stopped'));
      }
      await Promise.all(drops);
    }
    await this.#records.close();
  }

  /** Enters it only after all that were put before it, because stores may answer in another order. */
  async #write(notification: Notification, before: Promise<unknown>): Promise<void> {
    this.#beingWritten += 1;
    const key = await this.#records.add(notification);
    await before;
    this.#beingWritten -= 1;
    if (key === undefined) this.#tally.refuse(notification, 'unwritable');
    else this.#enter({ key, notification, attempts: 0, dueAtMs: undefined });
    this.#handOut();
  }

  #enter({ key, notification: { id, backend, sender, acceptedAtMs }, attempts, dueAtMs }: Left): void {
    const { clock } = this.#surroundings;
    const places = { dueAtMs: 0, heapIndex: -1, place: undefined, placeByAge: undefined };
    const entry: Entry = { key, id, backend, sender, acceptedAtMs, attempts, state: 'waiting', ...places };
    this.#tally.accept(entry);
    if (dueAtMs === undefined) this.#turns.add(entry);
    else this.#turns.addAside(entry, clock.monotonic() + dueAtMs - clock.now());
  }

  async #settle(entry: Entry, verdict: Verdict): Promise<boolean> {
    const { clock } = this.#surroundings;
    if (verdict.kind === 'retry') {
      // Monotonic, so that setting the machine's clock neither delays nor hastens a retry of this run.
      const atMs = clock.monotonic() + verdict.afterMs;
      const dueAtMs = clock.now() + verdict.afterMs;
      entry.attempts += 1;
      await this.#records.postpone(entry.key, entry.attempts, dueAtMs);
      this.#tally.move(entry, 'waiting');
      this.#turns.putAside(entry, atMs);
    } else {
      await this.#records.remove(entry.key);
      this.#turns.end(entry);
      this.#tally.end(entry, verdict.kind);
    }
    this.#handOut();
    return true;
  }

  async #drop(entry: Entry, reason: 'full' | 'stopped'): Promise<void> {
    this.#tally.move(entry, 'leaving');
    this.#turns.remove(entry);
    const notification = this.#records.read(entry.key);
    await this.#records.remove(entry.key);
    this.#tally.end(entry, 'dropped');
    if (notification !== undefined) {
      this.#surroundings.observe({ kind: 'notification-dropped', notification, reason });
    }
    this.#handOut();
  }

  #handOut(): void {
    const nowMs = this.#surroundings.clock.monotonic();
    while (!this.#lessees.isEmpty()) {
      const entry = this.#isLeasing ? this.#turns.take(nowMs) : undefined;
      if (entry === undefined && this.#isLeasing) break;
      const delivery = entry && this.#leaseOut(entry);
      if (entry === undefined || delivery !== undefined) this.#lessees.shift()?.(delivery);
    }
    const atMs = this.#turns.nextDueAtMs;
    if (atMs !== undefined && this.#isLeasing && !this.#lessees.isEmpty()) this.#alarm.set(atMs);
  }

  /** Undefined if the record cannot be read: it is dropped, but not removed, so that it can be looked into. */
  #leaseOut(entry: Entry): Delivery | undefined {
    const notification = this.#records.read(entry.key);
    if (notification === undefined) {
      this.#turns.end(entry);
      this.#tally.end(entry, 'dropped');
      return undefined;
    }
    this.#tally.move(entry, 'in-flight');
    const delivery: Delivery = { notification, attempts: entry.attempts };
    this.#leased.set(delivery, entry);
    return delivery;
  }

  async #track<T>(operation: Promise<T>): Promise<T> {
    this.#underWay.add(operation);
    try {
      return await operation;
    } finally {
      this.#underWay.delete(operation);
    }
  }
}
