import type { Clock } from './clock.ts';
import type { DeadLetter, DeadLetters } from './dead-letter.ts';
import type { Ledger } from './ledger.ts';
import type { Observe } from './observation.ts';
import type { OperatorPort } from './operator.ts';
import type { Outbox, OutboxCounts } from './outbox.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** What every store is told, whatever its engine, of what concerns all pools. */
export interface StoreOptions {
  /** Most dead letters kept; beyond it the oldest go. */
  readonly deadLetterCapacity: number;
}

/** What a full outbox drops. */
export const whenFullWords = ['drop_newest', 'drop_oldest'] as const;
export type WhenFull = (typeof whenFullWords)[number];

/** What the outbox of one outgoing pool may hold, and in which order it hands out. */
export interface OutboxOptions {
  /** Label of the pool, under which an engine that keeps its records finds them again. */
  readonly pool: string;
  /** Most notifications waiting. */
  readonly capacity: number;
  readonly whenFull: WhenFull;
  readonly retry: RetryPolicy;
  /** Most deliveries that are out at a time. */
  readonly workers: number;
  /** The backends that send through the pool: its workers are shared among them. */
  readonly backends: readonly string[];
}

export interface OutboxSurroundings {
  readonly clock: Clock;
  readonly observe: Observe;
  readonly ledger: Ledger;
}

/**
 * What keeps the notifications of all outgoing pools, and the dead letters. What it says of itself (`deadLetters`,
 * `orphans`, `problem`, `isStuck`) can be asked at any time, also before `start`.
 */
export interface OutboxStore extends DeadLetters {
  /** Whether what is left at close is there when the store is opened again. */
  readonly keepsWhatIsLeft: boolean;
  /** Whether other processes use it too: then leases may be lost to them, and counts are of what this process owns. */
  readonly isShared: boolean;
  /** What operators may ask and change while it runs; not before `start`. */
  readonly operator: OperatorPort;
  /** Makes the outbox of one outgoing pool, once for each label. */
  outbox(options: OutboxOptions): Outbox;
  /**
   * To be awaited before anything is put or leased: gives the outboxes what an earlier run left for them, and from then
   * on hands over dead letters that an operator wants delivered again, each until the promise of `redeliver` resolves.
   */
  start(redeliver: (letter: DeadLetter) => Promise<void>): Promise<void>;
  /** How many dead letters it keeps now. */
  deadLetters(): number;
  /** Hands over no more dead letters: what is delivered again now would come too late. */
  stopRedelivering(): void;
  /** What waits for pools that have no outbox, because they are not configured any more. */
  orphans(): Iterable<readonly [pool: string, counts: OutboxCounts]>;
  /** Why it cannot take notifications now, in words for an operator; undefined while it can. */
  problem(): string | undefined;
  /** Whether it does not respond, so that closing it, or ending this process with its threads, might take for ever. */
  isStuck(): boolean;
  /** To be called after its outboxes are closed. */
  close(): Promise<void>;
}
