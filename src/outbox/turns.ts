import type { DeliveryOrder } from '../core/retry-policy.ts';
import { Chain, type Linked } from '../core/chain.ts';
import { DueTimes, type Timed } from './due-times.ts';

/** What a delivery must have to wait for its turn. */
export interface Waiting<T> extends Timed, Linked<T> {
  readonly sender: string;
}

/** What waits of one sender. */
interface SenderQueue<T extends Linked<T>> extends Linked<SenderQueue<T>> {
  readonly waiting: Chain<T>;
  /** One of them is out (or, with `strict`, waits for its next attempt): the others stand still. */
  isBusy: boolean;
  isReady: boolean;
  isUnused: boolean;
}

/** So few queues may be kept without use that sweeping them out would not be worth it. */
const FEW = 1000;

/**
 * Says whose turn it is. `sender`: no two of one sender are out at a time and first attempts keep their order, but one
 * that failed waits aside while the sender's next goes on. `strict`: the next waits too. `none`: each for itself.
 */
export class Turns<T extends Waiting<T>> {
  readonly #order: DeliveryOrder;
  #queues = new Map<string, SenderQueue<T>>();
  #unused = 0;
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
    queue.waiting.push(item);
    this.#update(queue);
  }

  /** Adds one that is to come at `atMs`, because earlier attempts failed. */
  addAside(item: T, atMs: number): void {
    if (this.#order === 'strict') this.#setBusy(item, true);
    this.#aside.add(atMs, item);
  }

  /** Takes the next one whose turn it is; it stays out until `end` or `putAside`. */
  take(nowMs: number): T | undefined {
    for (let due = this.#aside.takeDue(nowMs); due !== undefined; due = this.#aside.takeDue(nowMs)) {
      this.#comeBack(due);
    }
    const queue = this.#ready.first;
    const item = queue?.waiting.first;
    if (queue === undefined || item === undefined) return undefined;
    queue.waiting.remove(item);
    queue.isBusy = this.#order !== 'none';
    this.#update(queue);
    return item;
  }

  /** Those that probably come next, about in their order, after `taken` was taken: a hint, for reading ahead. */
  *upcoming(taken: T): Iterable<T> {
    const { first } = this.#queueOf(taken).waiting;
    const row = first === undefined ? [] : [first];
    yield* row;
    for (let queue = this.#ready.first; queue !== undefined; queue = queue.next) {
      const head = queue.waiting.first;
      if (head === undefined || head === first) continue;
      row.push(head);
      yield head;
    }
    // The second of each sender, the third, and so on; the row grows on the way.
    for (const { next } of row) {
      if (next === undefined) continue;
      row.push(next);
      yield next;
    }
  }

  /** Ends the turn of one that is not to come again. */
  end(item: T): void {
    this.#setBusy(item, false);
  }

  /** Ends the turn of one that is to come again at `atMs`. */
  putAside(item: T, atMs: number): void {
    if (this.#order !== 'strict') this.end(item);
    this.#aside.add(atMs, item);
  }

  /** Takes away one that waits; one that is out stays out. */
  remove(item: T): void {
    if (this.#aside.remove(item)) {
      if (this.#order === 'strict') this.end(item);
      return;
    }
    const queue = this.#queueOf(item);
    if (!queue.waiting.has(item)) return;
    queue.waiting.remove(item);
    this.#update(queue);
  }

  #comeBack(item: T): void {
    const queue = this.#queueOf(item);
    queue.waiting.unshift(item);
    if (this.#order === 'strict') queue.isBusy = false;
    this.#update(queue);
  }

  #setBusy(item: T, isBusy: boolean): void {
    const queue = this.#queueOf(item);
    queue.isBusy = isBusy;
    this.#update(queue);
  }

  /** Keeps a queue among the ready ones while its first one may go, and lets it go some time after it has nothing left. */
  #update(queue: SenderQueue<T>): void {
    const isEmpty = queue.waiting.isEmpty();
    const isReady = !isEmpty && !queue.isBusy;
    if (isReady !== queue.isReady) {
      if (isReady) this.#ready.push(queue);
      else this.#ready.remove(queue);
      queue.isReady = isReady;
    }
    const isUnused = isEmpty && !queue.isBusy;
    if (isUnused === queue.isUnused) return;
    queue.isUnused = isUnused;
    this.#unused += isUnused ? 1 : -1;
    if (this.#unused > FEW && this.#unused > this.#queues.size / 2) this.#sweep();
  }

  /** A new map: see `Chain` for what it costs when entries of one come and go. */
  #sweep(): void {
    this.#queues = new Map([...this.#queues].filter(([, { isUnused }]) => !isUnused));
    this.#unused = 0;
  }

  #queueOf(item: T): SenderQueue<T> {
    const key = this.#order === 'none' ? '' : item.sender;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      const links = { previous: undefined, next: undefined };
      queue = { waiting: new Chain(), isBusy: false, isReady: false, isUnused: true, ...links };
      this.#queues.set(key, queue);
      this.#unused += 1;
    }
    return queue;
  }
}
