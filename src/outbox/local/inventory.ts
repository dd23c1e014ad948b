import { Chain, type Linked } from '../../core/chain.ts';
import type { Notification } from '../../core/delivery.ts';
import { PlainError } from '../../core/errors.ts';
import type { OutboxCounts } from '../../core/outbox.ts';
import type { OutboxPorts } from '../../core/outbox-store.ts';
import { type Entry, isStep, type State, unixMs } from './life.ts';

export type DropReason = 'full' | 'stopped' | 'unwritable';

/** One notification that was handed to the records and is not written yet: not accepted, but somebody waits for it. */
interface Unwritten extends Linked<Unwritten> {
  /** By the monotonic clock, in milliseconds. */
  readonly acceptedAtMs: number;
}

/** All that an outbox holds, by state and by age. Each step in the life of a record is one step with counts and ledger. */
export class Inventory {
  readonly #ports: OutboxPorts;
  readonly #ages = new Ages<Entry>();
  readonly #counts: Record<State, number> = {
    waiting: 0,
    aside: 0,
    reading: 0,
    leased: 0,
    leaving: 0,
    gone: 0,
  };
  readonly #unwritten = new Chain<Unwritten>();
  #unwrittenCount = 0;
  readonly #onDrained: (() => void)[] = [];

  constructor(ports: OutboxPorts) {
    this.#ports = ports;
  }

  /** How much of the capacity is taken, also by what is being written. */
  get roomTaken(): number {
    const { waiting, aside, reading } = this.#counts;
    return waiting + aside + reading + this.#unwrittenCount;
  }

  counts(): OutboxCounts {
    const { waiting, aside, reading, leaving, leased } = this.#counts;
    const oldest = this.#ages.oldest()?.acceptedAtSeconds;
    const unwritten = this.#unwritten.first?.acceptedAtMs;
    const oldestSeconds = oldest ?? (unwritten === undefined ? undefined : Math.floor(unwritten / 1000));
    const { clock } = this.#ports;
    return {
      waiting: waiting + aside + reading + leaving,
      inFlight: leased,
      unwritten: this.#unwrittenCount,
      oldestAcceptedAtMs: oldestSeconds === undefined ? undefined : unixMs(clock, oldestSeconds * 1000),
    };
  }

  /** Resolves once all are gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained.push(resolve);
      this.#tellDrained();
    });
  }

  /** The oldest one that waits, aside or not. */
  oldestWaiting(): Entry | undefined {
    return this.#ages.oldest(isWaiting);
  }

  allWaiting(): Entry[] {
    return this.#ages.all(isWaiting);
  }

  /** All that are not gone, the oldest first; what comes while they are gone through need not be among them. */
  entries(): Iterable<Entry> {
    return this.#ages.items();
  }

  /** Visits all that are not gone, without a list of them: a million would hold up the event loop for a third of a second. */
  forEach(visit: (entry: Entry) => void): void {
    this.#ages.forEach(visit);
  }

  /** To be called with what is handed to the records; the returned function is to be called once it is written or refused. */
  beginWriting(acceptedAtMs: number): () => void {
    const unwritten: Unwritten = { acceptedAtMs, previous: undefined, next: undefined };
    this.#unwritten.push(unwritten);
    this.#unwrittenCount += 1;
    return () => {
      this.#unwritten.remove(unwritten);
      this.#unwrittenCount -= 1;
    };
  }

  accept(entry: Entry): void {
    this.#ports.ledger.count(entry.backend, 'accepted');
    this.#ages.add(entry);
    this.#counts[entry.state] += 1;
  }

  /** Accepted and dropped at once: it never waited. */
  refuse(notification: Notification, reason: DropReason): void {
    const { ledger, observe } = this.#ports;
    ledger.count(notification.backend, 'accepted');
    ledger.count(notification.backend, 'dropped');
    observe({ kind: 'notification-dropped', notification, reason });
  }

  move(entry: Entry, to: Exclude<State, 'gone'>): void {
    this.#step(entry, to);
  }

  end(entry: Entry, end: 'delivered' | 'dead' | 'dropped'): void {
    if (!this.#step(entry, 'gone')) return;
    this.#ages.oneGone();
    this.#ports.ledger.count(entry.backend, end);
    this.#tellDrained();
  }

  /**
   * A step that the life of a record does not allow is a bug of ours, and told as one. It is made all the same, so that no
   * notification is lost by it, except for a record that is gone: nothing may count that twice.
   */
  #step(entry: Entry, to: State): boolean {
    const from = entry.state;
    if (!isStep(from, to)) {
      const error = new PlainError(`a record in the outbox went from ${from} to ${to}`);
      this.#ports.observe({ kind: 'internal-error', where: 'outbox', error });
      if (from === 'gone') return false;
    }
    this.#counts[from] -= 1;
    entry.state = to;
    this.#counts[to] += 1;
    return true;
  }

  #tellDrained(): void {
    const { waiting, aside, reading, leaving, leased } = this.#counts;
    if (waiting + aside + reading + leaving + leased > 0) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}

