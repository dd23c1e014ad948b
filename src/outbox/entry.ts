import type { Handy } from './at-hand.ts';
import type { RecordSummary } from './records.ts';
import type { Counted } from './tally.ts';
import type { Waiting } from './turns.ts';

/** What is known in memory of a record; its headers and body stay where the records are, or are at hand. */
export interface Entry extends RecordSummary, Waiting<Entry>, Counted, Handy {
  readonly backend: string;
  readonly sender: string;
  readonly acceptedAtSeconds: number;
  attempts: number;
}

export function newEntry({ key, backend, sender, acceptedAtSeconds, attempts }: RecordSummary): Entry {
  // Not by spreading: entries of one shape, with no slack, are what lets a million of them wait in memory.
  return {
    key,
    backend,
    sender,
    acceptedAtSeconds,
    attempts,
    notification: undefined,
    state: 'waiting',
    dueAtMs: 0,
    heapIndex: -1,
    previous: undefined,
    next: undefined,
  };
}
