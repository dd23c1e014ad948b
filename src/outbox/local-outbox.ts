import type { Attempt, Delivery, End, Notification, Verdict } from '../core/delivery.ts';
import type { Outbox, OutboxCounts } from '../core/outbox.ts';
import { believableWaitMs } from '../core/retry-policy.ts';
import { UnderWay } from '../core/under-way.ts';
import { Alarm } from './alarm.ts';
import { AtHand } from './at-hand.ts';
import { Destinations } from './destinations.ts';
import { type Entry, monotonicMs, newEntry, unixMs } from './entry.ts';
import type { OutboxOptions, OutboxSurroundings } from '../core/outbox-store.ts';
import { GuardedRecords } from './guarded-records.ts';
import { Leases } from './leases.ts';
import { Lessees } from './lessees.ts';
import { ReadAhead } from './read-ahead.ts';
import { type Records, type RecordSummary, summaryOf } from './records.ts';
import { Tally } from './tally.ts';
import { Unwritten } from './unwritten.ts';

/**
 * All that is policy in an outbox of one process: capacity, turns, leases, ledger. A change is made in the records
 * first; then ledger and counts change in one synchronous step.
 */
export class LocalOutbox implements Outbox {
  readonly #records: GuardedRecords;
  readonly #options: OutboxOptions;
  readonly #surroundings: OutboxSurroundings;
  readonly #destinations: Destinations<Entry>;
  readonly #tally: Tally<Entry>;
  readonly #alarm: Alarm;
  readonly #leases: Leases;
  readonly #atHand: AtHand;
  readonly #readAhead: ReadAhead;
  readonly #lessees = new Lessees();
  readonly #underWay = new UnderWay();
  readonly #unwritten = new Unwritten();
  #isLeasing = true;
  #closed: Promise<void> | undefined;

