import type { Delivery, Notification, Verdict } from '../../core/delivery.ts';
import type { Outbox, OutboxCounts } from '../../core/outbox.ts';
import { Chain, type Place } from '../chain.ts';
import type { OutboxEngine, OutboxOptions, OutboxSurroundings } from '../engine.ts';
import { Turns, type Waiting } from '../turns.ts';

interface Entry extends Delivery, Waiting<Entry> {
  attempts: number;
  isLeased: boolean;
  /** Among all that are not settled; undefined once it is. */
  placeByAge: Place<Entry> | undefined;
}

/** Keeps deliveries in this process: fast, bounded, and gone with the process. */
export const memory: OutboxEngine = (options, surroundings) => new MemoryOutbox(options, surroundings);

class MemoryOutbox implements Outbox {
  readonly #options: OutboxOptions;
  readonly #surroundings: OutboxSurroundings;
  readonly #turns: Turns<Entry>;
  readonly #byAge = new Chain<Entry>();
  readonly #lessees = new Chain<(delivery: Delivery | undefined) => void>();
  readonly #onDrained: (() => void)[] = [];
  #waiting = 0;
  #inFlight = 0;
  #isLeasing = true;
  #isClosed = false;
  #alarm: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(options: OutboxOptions, surroundings: OutboxSurroundings) {
    this.#options = options;
    this.#surroundings = surroundings;
    this.#turns = new Turns(options.order);
  }

  put(notification: Notification): Promise<void> {
    this.#surroundings.ledger.count(notification.backend, 'accepted');
    if (this.#isClosed || !this.#makeRoom()) {
      this.#countDropped(notification, this.#isClosed ? 'stopped' : 'full');
      return Promise.resolve();
    }
    const entry: Entry = {
      notification,
      attempts: 0,
      id: notification.id,
      sender: notification.sender,
      isLeased: false,
      dueAtMs: 0,
      heapIndex: -1,
      place: undefined,
      placeByAge: undefined,
    };
    this.#waiting += 1;
    entry.placeByAge = this.#byAge.push(entry);
    this.#turns.add(entry);
    this.#handOut();
    return Promise.resolve();
  }

  lease(): Promise<Delivery | undefined> {
    return new Promise((resolve) => {
      this.#lessees.push(resolve);
      this.#handOut();
    });
  }

  settle(delivery: Delivery, verdict: Verdict): Promise<boolean> {
    const entry = delivery as Entry;
    if (!entry.isLeased) return Promise.resolve(false);
    this.#inFlight -= 1;
    entry.isLeased = false;
    if (verdict.kind === 'retry') {
      this.#waiting += 1;
      entry.attempts += 1;
      this.#turns.putAside(entry, this.#surroundings.clock.monotonic() + verdict.afterMs);
    } else {
      this.#forgetAge(entry);
      this.#turns.end(entry);
      this.#surroundings.ledger.count(entry.notification.backend, verdict.kind);
    }
    this.#handOut();
    this.#tellDrained();
    return Promise.resolve(true);
  }

  counts(): OutboxCounts {
    return {
      waiting: this.#waiting,
      inFlight: this.#inFlight,
      oldestAcceptedAtMs: this.#byAge.first?.item.notification.acceptedAtMs,
    };
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained.push(resolve);
      this.#tellDrained();
    });
  }

  stopLeasing(): void {
    this.#isLeasing = false;
    this.#alarm?.cancel();
    this.#handOut();
  }

  close(): Promise<void> {
    this.stopLeasing();
    this.#isClosed = true;
    for (let place = this.#byAge.first; place !== undefined; place = this.#byAge.first) {
      this.#drop(place.item, 'stopped');
    }
    this.#tellDrained();
    return Promise.resolve();
  }

  #handOut(): void {
    // Monotonic, so that setting the machine's clock neither delays nor hastens a retry.
    const nowMs = this.#surroundings.clock.monotonic();
    while (!this.#lessees.isEmpty()) {
      const entry = this.#isLeasing ? this.#turns.take(nowMs) : undefined;
      if (entry === undefined && this.#isLeasing) break;
      if (entry !== undefined) {
        entry.isLeased = true;
        this.#waiting -= 1;
        this.#inFlight += 1;
      }
      this.#lessees.shift()?.(entry);
    }
    this.#setAlarm(nowMs);
  }

  #setAlarm(nowMs: number): void {
    const atMs = this.#turns.nextDueAtMs;
    if (atMs === undefined || !this.#isLeasing || this.#lessees.isEmpty()) return;
    if (this.#alarm !== undefined && this.#alarm.atMs <= atMs) return;
    this.#alarm?.cancel();
    const ring = (): void => {
      this.#alarm = undefined;
      this.#handOut();
    };
    this.#alarm = { atMs, cancel: this.#surroundings.clock.after(Math.max(0, atMs - nowMs), ring) };
  }

  /** Drops the oldest one that waits, if there is no room and that is the policy. */
  #makeRoom(): boolean {
    if (this.#waiting < this.#options.capacity) return true;
    if (this.#options.whenFull === 'drop_newest') return false;
    let oldest = this.#byAge.first;
    while (oldest?.item.isLeased) oldest = oldest.next;
    if (oldest === undefined) return false;
    this.#drop(oldest.item, 'full');
    return true;
  }

  #drop(entry: Entry, reason: 'full' | 'stopped'): void {
    if (entry.isLeased) this.#inFlight -= 1;
    else this.#waiting -= 1;
    entry.isLeased = false;
    this.#forgetAge(entry);
    this.#turns.remove(entry);
    this.#countDropped(entry.notification, reason);
  }

  #forgetAge(entry: Entry): void {
    if (entry.placeByAge !== undefined) this.#byAge.remove(entry.placeByAge);
    entry.placeByAge = undefined;
  }

  #countDropped(notification: Notification, reason: 'full' | 'stopped'): void {
    this.#surroundings.ledger.count(notification.backend, 'dropped');
    this.#surroundings.observe({ kind: 'notification-dropped', notification, reason });
  }

  #tellDrained(): void {
    if (this.#waiting + this.#inFlight > 0) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}
