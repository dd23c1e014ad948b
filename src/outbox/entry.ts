import type { Clock } from '../core/clock.ts';
import type { Handy } from './at-hand.ts';
import type { RecordSummary } from './records.ts';
import type { Counted } from './tally.ts';
import type { Waiting } from './turns.ts';

/** What is known in memory of a record; its headers and body stay where the records are, or are at hand. */
export interface Entry extends Waiting<Entry>, Counted, Handy {
  readonly key: number;
  readonly backend: string;
  readonly sender: string;
  attempts: number;
}

/**
 * A moment by the monotonic clock, in milliseconds.
 * @param unixMs Lies in the past; else the machine's clock was set back since, and it is now.
 */
export function monotonicMs(clock: Clock, unixMs: number): number {
  return clock.monotonic() - Math.max(0, clock.now() - unixMs);
}

/** What the machine's clock, as it stands now, shows for a moment of the monotonic clock; both in milliseconds. */
export function unixMs(clock: Clock, atMs: number): number {
  return clock.now() - clock.monotonic() + atMs;
}

/** @param acceptedAtMs By the monotonic clock. */
export function newEntry({ key, backend, sender, attempts }: RecordSummary, acceptedAtMs: number): Entry {
  // Not by spreading: entries of one shape, with no slack, are what lets a million of them wait in memory.
  return {
    key,
    backend,
    sender,
    // A whole number: for one with a fraction V8 would make a box of its own in each of a million entries.
    acceptedAtSeconds: Math.floor(acceptedAtMs / 1000),
    attempts,
    notification: undefined,
    state: 'waiting',
    dueAtMs: 0,
    heapIndex: -1,
    previous: undefined,
    next: undefined,
  };
}