  constructor(records: Records, options: OutboxOptions, surroundings: OutboxSurroundings) {
    this.#records = new GuardedRecords(records, surroundings.observe);
    this.#options = options;
    this.#surroundings = surroundings;
    this.#atHand = new AtHand(records.atHandBytes);
    this.#destinations = new Destinations({ ...options, order: options.retry.order });
    this.#leases = new Leases(surroundings.clock);
    this.#readAhead = new ReadAhead({
      records: this.#records,
      atHand: this.#atHand,
      clock: surroundings.clock,
      upcoming: (entry) => this.#destinations.upcoming(entry),
      give: (entry, notification) => this.#leaseOut(entry, notification),
    });
    this.#tally = new Tally(surroundings);
    this.#alarm = new Alarm(surroundings.clock, () => this.#handOut());
  }

  /**
   * Takes up what an earlier run left, in the order of the keys, before anybody leases.
   * @param dueAtMs Unix time in milliseconds; 0 if no attempt was made.
   */
  restore(record: RecordSummary, dueAtMs: number): void {
    const { clock } = this.#surroundings;
    const entry = newEntry(record, monotonicMs(clock, record.acceptedAtSeconds * 1000));
    this.#tally.accept(entry);
    if (dueAtMs === 0) return this.#destinations.add(entry);
    const waitMs = believableWaitMs(this.#options.retry, record.attempts, dueAtMs - clock.now());
    this.#destinations.addAside(entry, clock.monotonic() + waitMs);
  }

  hasRoom(): boolean {
    if (this.#closed !== undefined) return false;
    return this.#tally.takingRoom + this.#unwritten.count < this.#options.capacity;
  }

  put(notification: Notification): Promise<void> {
    const isFull = !this.hasRoom();
    const mayDropOldest = isFull && this.#options.whenFull === 'drop_oldest';
    const oldest = mayDropOldest ? this.#tally.oldestWaiting() : undefined;
    if (this.#closed !== undefined || (isFull && oldest === undefined)) {
      this.#tally.refuse(notification, this.#closed === undefined ? 'full' : 'stopped');
      return Promise.resolve();
    }
    if (oldest !== undefined) void this.#underWay.track(this.#drop(oldest, 'full'));
    const acceptedAtMs = monotonicMs(this.#surroundings.clock, notification.acceptedAtMs);
    const end = this.#unwritten.begin(acceptedAtMs);
    const written = this.#records.add(notification).then((key) => {
      end();
      this.#written(notification, key, acceptedAtMs);
    });
    return this.#underWay.track(written);
  }

  lease(): Promise<Delivery | undefined> {
    const delivery = this.#lessees.wait();
    this.#handOut();
    return delivery;
  }

  settle(delivery: Delivery, verdict: Verdict, attempt?: Attempt): Promise<boolean> {
    // At once, so that nothing settles or drops it a second time while its end is being written.
    const entry = this.#leases.end(delivery);
    if (entry === undefined) return Promise.resolve(false);
    entry.attempts += 1;
    // Before the end is written: the sender's next need not wait for the disk.
    const nowMs = this.#surroundings.clock.monotonic();
    this.#destinations.settle(entry, verdict, attempt === undefined ? { nowMs } : { nowMs, attempt });
    if (verdict.kind === 'retry') return this.#underWay.track(this.#postpone(entry, verdict.afterMs));
    this.#tally.move(entry, 'leaving');
    this.#handOut();
    return this.#underWay.track(this.#writeEnd(entry, delivery.notification, verdict, attempt));
  }

  counts(): OutboxCounts {
    const { clock } = this.#surroundings;
    const { count, oldestAtMs } = this.#unwritten;
    const { oldestAtSeconds = oldestAtMs && Math.floor(oldestAtMs / 1000), ...counts } = this.#tally.counts();
    const oldestAcceptedAtMs =
      oldestAtSeconds === undefined ? undefined : unixMs(clock, oldestAtSeconds * 1000);
    return { ...counts, unwritten: count, oldestAcceptedAtMs };
  }

  drained(): Promise<void> {
    return this.#tally.drained();
  }

  /** To be called when somebody else has removed records: nothing at hand is sure any more. */
  forgetAll(): void {
    this.#tally.forEach((entry) => this.#atHand.forget(entry));
  }

  stopLeasing(): void {
    this.#isLeasing = false;
    this.#alarm.cancel();
    this.#readAhead.stop();
    this.#handOut();
  }

  close(): Promise<void> {
    this.stopLeasing();
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#underWay.settled();
    for (const entry of this.#leases.endAll()) this.#tally.move(entry, 'waiting');
    if (this.#records.keepsWhatIsLeft) return;
    await Promise.all(this.#tally.allWaiting().map((entry) => this.#drop(entry, 'stopped')));
  }

  #written(notification: Notification, key: number | undefined, acceptedAtMs: number): void {
    if (key === undefined) return this.#tally.refuse(notification, 'unwritable');
    const entry = newEntry(summaryOf(notification, key), acceptedAtMs);
    this.#atHand.keep(entry, notification);
    this.#tally.accept(entry);
    this.#surroundings.observe({ kind: 'notification-accepted', notification });
    this.#destinations.add(entry);
    this.#handOut();
  }

  #postpone(entry: Entry, afterMs: number): Promise<boolean> {
    const { clock } = this.#surroundings;
    this.#tally.move(entry, 'waiting');
    this.#atHand.yieldRoom(entry);
    this.#handOut();
    // For the next run, which knows no other time than the machine's as it stands now.
    const acceptedAtSeconds = Math.round(unixMs(clock, entry.acceptedAtSeconds * 1000) / 1000);
    const { key, backend, sender, attempts } = entry;
    const record = { key, backend, sender, acceptedAtSeconds, attempts };
    return this.#records.postpone(record, clock.now() + afterMs).then(() => true);
  }

  #writeEnd(entry: Entry, notification: Notification, verdict: End, attempt?: Attempt): Promise<boolean> {
    if (verdict.kind === 'delivered') {
      return this.#records.remove(entry, 'delivered').then(() => this.#end(entry, 'delivered'));
    }
    const end = {
      reason: verdict.reason,
      diedAtMs: this.#surroundings.clock.now(),
      attempts: entry.attempts,
    };
    const letter = { notification, ...end, ...(attempt && { attempt }) };
    return this.#records.bury(entry, letter).then(() => this.#end(entry, 'dead'));
  }

  #end(entry: Entry, end: 'delivered' | 'dead' | 'dropped'): true {
    this.#atHand.forget(entry);
    this.#tally.end(entry, end);
    return true;
  }

  async #drop(entry: Entry, reason: 'full' | 'stopped'): Promise<void> {
    this.#tally.move(entry, 'leaving');
    this.#destinations.remove(entry);
    const notification = entry.notification ?? (await this.#records.read([entry.key]))?.[0];
    await this.#records.remove(entry, 'dropped');
    this.#end(entry, 'dropped');
    if (notification) this.#surroundings.observe({ kind: 'notification-dropped', notification, reason });
    this.#handOut();
  }

  #handOut(): void {
    if (!this.#isLeasing) return this.#endLessees();
    const nowMs = this.#surroundings.clock.monotonic();
    while (this.#lessees.count > this.#readAhead.wanted) {
      const entry = this.#destinations.take(nowMs);
      if (entry === undefined) return this.#wakeAtNextTurn(nowMs);
      this.#begin(entry);
    }
  }

  #endLessees(): void {
    while (this.#lessees.count > 0) this.#lessees.serve(undefined);
  }

  #wakeAtNextTurn(nowMs: number): void {
    const atMs = this.#destinations.nextAtMs(nowMs);
    if (atMs !== undefined) this.#alarm.set(atMs);
  }

  #begin(entry: Entry): void {
    if (entry.notification === undefined) {
      this.#tally.move(entry, 'reading');
      this.#readAhead.want(entry);
    } else {
      this.#readAhead.taken(entry);
      this.#leaseOut(entry, entry.notification);
    }
  }

  /** Without a notification, because the record cannot be read, it is dropped, but not removed: it can be looked into. */
  #leaseOut(entry: Entry, notification: Notification | undefined): void {
    if (notification === undefined) {
      this.#destinations.withdraw(entry);
      this.#end(entry, 'dropped');
      return this.#handOut();
    }
    this.#tally.move(entry, 'in-flight');
    this.#lessees.serve(this.#leases.begin(entry, notification));
  }
}
