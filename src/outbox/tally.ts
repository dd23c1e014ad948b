import type { Notification } from '../core/delivery.ts';
import { Ages } from './ages.ts';
import type { OutboxSurroundings } from '../core/outbox-store.ts';

export type DropReason = 'full' | 'stopped' | 'unwritable';

/** What an entry must have to be counted. */
export interface Counted {
  readonly backend: string;
  /** By the monotonic clock, so that setting the machine's makes nothing older; below 0: in an earlier run. */
  readonly acceptedAtSeconds: number;
  /**
   * `leaving`: it waits still as far as the counts say, but its end is being written; `reading`: so does one that is
   * being read for somebody who waits for it.
   */
  state: 'waiting' | 'reading' | 'leaving' | 'in-flight' | 'ended';
}

/** Counts what an outbox holds, in one step with the ledger. */
export class Tally<T extends Counted> {
  readonly #surroundings: OutboxSurroundings;
  readonly #ages = new Ages<T>();
  readonly #onDrained: (() => void)[] = [];
  #waiting = 0;
  #leaving = 0;
  #inFlight = 0;

  constructor(surroundings: OutboxSurroundings) {
    this.#surroundings = surroundings;
  }

  /** How many take room: one whose end is being written does not. */
  get takingRoom(): number {
    return this.#waiting - this.#leaving;
  }

  counts() {
    const oldest = this.#ages.oldest();
    return {
      waiting: this.#waiting,
      inFlight: this.#inFlight,
      oldestAtSeconds: oldest?.acceptedAtSeconds,
    };
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained.push(resolve);
      this.#tellDrained();
    });
  }

  /** The oldest one that waits. */
  oldestWaiting(): T | undefined {
    return this.#ages.oldest(({ state }) => state === 'waiting');
  }

  allWaiting(): T[] {
    return this.#ages.all(({ state }) => state === 'waiting');
  }

  /** Visits all that have not ended, without a list of them: a million would hold up the event loop for a third of a second. */
  forEach(visit: (entry: T) => void): void {
    this.#ages.forEach(visit);
  }

  accept(entry: T): void {
    this.#surroundings.ledger.count(entry.backend, 'accepted');
    this.#ages.add(entry);
    this.#add(entry.state, 1);
  }

  move(entry: T, state: Exclude<Counted['state'], 'ended'>): void {
    this.#add(entry.state, -1);
    entry.state = state;
    this.#add(state, 1);
  }

  end(entry: T, end: 'delivered' | 'dead' | 'dropped'): void {
    this.#add(entry.state, -1);
    entry.state = 'ended';
    this.#ages.oneEnded();
    this.#surroundings.ledger.count(entry.backend, end);
    this.#tellDrained();
  }

  /** Accepted and dropped at once: it never waited. */
  refuse(notification: Notification, reason: DropReason): void {
    const { ledger, observe } = this.#surroundings;
    ledger.count(notification.backend, 'accepted');
    ledger.count(notification.backend, 'dropped');
    observe({ kind: 'notification-dropped', notification, reason });
  }

  #add(state: T['state'], count: number): void {
    if (state === 'in-flight') this.#inFlight += count;
    else this.#waiting += count;
    if (state === 'leaving') this.#leaving += count;
  }

  #tellDrained(): void {
    if (this.#waiting + this.#inFlight > 0) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}
