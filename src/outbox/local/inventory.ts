import { Chain, type Linked } from '../../core/chain.ts';
import type { Notification } from '../../core/delivery.ts';
import { PlainError } from '../../core/errors.ts';
import type { OutboxCounts } from '../../core/outbox.ts';
import type { OutboxPorts } from '../../core/outbox-store.ts';
import { type Entry, isStep, type State, unixMs } from './life.ts';

export type DropReason = 'full' | 'stopped' | 'unwritable';

/** A notification that was handed to the records and is not yet written: not accepted, but `put` waits for it. */
interface Unwritten extends Linked<Unwritten> {
  /** By the monotonic clock, in milliseconds. */
  readonly acceptedAtMs: number;
}

/** All that an outbox holds, by state and by age. Each step of a record changes counts and ledger in the same step. */
export class Inventory {
  readonly #ports: OutboxPorts;
  readonly #ages = new Ages<Entry>();
  readonly #counts: Record<State, number> = {
    queued: 0,
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
    const { queued, aside, reading } = this.#counts;
    return queued + aside + reading + this.#unwrittenCount;
  }

  counts(): OutboxCounts {
    const { queued, aside, reading, leaving, leased } = this.#counts;
    const oldest = this.#ages.oldest()?.acceptedAtSeconds;
    const unwritten = this.#unwritten.first?.acceptedAtMs;
    const oldestSeconds = oldest ?? (unwritten === undefined ? undefined : Math.floor(unwritten / 1000));
    const { clock } = this.#ports;
    return {
      waiting: queued + aside + reading + leaving,
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

  /** The oldest one that no lease has taken. */
  oldestUntaken(): Entry | undefined {
    return this.#ages.oldest(isUntaken);
  }

  allUntaken(): Entry[] {
    return this.#ages.all(isUntaken);
  }

  /** All that are not gone, the oldest first. What comes during the iteration may be missing. */
  entries(): Iterable<Entry> {
    return this.#ages.items();
  }

  /** Visits all that are not gone. A list of a million would hold up the event loop for a third of a second. */
  forEach(visit: (entry: Entry) => void): void {
    this.#ages.forEach(visit);
  }

  /** To be called for what is handed to the records. The returned function is to be called once it is written or refused. */
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

  /** Refused: counted as accepted and dropped, so that the ledger balances. */
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
   * A step that the life of a record does not allow is a bug of ours, and observed as one. It is made all the same, so that
   * no notification is lost. Only a record that is gone stays so: nothing may count it twice.
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
    const { queued, aside, reading, leaving, leased } = this.#counts;
    if (queued + aside + reading + leaving + leased > 0) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}

/** Queued or aside: no lease has taken it. */
export function isUntaken({ state }: Entry): boolean {
  return state === 'queued' || state === 'aside';
}

/** Up to so many gone ones stay in the rows: to sweep them out would not be worth it. */
const FEW = 1000;
/** Items in a row. One array for all would leave outgrown arrays behind: tens of megabytes for a million items. */
const ROW = 1000;

/** Items in the order in which they came. Plain arrays take the least memory for a million of them. */
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
    // Seldom, and each time half of the items go: on average constant time for each item.
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
      // Otherwise, behind an old one that stays, each search would pass all that are gone.
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