export function isWaiting({ state }: Entry): boolean {
  return state === 'waiting' || state === 'aside';
}

/** So few gone ones may stay in the rows that sweeping them out would not be worth it. */
const FEW = 1000;
/** One array for all would leave its former ones behind whenever it grows: tens of megabytes for a million items. */
const ROW = 1000;

/** Items in the order in which they came; in plain arrays, because they take the least memory for a million of them. */
export class Ages<T extends { readonly state: string }> {
  #rows: T[][] = [];
  /** In the first row, all before it are gone. */
  #start = 0;
  #count = 0;
  #gone = 0;

  add(item: T): void {
    const last = this.#rows.at(-1);
    if (last === undefined || last.length === ROW) this.#rows.push([item]);
    else last.push(item);
    this.#count += 1;
  }

  /** To be told of each item that is gone. */
  oneGone(): void {
    this.#gone += 1;
    // Seldom, and each time half of the items go: in the long run constant time an item.
    if (this.#gone > FEW && this.#gone > this.#count / 2) this.#sweep();
  }

  /** The oldest one that is not gone and that `suits`. */
  oldest(suits: (item: T) => boolean = () => true): T | undefined {
    this.#skipGone();
    let from = this.#start;
    for (const row of this.#rows) {
      let areAllGone = from === 0 && row.length === ROW;
      for (let index = from; index < row.length; index += 1) {
        const item = row[index]!;
        if (item.state === 'gone') continue;
        areAllGone = false;
        if (suits(item)) return item;
      }
      // Else an old one that stays would have the next search go through all that are gone behind it.
      if (areAllGone) this.#remove(row);
      from = 0;
    }
    return undefined;
  }

  /** All that are not gone and that `suit`, the oldest first. */
  all(suits: (item: T) => boolean): T[] {
    return this.#rows.flatMap((row) => row.filter((item) => item.state !== 'gone' && suits(item)));
  }

  /** All that are not gone, the oldest first. */
  *items(): Iterable<T> {
    for (const row of this.#rows) for (const item of row) if (item.state !== 'gone') yield item;
  }

  /** The same in less time: for a million of them it counts. */
  forEach(visit: (item: T) => void): void {
    for (const row of this.#rows) for (const item of row) if (item.state !== 'gone') visit(item);
  }

  #skipGone(): void {
    for (let [first] = this.#rows; first !== undefined; [first] = this.#rows) {
      while (first[this.#start]?.state === 'gone') this.#start += 1;
      if (this.#start < ROW) return;
      this.#remove(first);
      this.#start = 0;
    }
  }

  /** Removes a full row in which all are gone. */
  #remove(row: readonly T[]): void {
    this.#rows = this.#rows.filter((other) => other !== row);
    this.#count -= ROW;
    this.#gone -= ROW;
  }

  #sweep(): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#start = 0;
    this.#count = 0;
    this.#gone = 0;
    for (const row of rows) for (const item of row) if (item.state !== 'gone') this.add(item);
  }
}
