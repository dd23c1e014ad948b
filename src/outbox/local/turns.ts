import type { DeliveryOrder } from '../../core/retry-policy.ts';
import { Chain, type Linked } from '../../core/chain.ts';
import { DueTimes, type Timed, wasTakenEarly } from './due-times.ts';

/** What a delivery must have to wait for its turn. */
export interface Waiting<T> extends Timed, Linked<T> {
  /** Grows from one to the next. */
  readonly key: number;
  readonly sender: string;
}

/** Tells that an item is now aside, or queued: its turn comes as soon as those before it have had theirs. */
export type Move<T> = (item: T, to: 'queued' | 'aside') => void;

/** What waits of one sender. */
interface SenderQueue<T extends Linked<T>> extends Linked<SenderQueue<T>> {
  readonly queued: Chain<T>;
  /** Those that wait for their next attempt, the oldest first; made for the first one. */
  aside: Chain<T> | undefined;
  /** How many of them are out: meanwhile the others stand still. */
  out: number;
  /** The last turn was that of its oldest one, which was not due. */
  hadOldest: boolean;
  isReady: boolean;
  isUnused: boolean;
}

/** So few queues may be kept without use that sweeping them out would not be worth it. */
const FEW = 1000;

/** If more come back together, the chains of all senders are walked: they are sorted already. */
const MANY = 1000;

function byAge<T extends Waiting<T>>(a: T, b: T): number {
  return a.key - b.key;
}

/** Of senders who all have something that waits. */
function oldestFirst<T extends Waiting<T>>(a: SenderQueue<T>, b: SenderQueue<T>): number {
  return byAge(a.queued.first!, b.queued.first!);
}

/** Takes those of a chain that have left the heap, in the chain's order. */
function takeBack<T extends Waiting<T>>(aside: Chain<T>): T[] {
  const back: T[] = [];
  for (let item = aside.first, next = item?.next; item !== undefined; item = next, next = item?.next) {
    if (item.heapIndex !== -1) continue;
    aside.remove(item);
    back.push(item);
  }
  return back;
}

/** From the back, where most belong. */
function insertByAge<T extends Waiting<T>>(chain: Chain<T>, item: T): void {
  let before = chain.last;
  if (chain.first !== undefined && item.key < chain.first.key) before = undefined;
  while (before !== undefined && before.key > item.key) before = before.previous;
  if (before === undefined) chain.unshift(item);
  else chain.insertAfter(before, item);
}

/**
 * Says whose turn it is among those of one destination. `sender`: no two of one sender are out at a time, and first
 * attempts keep their order. One that failed waits aside while the sender's next goes on. `strict`: the next waits too.
 * `none`: each for itself.
 *
 * While the destination is away, a sender's turn goes to its oldest one, and the next turn to another. So the oldest is
 * the first to get through, and one that no receiver takes does not stop the others.
 */
export class Turns<T extends Waiting<T>> {
  readonly #order: DeliveryOrder;
  readonly #move: Move<T>;
  #queues = new Map<string, SenderQueue<T>>();
  #unused = 0;
  readonly #ready = new Chain<SenderQueue<T>>();
  readonly #aside = new DueTimes<T>();
  /** How often all that waited aside was brought back. */
  releases = 0;

  constructor(order: DeliveryOrder, move: Move<T>) {
    this.#order = order;
    this.#move = move;
  }

  /** When the next one that waits aside is due. */
  get nextDueAtMs(): number | undefined {
    return this.#aside.nextAtMs;
  }

  /** Whether it is anybody's turn, of those that have come. */
  get isReady(): boolean {
    return !this.#ready.isEmpty();
  }

