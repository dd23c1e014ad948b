import type { Attempt, Verdict } from '../../core/delivery.ts';
import type { Clock } from '../../core/clock.ts';
import type { NextAttempt } from '../../core/operator.ts';
import type { DeliveryOrder } from '../../core/retry-policy.ts';
import { RequestLimit } from './request-limit.ts';
import { unpackLastAttempt } from '../last-attempt.ts';
import { type Entry, unixMs } from './life.ts';
import { type Move, Turns } from './turns.ts';

export interface DestinationsOptions {
  readonly order: DeliveryOrder;
  /** Most that are out at a time. */
  readonly workers: number;
  /** The backends that are configured for the pool. */
  readonly backends: readonly string[];
  readonly move: Move<Entry>;
}

/** A backend of the pool, with what waits for it. */
interface Destination {
  readonly turns: Turns<Entry>;
  readonly limit: RequestLimit;
  /** Number of its last request among those of all destinations. */
  lastBegun: number;
}

/** Shares the workers of a pool fairly among its backends. One that hangs leaves the others half of the workers. */
export class Destinations {
  readonly #options: DestinationsOptions;
  readonly #byBackend = new Map<string, Destination>();
  #all: Destination[] = [];
  #begun = 0;

  constructor(options: DestinationsOptions) {
    this.#options = options;
    for (const backend of options.backends) this.#of(backend);
  }

  add(item: Entry): void {
    const { turns, limit } = this.#of(item.backend);
    turns.add(item, limit.isAway);
  }

  /** Adds one whose earlier attempts failed, due at `atMs`. */
  addAside(item: Entry, atMs: number): void {
    this.#of(item.backend).turns.addAside(item, atMs);
  }

  /** Begins a request to the destination that is next. Undefined: none may send now. */
  begin(nowMs: number): WorkerPlace | undefined {
    let next: Destination | undefined;
    for (const destination of this.#all) {
      destination.turns.comeDue(nowMs, destination.limit.state === 'resting');
      if (!this.#mayBegin(destination, nowMs)) continue;
      if (next === undefined || isBefore(destination, next, nowMs)) next = destination;
    }
    if (next === undefined) return undefined;
    next.lastBegun = this.#begun += 1;
    next.limit.began(nowMs);
    return new WorkerPlace(next);
  }

  /** Those of the same backend that probably come after `taken`: a hint, for reading ahead. */
  upcoming(taken: Entry): Iterable<Entry> {
    return this.#of(taken.backend).turns.upcoming(taken);
  }

  /** When one that waits is attempted next, and what set that. */
  nextAttempt(entry: Entry, clock: Clock): NextAttempt {
    const { turns, limit } = this.#of(entry.backend);
    const setBy = unpackLastAttempt(entry.last)?.cause ?? (entry.attempts === 0 ? 'first' : 'back-off');
    const dueAtMs = entry.state === 'aside' ? entry.dueAtMs : -Infinity;
    const restEndsMs = limit.restEndsMs(clock.monotonic()) ?? -Infinity;
    if (restEndsMs > dueAtMs) return { setBy: 'destination-at-rest', atMs: unixMs(clock, restEndsMs) };
    if (entry.state === 'aside') return { setBy, atMs: unixMs(clock, dueAtMs) };
    return entry.state === 'queued' && turns.isHeldUp(entry) ? { setBy: 'sender-turn' } : { setBy };
  }

  /** Takes away one that waits; one that is out stays out. */
  remove(item: Entry): void {
    this.#of(item.backend).turns.remove(item);
  }

  /**
   * When `begin` may give something although nothing is added or settled; undefined: never. To be asked after `begin` gave
   * nothing.
   */
  nextAtMs(nowMs: number): number | undefined {
    let next: number | undefined;
    for (const { turns, limit } of this.#all) {
      const atMs = turns.isReady ? limit.nextPlaceAtMs(nowMs) : turns.nextDueAtMs;
      if (atMs !== undefined && (next === undefined || atMs < next)) next = atMs;
    }
    return next;
  }

  #mayBegin({ turns, limit }: Destination, nowMs: number): boolean {
    if (!turns.isReady) return false;
    const share = limit.mayHang(nowMs) ? this.#half(limit, nowMs) : this.#options.workers;
    return limit.taken(nowMs) < limit.most(nowMs, share);
  }

  /** It gets half of what the others that may hang have left over, so that something is left for one more. */
  #half(limit: RequestLimit, nowMs: number): number {
    const { workers } = this.#options;
    if (this.#all.length === 1) return workers;
    let left = workers;
    for (const other of this.#all) {
      if (other.limit !== limit && other.limit.mayHang(nowMs)) left -= other.limit.taken(nowMs);
    }
    return Math.max(1, Math.floor(left / 2));
  }

  #of(backend: string): Destination {
    let destination = this.#byBackend.get(backend);
    if (destination === undefined) {
      const { order, workers, move } = this.#options;
      destination = { turns: new Turns<Entry>(order, move), limit: new RequestLimit(workers), lastBegun: 0 };
      this.#byBackend.set(backend, destination);
      this.#all.push(destination);
    }
    return destination;
  }
}

/** The one that has taken fewer places comes first; of two with as many, the one whose last request is older. */
function isBefore(a: Destination, b: Destination, nowMs: number): boolean {
  const more = a.limit.taken(nowMs) - b.limit.taken(nowMs);
  return more === 0 ? a.lastBegun < b.lastBegun : more < 0;
}

/**
 * A worker's place in one request to a destination, with all that the request carries. It is taken from `begin` to the
 * first verdict on any of them, or until all of them are given back.
 */
export class WorkerPlace {
  readonly #destination: Destination;
  readonly #releasesBefore: number;
  #carried = 0;
  #hasPlace = true;

  constructor(destination: Destination) {
    this.#destination = destination;
    this.#releasesBefore = destination.turns.releases;
  }

  /** Takes the next one whose turn it is; it is out until `settle`, `withdraw` or `giveBack`. */
  take(): Entry | undefined {
    const { turns, limit } = this.#destination;
    const item = turns.take(limit.isAway);
    if (item !== undefined) this.#carried += 1;
    return item;
  }

  /** Ends the turn of one with a verdict. */
  settle(item: Entry, verdict: Verdict, { attempt, nowMs }: { attempt?: Attempt; nowMs: number }): void {
    const { turns, limit } = this.#destination;
    this.#carried -= 1;
    const isOutageOver = this.#hasPlace && limit.ended(verdict, attempt, nowMs);
    this.#hasPlace = false;
    if (verdict.kind === 'retry') turns.putAside(item, nowMs + verdict.afterMs);
    else turns.end(item);
    if (isOutageOver) turns.release();
  }

  /** Ends the turn of one that did not go out and never will. */
  withdraw(item: Entry): void {
    this.#leave();
    this.#destination.turns.end(item);
  }

  /** Ends the turn of one that did not go out: it waits as before. */
  giveBack(item: Entry): void {
    this.#leave();
    this.#destination.turns.giveBack(item, this.#releasesBefore);
  }

  #leave(): void {
    this.#carried -= 1;
    if (this.#carried > 0 || !this.#hasPlace) return;
    this.#hasPlace = false;
    this.#destination.limit.withdrawn();
  }
}
