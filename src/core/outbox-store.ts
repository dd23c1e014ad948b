import type { Clock } from './clock.ts';
import type { DeadLetter, DeadLetters } from './dead-letter.ts';
import type { Ledger } from './ledger.ts';
import type { Observe } from './observation.ts';
import type { OperatorPort } from './operator.ts';
import type { Outbox, OutboxCounts } from './outbox.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** Options of the whole store, for every engine. */
export interface StoreOptions {
  /** Most dead letters kept; beyond it the oldest are removed. */
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

/** What an outbox needs from outside. */
export interface OutboxPorts {
  readonly clock: Clock;
  readonly observe: Observe;
  readonly ledger: Ledger;
}

/**
 * Keeps the notifications of all outgoing pools, and the dead letters. What it says of itself (`deadLetters`, `orphans`,
 * `whyUnready`, `isStuck`) can be asked at any time, also before `start`.
 */
export interface OutboxStore extends DeadLetters {
  /** Whether what is left at close is there when the store is opened again. */
  readonly keepsWhatIsLeft: boolean;
  /** Whether other processes use it too: then leases may be lost to them, and counts are of what this process owns. */
  readonly isShared: boolean;
  /** What operators may ask and change while it runs. Not to be used before `start`. */
  readonly operator: OperatorPort;
  /** Makes the outbox of one outgoing pool, once for each label. */
  outbox(options: OutboxOptions): Outbox;
  /**
   * Gives the outboxes what an earlier run left for them. To be awaited before anything is put or leased. From then on it
   * hands over the dead letters that an operator wants delivered again, each until the promise of `redeliver` resolves.
   */
  start(redeliver: (letter: DeadLetter) => Promise<void>): Promise<void>;
  /** How many dead letters it keeps now. */
  deadLetters(): number;
  /** Hands over no more dead letters: a redelivery that begins now would come too late. */
  stopRedelivering(): void;
  /** What waits for pools that are no longer configured, and so have no outbox. */
  orphans(): Iterable<readonly [pool: string, counts: OutboxCounts]>;
  /** Why it cannot take notifications now, in words for an operator; undefined while it can. */
  whyUnready(): string | undefined;
  /** Whether it does not respond, so that to close it, or to end this process with its threads, might take for ever. */
  isStuck(): boolean;
  /** To be called after its outboxes are closed. */
  close(): Promise<void>;
}
