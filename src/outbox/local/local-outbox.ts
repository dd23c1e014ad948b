import { Chain } from '../../core/chain.ts';
import type { Clock } from '../../core/clock.ts';
import type { Attempt, End, Notification, Verdict } from '../../core/delivery.ts';
import type { NextAttempt } from '../../core/operator.ts';
import type { Lease, Outbox, OutboxCounts, PutResult } from '../../core/outbox.ts';
import type { OutboxOptions, OutboxPorts } from '../../core/outbox-store.ts';
import { believableWaitMs } from '../../core/retry-policy.ts';
import { UnderWay } from '../../core/under-way.ts';
import { packLastAttempt } from '../last-attempt.ts';
import { GuardedRecords, type Records, type RecordSummary, summaryOf } from '../records.ts';
import { Cache, ReadAhead } from './cache.ts';
import { Destinations, type WorkerPlace } from './destinations.ts';
import { Alarm } from './due-times.ts';
import { Inventory, isUntaken } from './inventory.ts';
import { LeaseCall, type LeaseOwner, LocalLease } from './leases.ts';
import { type Entry, monotonicMs, newEntry, unixMs } from './life.ts';
import { type ListedOutbox, readAll } from './running-operator.ts';
/**
 * The policy of an outbox of one process: capacity, turns, leases, ledger. A change is made in the records first. Then
 * ledger and counts change in one synchronous step.
 */
export class LocalOutbox implements Outbox, LeaseOwner, ListedOutbox {
  readonly clock: Clock;
  readonly #records: GuardedRecords;
  readonly #options: OutboxOptions;
  readonly #ports: OutboxPorts;
  readonly #destinations: Destinations;
  readonly #inventory: Inventory;
  readonly #alarm: Alarm;
  readonly #cache: Cache;
  readonly #readAhead: ReadAhead;
  /** Calls of workers that have nothing to do, and those whose leases are being read. */
  readonly #idleCalls = new Chain<LeaseCall>();
  readonly #readingCalls = new Chain<LeaseCall>();
  readonly #out = new Chain<LocalLease>();
  readonly #underWay = new UnderWay();
  #isLeasing = true;
  #closed: Promise<void> | undefined;

