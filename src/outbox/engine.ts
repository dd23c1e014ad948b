import type { Clock } from '../core/clock.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Observe } from '../core/observation.ts';
import type { Outbox } from '../core/outbox.ts';
import type { DeliveryOrder } from '../core/retry-policy.ts';

/** What the outbox of one outgoing pool may hold, and in which order it hands out. */
export interface OutboxOptions {
  /** Label of the pool, under which an engine that keeps its records finds them again. */
  readonly pool: string;
  /** Where engines that write to disk keep the records of all pools. */
  readonly folder?: string;
  /** Most notifications waiting. */
  readonly capacity: number;
  readonly whenFull: 'drop_newest' | 'drop_oldest';
  readonly order: DeliveryOrder;
}

export interface OutboxSurroundings {
  readonly clock: Clock;
  readonly observe: Observe;
  readonly ledger: Ledger;
}

/**
 * Opens the outbox of one outgoing pool, with what an earlier run left in it.
 * @throws PlainError if its store cannot be opened.
 */
export type OutboxEngine = (options: OutboxOptions, surroundings: OutboxSurroundings) => Promise<Outbox>;
