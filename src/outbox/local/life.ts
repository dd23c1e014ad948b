import type { Clock } from '../../core/clock.ts';
import type { Notification } from '../../core/delivery.ts';
import type { RecordSummary } from '../records.ts';
import type { Waiting } from './turns.ts';

/**
 * The life of one record. It begins `queued` (written, or left by an earlier run) or `aside` (left by an earlier run after
 * an attempt), and ends `gone`. Only `Inventory.move` and `Inventory.end` change a state.
 *
 *              ┌──────── given back ────────┐
 *              ▼                            │
 *     ┌───► queued ───turn──► reading ──► leased ◄── (turn, if it is in memory)
 *     │        │                 │          │  │
 *  comes due   │ dropped         │ unread-  │  └──── retry ────┐
 *     │        ▼                 │ able     │ delivered, dead  │
 *     │     leaving ─────────► gone         │                  │
 *     │      ▲   ▲    written               │                  │
 *     │      │   └──────────────────────────┘                  │
 *     │      │ dropped                                         │
 *     └─── aside ◄─────────────────────────────────────────────┘
 *            │ ▲
 *            ▼ │ given back
 *       reading, leased: while nothing gets through, the oldest of a sender is tried before it is due
 *
 * One more step, of orphans only: leaving ──► queued, when the record could not be read now.
 *
 * queued   It has its turn as soon as those before it have had theirs.
 * aside    An attempt failed. It waits until it is due, or until all are released because their destination is back.
 * reading  It has its turn, and its request is being read.
 * leased   It is out.
 * leaving  Its end is being written. It counts as waiting, but takes no room.
 * gone     Delivered, dead or dropped, and counted as that.
 */
const steps = {
  queued: ['reading', 'leased', 'leaving'],
  aside: ['queued', 'reading', 'leased', 'leaving'],
  reading: ['leased', 'queued', 'aside', 'gone'],
  leased: ['aside', 'leaving', 'queued'],
  // Queued again: orphans only, when the record could not be read now.
  leaving: ['gone', 'queued'],
  gone: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type State = keyof typeof steps;

/** Whether the life of a record allows this step. */
export function isStep(from: State, to: State): boolean {
  return (steps[from] as readonly State[]).includes(to);
}

/** What is known in memory of a record. Its headers and body stay where the records are, or are cached. */
export interface Entry extends Waiting<Entry> {
  readonly key: number;
  readonly backend: string;
  readonly sender: string;
  /** By the monotonic clock: to set the machine's clock makes nothing older. Below 0: in an earlier run. */
  readonly acceptedAtSeconds: number;
  attempts: number;
  /** What is known of the last attempt, packed (`last-attempt.ts`); 0: nothing. */
  last: number;
  /** Its request, while it is cached. */
  notification: Notification | undefined;
  /** Changed by the inventory only. */
  state: State;
}

/**
 * A moment by the monotonic clock, in milliseconds.
 * @param unixMs In the past. Otherwise the machine's clock was set back since, and the moment counts as now.
 */
export function monotonicMs(clock: Clock, unixMs: number): number {
  return clock.monotonic() - Math.max(0, clock.now() - unixMs);
}

/** What the machine's clock, as it stands now, shows for a moment of the monotonic clock; both in milliseconds. */
export function unixMs(clock: Clock, atMs: number): number {
  return clock.now() - clock.monotonic() + atMs;
}

/** @param acceptedAtMs By the monotonic clock. */
export function newEntry(
  { key, backend, sender, attempts, last = 0 }: RecordSummary,
  acceptedAtMs: number,
  state: 'queued' | 'aside' = 'queued',
): Entry {
  // Not by spreading: entries of one shape, with no slack, are what lets a million of them wait in memory.
  return {
    key,
    backend,
    sender,
    // A whole number: V8 would make a box for a fraction in each of a million entries.
    acceptedAtSeconds: Math.floor(acceptedAtMs / 1000),
    attempts,
    last,
    notification: undefined,
    state,
    dueAtMs: 0,
    heapIndex: -1,
    previous: undefined,
    next: undefined,
  };
}
