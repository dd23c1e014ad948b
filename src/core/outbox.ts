import type { Delivery, Notification, Verdict } from './delivery.ts';

/** Counts of notifications since the start; see `Outbox.counts`. */
export interface OutboxCounts {
  /** Waiting to be leased, now or later. */
  readonly waiting: number;
  /** Leased and not yet settled. */
  readonly inFlight: number;
  /** Unix time in milliseconds at which the oldest waiting or leased one was accepted; undefined if there is none. */
  readonly oldestAcceptedAtMs: number | undefined;
}

/** Holds the deliveries of one outgoing pool from being accepted until they are settled. */
export interface Outbox {
  /**
   * Takes a notification; resolves once it is as safe as the engine promises. A full outbox drops one (this or the
   * oldest, as `when_full` says) and counts it in the ledger.
   */
  put(notification: Notification): Promise<void>;
  /** Waits for a delivery that is due and whose turn it is; undefined only once `signal` is aborted. */
  lease(signal: AbortSignal): Promise<Delivery | undefined>;
  /** Ends a lease: forgotten, due again later, or dead. Ledger and depth change in the same step. */
  settle(delivery: Delivery, verdict: Verdict): Promise<void>;
  counts(): OutboxCounts;
  /** Resolves once nothing is waiting nor in flight. */
  drained(): Promise<void>;
  /** Ends the outbox; what an engine cannot keep is dropped and counted. */
  close(): Promise<void>;
}
