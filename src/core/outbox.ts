import type { Attempt, Delivery, Notification, Verdict } from './delivery.ts';

/** What an outbox holds at one moment. */
export interface OutboxCounts {
  /** Waiting to be leased, now or later, or settled with the end still being written. */
  readonly waiting: number;
  /** Leased and not yet settled. */
  readonly inFlight: number;
  /** Handed to the store and not written yet: not accepted. */
  readonly unwritten: number;
  /**
   * Unix time in milliseconds, as the machine's clock stands now, at which the oldest of them all came, to the second;
   * undefined if there is none.
   */
  readonly oldestAcceptedAtMs: number | undefined;
}

/** Holds the deliveries of one outgoing pool from being accepted until they are settled. */
export interface Outbox {
  /** Whether a put would drop nothing. */
  hasRoom(): boolean;
  /**
   * Takes a notification; those of one sender keep the order of the calls. Resolves once it is as safe as the engine
   * promises. A full outbox drops one (this one or the oldest, as `when_full` says) and counts it.
   */
  put(notification: Notification): Promise<void>;
  /** Waits for a delivery that is due and whose turn it is; undefined once leasing was stopped. */
  lease(): Promise<Delivery | undefined>;
  /**
   * Ends a lease: delivered, due again later, or dead. The sender's turn ends at once; the ledger changes, and the
   * promise resolves, once the end is as safe as the engine promises. False: it was settled or dropped before, and
   * nothing changes.
   * @param attempt What the verdict is about, kept with a dead letter.
   */
  settle(delivery: Delivery, verdict: Verdict, attempt?: Attempt): Promise<boolean>;
  counts(): OutboxCounts;
  /** Resolves once nothing is waiting nor in flight. */
  drained(): Promise<void>;
  /** Hands out nothing from now on; what is leased can still be settled. */
  stopLeasing(): void;
  /** Ends the outbox; what the engine cannot keep is dropped and counted. */
  close(): Promise<void>;
}
