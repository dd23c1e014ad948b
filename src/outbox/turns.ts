import type { DeliveryOrder } from '../core/retry-policy.ts';
import { Chain, type Place } from './chain.ts';
import { DueTimes, type Timed } from './due-times.ts';

/** What a delivery must have to wait for its turn. */
export interface Waiting<T> extends Timed {
  readonly id: string;
  readonly sender: string;
  /** In its sender's queue; undefined while it is out or waits aside. */
  place: Place<T> | undefined;
}

/** What waits of one sender. */
interface SenderQueue<T> {
  readonly key: string;
  readonly waiting: Chain<T>;
  /** One of them is out (or, with `strict`, waits for its next attempt): the others stand still. */
  isBusy: boolean;
  /** Among the ready ones. */
  place: Place<SenderQueue<T>> | undefined;
}

/**
 * Says whose turn it is. `sender`: no two of one sender are out at a time and first attempts keep their order, but one
 * that failed waits aside while the sender's next goes on. `strict`: the next waits too. `none`: each for itself.
 */
export class Turns<T extends Waiting<T>> {
  readonly #order: DeliveryOrder;
  readonly #queues = new Map<string, SenderQueue<T>>();
  readonly #ready = new Chain<SenderQueue<T>>();
  readonly #aside = new DueTimes<T>();

  constructor(order: DeliveryOrder) {
    this.#order = order;
  }

  /** When the next one that waits aside is due. */
  get nextDueAtMs(): number | undefined {
    return this.#aside.nextAtMs;
  }

  add(item: T): void {
    const queue = this.#queueOf(item);
    item.place = queue.waiting.push(item);
    this.#update(queue);
  }

  /** Adds one that is to come at `atMs`, because earlier attempts failed. */
  addAside(item: T, atMs: number): void {
    if (this.#order === 'strict') this.#hold(this.#queueOf(item));
    this.#aside.add(atMs, item);
  }

  /** Takes the next one whose turn it is; it stays out until `end` or `putAside`. */
  take(nowMs: number): T | undefined {
    for (let due = this.#aside.takeDue(nowMs); due !== undefined; due = this.#aside.takeDue(nowMs)) {
      this.#comeBack(due);
    }
    const queue = this.#ready.first?.item;
    const item = queue?.waiting.shift();
    if (queue === undefined || item === undefined) return undefined;
    item.place = undefined;
    this.#hold(queue);
    return item;
  }

  /** Ends the turn of one that is not to come again. */
  end(item: T): void {
    const queue = this.#queueOf(item);
    queue.isBusy = false;
    this.#update(queue);
  }

  /** Ends the turn of one that is to come again at `atMs`. */
  putAside(item: T, atMs: number): void {
    if (this.#order !== 'strict') this.end(item);
    this.#aside.add(atMs, item);
  }

  /** Takes away one that waits. */
  remove(item: T): void {
    if (this.#aside.remove(item)) {
      if (this.#order === 'strict') this.end(item);
    } else if (item.place !== undefined) {
      const queue = this.#queueOf(item);
      queue.waiting.remove(item.place);
      item.place = undefined;
      this.#update(queue);
    }
  }

  #hold(queue: SenderQueue<T>): void {
    queue.isBusy = true;
    this.#update(queue);
  }

  #comeBack(item: T): void {
    const queue = this.#queueOf(item);
    item.place = queue.waiting.unshift(item);
    if (this.#order === 'strict') queue.isBusy = false;
    this.#update(queue);
  }

  /** Keeps a queue among the ready ones while its first one may go, and forgets it when it has nothing left. */
  #update(queue: SenderQueue<T>): void {
    const isEmpty = queue.waiting.isEmpty();
    const isReady = !isEmpty && !queue.isBusy;
    if (isReady) queue.place ??= this.#ready.push(queue);
    else if (queue.place !== undefined) {
      this.#ready.remove(queue.place);
      queue.place = undefined;
    }
    if (isEmpty && !queue.isBusy) this.#queues.delete(queue.key);
  }

  #queueOf(item: T): SenderQueue<T> {
    const key = this.#order === 'none' ? item.id : item.sender;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = { key, waiting: new Chain(), isBusy: false, place: undefined };
      this.#queues.set(key, queue);
    }
    return queue;
  }
}