  /** Whether a queued one must let others of its sender go first. */
  isHeldUp(item: T): boolean {
    if (this.#order === 'none') return false;
    const queue = this.#queueOf(item);
    return queue.out > 0 || queue.queued.first !== item || this.#isHeld(queue);
  }

  /** @param isAway Nothing gets through to the destination: whoever comes has its sender's oldest one tried. */
  add(item: T, isAway = false): void {
    const queue = this.#queueOf(item);
    queue.queued.push(item);
    if (isAway && this.#isHeld(queue)) this.#putBack(queue, [this.#takeAside(queue, queue.aside!.first!)]);
    else this.#update(queue);
  }

  /** Adds one that is to come at `atMs`, because earlier attempts failed. */
  addAside(item: T, atMs: number): void {
    const queue = this.#queueOf(item);
    if (this.#order !== 'none') insertByAge((queue.aside ??= new Chain()), item);
    this.#aside.add(atMs, item);
    this.#update(queue);
  }

  /** Brings back those that waited aside and are due. After a rest they go before all others: one of them asked for it. */
  comeDue(nowMs: number, isResting = false): void {
    if ((this.#aside.nextAtMs ?? Infinity) > nowMs) return;
    const back = this.#bySender(this.#aside.takeAllDue(nowMs));
    for (const [queue, items] of back) this.#putBack(queue, items, this.#order !== 'none');
    if (!isResting) return;
    for (const queue of [...back.keys()].sort(oldestFirst).reverse()) this.#moveToFront(queue);
  }

  /**
   * Takes the next one whose turn it is; it stays out until `end`, `putAside` or `giveBack`.
   * @param isAway First the oldest one of a sender, due or not; at its next turn another.
   */
  take(isAway = false): T | undefined {
    const queue = this.#ready.first;
    const next = queue?.queued.first;
    if (queue === undefined || next === undefined) return undefined;
    const oldest = isAway && this.#order === 'sender' && !queue.hadOldest ? queue.aside?.first : undefined;
    queue.hadOldest = oldest !== undefined && oldest.key < next.key;
    if (queue.hadOldest) this.#takeAside(queue, oldest!);
    else queue.queued.remove(next);
    if (this.#order !== 'none') queue.out += 1;
    this.#update(queue);
    return queue.hadOldest ? oldest : next;
  }

  /** Those that probably come next, about in their order, after `taken` was taken: a hint, for reading ahead. */
  *upcoming(taken: T): Iterable<T> {
    const { first } = this.#queueOf(taken).queued;
    const row = first === undefined ? [] : [first];
    yield* row;
    for (let queue = this.#ready.first; queue !== undefined; queue = queue.next) {
      const head = queue.queued.first;
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
    this.#update(this.#endTurn(item));
  }

  /** Ends the turn of one that is to come again at `atMs`. */
  putAside(item: T, atMs: number): void {
    this.#endTurn(item);
    this.#move(item, 'aside');
    this.addAside(item, atMs);
  }

  /**
   * Ends the turn of one that was not attempted: it has the next turn, of its sender and of all. One that was taken early
   * waits aside again, unless all were brought back meanwhile.
   * @param releasesBefore What `releases` was when it was taken.
   */
  giveBack(item: T, releasesBefore = this.releases): void {
    const queue = this.#endTurn(item);
    if (wasTakenEarly(item) && this.releases === releasesBefore) {
      queue.hadOldest = false;
      this.#move(item, 'aside');
      return this.addAside(item, item.dueAtMs);
    }
    this.#putBack(queue, [item], this.#order !== 'none');
    this.#moveToFront(queue);
  }

  /** Takes away one that waits; one that is out stays out. */
  remove(item: T): void {
    const queue = this.#queueOf(item);
    if (item.heapIndex !== -1) this.#takeAside(queue, item);
    else if (queue.queued.has(item)) queue.queued.remove(item);
    this.#update(queue);
  }

  /** Brings back all that wait aside, due or not: what waits goes out from the oldest to the youngest. */
  release(): void {
    this.releases += 1;
    for (const [queue, items] of this.#bySender(this.#aside.takeAllDue(Infinity)))
      this.#putBack(queue, items);
    this.#sortReady();
  }

  /**
   * Takes those that have left the heap from their senders' chains too, the oldest of each first. A million are neither
   * searched for nor sorted, because that would hold up the event loop for seconds.
   */
  #bySender(items: readonly T[]): Map<SenderQueue<T>, T[]> {
    const found = new Map<SenderQueue<T>, T[]>();
    if (this.#order !== 'none' && items.length > MANY) {
      for (const queue of this.#queues.values()) {
        const ofSender = queue.aside === undefined ? [] : takeBack(queue.aside);
        if (ofSender.length > 0) found.set(queue, ofSender);
      }
      return found;
    }
    for (const item of items) {
      const queue = this.#queueOf(item);
      queue.aside?.remove(item);
      const ofSender = found.get(queue);
      if (ofSender === undefined) found.set(queue, [item]);
      else ofSender.push(item);
    }
    for (const ofSender of found.values()) ofSender.sort(byAge);
    return found;
  }

  /**
   * Puts some of one sender, from the oldest to the youngest, before what waits of it. With `isByAge`: behind older ones
   * that are already back.
   */
  #putBack(queue: SenderQueue<T>, items: readonly T[], isByAge = true): void {
    let after = queue.queued.first;
    for (const item of items) {
      while (isByAge && after !== undefined && after.key < item.key) after = after.next;
      if (after === undefined) queue.queued.push(item);
      else queue.queued.insertBefore(after, item);
      item.dueAtMs = 0;
      this.#move(item, 'queued');
    }
    this.#update(queue);
  }

  /** The sender whose next one is the oldest comes first. */
  #sortReady(): void {
    const queues: SenderQueue<T>[] = [];
    for (let { first } = this.#ready; first !== undefined; { first } = this.#ready) {
      this.#ready.remove(first);
      queues.push(first);
    }
    for (const queue of queues.sort(oldestFirst)) this.#ready.push(queue);
  }

  #endTurn(item: T): SenderQueue<T> {
    const queue = this.#queueOf(item);
    if (this.#order !== 'none') queue.out -= 1;
    return queue;
  }

  #takeAside(queue: SenderQueue<T>, item: T): T {
    this.#aside.remove(item);
    queue.aside?.remove(item);
    return item;
  }

  #moveToFront(queue: SenderQueue<T>): void {
    if (!queue.isReady) return;
    this.#ready.remove(queue);
    this.#ready.unshift(queue);
  }

  /** With `strict`: whether one that is aside holds up all others, because it is older. */
  #isHeld({ queued, aside }: SenderQueue<T>): boolean {
    if (this.#order !== 'strict' || aside?.first === undefined) return false;
    return queued.first === undefined || aside.first.key < queued.first.key;
  }

  /** Keeps a queue among the ready ones while its first one may go. Some time after a queue is empty, it is swept out. */
  #update(queue: SenderQueue<T>): void {
    const isEmpty = queue.queued.isEmpty();
    const isReady = !isEmpty && queue.out === 0 && !this.#isHeld(queue);
    if (isReady !== queue.isReady) {
      if (isReady) this.#ready.push(queue);
      else this.#ready.remove(queue);
      queue.isReady = isReady;
    }
    const isUnused = isEmpty && queue.out === 0 && queue.aside?.first === undefined;
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
      queue = {
        queued: new Chain(),
        aside: undefined,
        out: 0,
        hadOldest: false,
        isReady: false,
        isUnused: true,
        previous: undefined,
        next: undefined,
      };
      this.#queues.set(key, queue);
      this.#unused += 1;
    }
    return queue;
  }
}
