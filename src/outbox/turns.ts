import type { DeliveryOrder } from '../core/retry-policy.ts';
import { DueTimes, type Timed } from './due-times.ts';
import { Fifo } from './fifo.ts';

/** What a delivery must have to wait for its turn. */
export interface Waiting extends Timed {
  readonly id: string;
  readonly sender: string;
  /** Set when it was dropped while it waited: it is passed over. */
  isGone: boolean;
}

/** One sender's deliveries. */
interface Lane<T> {
  readonly key: string;
  readonly waiting: Fifo<T>;
  /** One of them is out (or, with `strict`, waits for its next attempt): the others stand still. */
  isBusy: boolean;
}

/**
 * Says whose turn it is. `sender`: no two of one sender are out at a time and first attempts keep their order, but one
 * that failed waits aside while the sender's next goes on. `strict`: the next waits too. `none`: each for itself.
 */
export class Turns<T extends Waiting> {
  readonly #order: DeliveryOrder;
  readonly #lanes = new Map<string, Lane<T>>();
  readonly #ready = new Fifo<Lane<T>>();
  readonly #aside = new DueTimes<T>();

  constructor(order: DeliveryOrder) {
    this.#order = order;
  }

  /** When the next one that waits aside is due. */
  get nextDueAtMs(): number | undefined {
    return this.#aside.nextAtMs;
  }

  add(item: T): void {
    this.#enter(item, 'last');
  }

  /** Takes the next one whose turn it is; it stays out until `end` or `putAside`. */
  take(nowMs: number): T | undefined {
    for (let due = this.#aside.takeDue(nowMs); due !== undefined; due = this.#aside.takeDue(nowMs)) {
      if (this.#order === 'strict') this.#release(due);
      this.#enter(due, 'first');
    }
    for (let lane = this.#ready.shift(); lane !== undefined; lane = this.#ready.shift()) {
      const item = lane.waiting.shift();
      if (item !== undefined && !item.isGone) {
        lane.isBusy = true;
        return item;
      }
      this.#makeReady(lane);
    }
    return undefined;
  }

  /** Ends the turn of one that is not to come again. */
  end(item: T): void {
    const lane = this.#release(item);
    if (lane !== undefined) this.#makeReady(lane);
  }

  /** Ends the turn of one that is to come again at `atMs`. */
  putAside(item: T, atMs: number): void {
    if (this.#order !== 'strict') this.end(item);
    this.#aside.add(atMs, item);
  }

  /** Passes over one that waits. */
  remove(item: T): void {
    item.isGone = true;
    if (this.#aside.remove(item) && this.#order === 'strict') this.end(item);
  }

  #enter(item: T, where: 'first' | 'last'): void {
    const key = this.#keyOf(item);
    const lane = this.#lanes.get(key) ?? { key, waiting: new Fifo<T>(), isBusy: false };
    this.#lanes.set(key, lane);
    const wasIdle = lane.waiting.isEmpty() && !lane.isBusy;
    if (where === 'first') lane.waiting.unshift(item);
    else lane.waiting.push(item);
    if (wasIdle || (where === 'first' && this.#order === 'strict')) this.#ready.push(lane);
  }

  #release(item: T): Lane<T> | undefined {
    const lane = this.#lanes.get(this.#keyOf(item));
    if (lane !== undefined) lane.isBusy = false;
    return lane;
  }

  #makeReady(lane: Lane<T>): void {
    if (lane.waiting.isEmpty()) this.#lanes.delete(lane.key);
    else this.#ready.push(lane);
  }

  #keyOf(item: T): string {
    return this.#order === 'none' ? item.id : item.sender;
  }
}