  constructor(records: Records, options: OutboxOptions, ports: OutboxPorts) {
    this.clock = ports.clock;
    this.#records = new GuardedRecords(records, ports.observe);
    this.#options = options;
    this.#ports = ports;
    this.#cache = new Cache(records.cachedBytes);
    this.#inventory = new Inventory(ports);
    this.#destinations = new Destinations({
      ...options,
      order: options.retry.order,
      move: (entry, to) => this.#inventory.move(entry, to),
    });
    this.#readAhead = new ReadAhead({
      records: this.#records,
      cache: this.#cache,
      clock: ports.clock,
      upcoming: (entry) => this.#destinations.upcoming(entry),
      give: (lease, notification) => this.#haveRead(lease, notification),
    });
    this.#alarm = new Alarm(ports.clock, () => this.#handOut());
  }

  /**
   * Takes up what an earlier run left, in the order of the keys, before anybody leases.
   * @param dueAtMs Unix time in milliseconds; 0 if no attempt was made.
   */
  restore(record: RecordSummary, dueAtMs: number): void {
    const { clock } = this;
    const acceptedAtMs = monotonicMs(clock, record.acceptedAtSeconds * 1000);
    const entry = newEntry(record, acceptedAtMs, dueAtMs === 0 ? 'queued' : 'aside');
    this.#inventory.accept(entry);
    if (entry.state === 'queued') return this.#destinations.add(entry);
    const waitMs = believableWaitMs(this.#options.retry, record.attempts, dueAtMs - clock.now());
    this.#destinations.addAside(entry, clock.monotonic() + waitMs);
  }

  hasRoom(): boolean {
    if (this.#closed !== undefined) return false;
    return this.#inventory.roomTaken < this.#options.capacity;
  }

  put(notification: Notification): Promise<PutResult> {
    const isFull = !this.hasRoom();
    const mayDropOldest = isFull && this.#options.whenFull === 'drop_oldest';
    const oldest = mayDropOldest ? this.#inventory.oldestUntaken() : undefined;
    if (this.#closed !== undefined || (isFull && oldest === undefined)) {
      this.#inventory.refuse(notification, this.#closed === undefined ? 'full' : 'stopped');
      return Promise.resolve('dropped');
    }
    if (oldest !== undefined) void this.#underWay.track(this.#dropUntaken(oldest, 'full'));
    const acceptedAtMs = monotonicMs(this.clock, notification.acceptedAtMs);
    const endWriting = this.#inventory.beginWriting(acceptedAtMs);
    const written = this.#records.add(notification).then((key) => {
      endWriting();
      return this.#written(notification, key, acceptedAtMs);
    });
    return this.#underWay.track(written);
  }

  lease(most: number): Promise<readonly Lease[]> {
    return new Promise((resolve) => {
      this.#idleCalls.push(new LeaseCall(most, resolve));
      this.#handOut();
    });
  }

  settle(lease: LocalLease, verdict: Verdict, attempt?: Attempt): Promise<boolean> {
    // Now, so that nothing settles or drops it a second time while its end is being written.
    if (!this.#end(lease)) return Promise.resolve(false);
    const { entry, place, notification } = lease;
    entry.attempts += 1;
    entry.last = lastOf(verdict, attempt);
    // Before the end is written: the sender's next need not wait for the disk.
    const nowMs = this.clock.monotonic();
    place.settle(entry, verdict, attempt === undefined ? { nowMs } : { nowMs, attempt });
    if (verdict.kind === 'retry') return this.#underWay.track(this.#postpone(entry, verdict.afterMs));
    this.#inventory.move(entry, 'leaving');
    this.#handOut();
    return this.#underWay.track(this.#writeEnd(entry, notification, verdict, attempt));
  }

  giveBack(lease: LocalLease): boolean {
    if (!this.#end(lease)) return false;
    this.#putBack(lease);
    this.#handOut();
    return true;
  }

  counts(): OutboxCounts {
    return this.#inventory.counts();
  }

  drained(): Promise<void> {
    return this.#inventory.drained();
  }

  entries(): Iterable<Entry> {
    return this.#inventory.entries();
  }

  nextAttempt(entry: Entry): NextAttempt {
    return this.#destinations.nextAttempt(entry, this.clock);
  }

  read(entries: readonly Entry[]): Promise<readonly (Notification | undefined)[] | undefined> {
    return readAll(entries, this.#records);
  }

  drop(entry: Entry): Promise<void> {
    if (isUntaken(entry)) return this.#underWay.track(this.#dropUntaken(entry));
    this.#cache.forget(entry);
    return this.#underWay.track(this.#records.remove(entry, 'dropped'));
  }

  /** To be called when somebody else has removed records: what is cached may be removed. */
  forgetAll(): void {
    this.#inventory.forEach((entry) => this.#cache.forget(entry));
  }

  stopLeasing(): void {
    this.#isLeasing = false;
    this.#alarm.cancel();
    this.#readAhead.stop();
    this.#endCalls();
  }

  close(): Promise<void> {
    this.stopLeasing();
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#underWay.settled();
    for (let { first } = this.#out; first !== undefined; { first } = this.#out) {
      this.#end(first);
      this.#putBack(first);
    }
    if (this.#records.keepsWhatIsLeft) return;
    await Promise.all(this.#inventory.allUntaken().map((entry) => this.#dropUntaken(entry, 'stopped')));
  }

  #written(notification: Notification, key: number | undefined, acceptedAtMs: number): PutResult {
    if (key === undefined) {
      this.#inventory.refuse(notification, 'unwritable');
      return 'dropped';
    }
    const entry = newEntry(summaryOf(notification, key), acceptedAtMs);
    this.#cache.keep(entry, notification);
    this.#inventory.accept(entry);
    this.#ports.observe({ kind: 'notification-accepted', notification });
    this.#destinations.add(entry);
    this.#handOut();
    return 'accepted';
  }

  #postpone(entry: Entry, afterMs: number): Promise<boolean> {
    const { clock } = this;
    this.#cache.yieldRoom(entry);
    this.#handOut();
    // For the next run, which knows only the machine's clock.
    const acceptedAtSeconds = Math.round(unixMs(clock, entry.acceptedAtSeconds * 1000) / 1000);
    const { key, backend, sender, attempts, last } = entry;
    const record = { key, backend, sender, acceptedAtSeconds, attempts, last };
    return this.#records.postpone(record, clock.now() + afterMs).then(() => true);
  }

  #writeEnd(entry: Entry, notification: Notification, verdict: End, attempt?: Attempt): Promise<boolean> {
    if (verdict.kind === 'delivered') {
      return this.#records.remove(entry, 'delivered').then(() => this.#gone(entry, 'delivered'));
    }
    const end = {
      reason: verdict.reason,
      diedAtMs: this.clock.now(),
      attempts: entry.attempts,
    };
    const letter = { notification, ...end, ...(attempt && { attempt }) };
    return this.#records.bury(entry, letter).then(() => this.#gone(entry, 'dead'));
  }

  #gone(entry: Entry, end: 'delivered' | 'dead' | 'dropped'): true {
    this.#cache.forget(entry);
    this.#inventory.end(entry, end);
    return true;
  }

  /** @param reason Is observed. Undefined: an operator wants it. */
  async #dropUntaken(entry: Entry, reason?: 'full' | 'stopped'): Promise<void> {
    this.#inventory.move(entry, 'leaving');
    this.#destinations.remove(entry);
    const notification = reason && (entry.notification ?? (await this.#records.read([entry.key]))?.[0]);
    await this.#records.remove(entry, 'dropped');
    this.#gone(entry, 'dropped');
    if (notification) this.#ports.observe({ kind: 'notification-dropped', notification, reason });
    this.#handOut();
  }

  #handOut(): void {
    if (!this.#isLeasing) return this.#endCalls();
    const nowMs = this.clock.monotonic();
    for (let { first } = this.#idleCalls; first !== undefined; { first } = this.#idleCalls) {
      const place = this.#destinations.begin(nowMs);
      if (place === undefined) return this.#wakeAtNextTurn(nowMs);
      this.#idleCalls.remove(first);
      this.#fill(first, place);
    }
  }

  #wakeAtNextTurn(nowMs: number): void {
    const atMs = this.#destinations.nextAtMs(nowMs);
    if (atMs !== undefined) this.#alarm.set(atMs);
  }

  /** Gives a call what it may carry; once all of it is read, the call is served. */
  #fill(call: LeaseCall, place: WorkerPlace): void {
    this.#readingCalls.push(call);
    for (let count = 0; count < call.most; count += 1) {
      const entry = place.take();
      if (entry === undefined) break;
      const lease = new LocalLease({ entry, place, call }, this);
      call.leases.push(lease);
      if (entry.notification === undefined) this.#want(lease);
      else this.#haveCached(lease, entry.notification);
    }
    this.#serveIfRead(call);
  }

  #haveCached(lease: LocalLease, notification: Notification): void {
    this.#readAhead.taken(lease.entry);
    this.#inventory.move(lease.entry, 'leased');
    lease.carry(notification);
  }

  #want(lease: LocalLease): void {
    lease.call.unread += 1;
    this.#inventory.move(lease.entry, 'reading');
    this.#readAhead.want(lease);
  }

  /** Unreadable (no notification): counted as dropped; its record stays for inspection. */
  #haveRead(lease: LocalLease, notification: Notification | undefined): void {
    const { call, entry, place } = lease;
    call.unread -= 1;
    if (notification !== undefined) {
      this.#inventory.move(entry, 'leased');
      lease.carry(notification);
    } else {
      call.leases = call.leases.filter((other) => other !== lease);
      place.withdraw(entry);
      this.#gone(entry, 'dropped');
    }
    this.#serveIfRead(call);
    if (notification === undefined) this.#handOut();
  }

  #serveIfRead(call: LeaseCall): void {
    if (call.unread > 0) return;
    this.#readingCalls.remove(call);
    if (call.leases.length === 0) return this.#idleCalls.unshift(call);
    for (const lease of call.leases) {
      lease.isOut = true;
      this.#out.push(lease);
    }
    call.resolve(call.leases);
  }

  /** Ends a lease that is out; false if it has ended before. */
  #end(lease: LocalLease): boolean {
    if (!lease.isOut) return false;
    lease.isOut = false;
    this.#out.remove(lease);
    return true;
  }

  /** What was taken and not attempted waits as before. */
  #putBack({ entry, place }: LocalLease): void {
    place.giveBack(entry);
  }

  #endCalls(): void {
    for (let { first } = this.#readingCalls; first !== undefined; { first } = this.#readingCalls) {
      this.#readingCalls.remove(first);
      for (const lease of first.leases) {
        if (lease.entry.state === 'reading') this.#readAhead.unwant(lease);
        this.#putBack(lease);
      }
      first.resolve([]);
    }
    for (let { first } = this.#idleCalls; first !== undefined; { first } = this.#idleCalls) {
      this.#idleCalls.remove(first);
      first.resolve([]);
    }
  }
}

/** What is kept of an attempt, for operators. */
function lastOf(verdict: Verdict, attempt: Attempt | undefined): number {
  if (verdict.kind !== 'retry' || attempt === undefined) return 0;
  return packLastAttempt({ attempt, cause: verdict.cause ?? 'back-off' });
}
