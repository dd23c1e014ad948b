import type { Attempt, Delivery, Verdict, Notification } from './delivery.ts';

/**
 * What an outbox holds at one moment: a snapshot, which is as old as the store under it is slow. In a shared store it
 * counts what this process owns.
 */
export interface OutboxCounts {
  /** Not leased (due now or later), or settled while the end is being written. */
  readonly waiting: number;
  /** Leased and not yet settled. */
  readonly inFlight: number;
  /** Handed to the store and not yet written, so not accepted. */
  readonly unwritten: number;
  /**
   * When the oldest of them all came, in Unix milliseconds by the machine's clock as it stands now, to the second.
   * Undefined: there is none.
   */
  readonly oldestAcceptedAtMs: number | undefined;
}

/** What became of a put. `dropped`: the outbox was full, closed, or could not write it; it has counted and observed that. */
export type PutResult = 'accepted' | 'dropped';

/**
 * The right to deliver one notification with one POST. It ends once: settled, given back, or taken back because the outbox
 * was closed. In a shared store another process may take it over. From then on its methods change nothing and give false.
 */
export interface Lease extends Delivery {
  /**
   * Ends the lease with what came of the POST: delivered, due again later, or dead. The sender's turn ends at once. The
   * ledger changes, and the promise resolves, once the end is as safe as the engine promises.
   * @param attempt What the verdict is about, kept with a dead letter.
   */
  settle(verdict: Verdict, attempt?: Attempt): Promise<boolean>;
  /**
   * Asks that the lease stays valid for at least so many milliseconds from now. False: it has ended, and the POST must not
   * begin. In a store that is not shared, a lease stays valid until it ends.
   */
  extend(ms: number): Promise<boolean>;
  /** Ends the lease without an attempt: the notification keeps its turn and its number of attempts. */
  giveBack(): Promise<boolean>;
}

/** Holds the notifications of one outgoing pool from being accepted until they are settled. */
export interface Outbox {
  /** Whether a put would probably drop nothing. The hint may be old: what `put` resolves to is the truth. */
  hasRoom(): boolean;
  /**
   * Takes a notification; those of one sender keep the order of the calls. Resolves once it is as safe as the engine
   * promises. A full outbox drops one (this one or the oldest, as `when_full` says) and counts it.
   */
  put(notification: Notification): Promise<PutResult>;
  /**
   * Waits for a turn, and gives one or several leases of one backend, at most `most` of them. They are for one POST:
   * together they take one worker's place, and the first verdict on any of them frees it. An empty array: leasing was
   * stopped.
   *
   * With `order: sender` or `strict` the leases of one call are of different senders. Not yet: several of one sender in
   * one POST. For that `Turns.take` must take several of one queue; a sender's turn already ends when all that it has out
   * are settled.
   */
  lease(most: number): Promise<readonly Lease[]>;
  counts(): OutboxCounts;
  /** Resolves once nothing is waiting nor in flight. */
  drained(): Promise<void>;
  /** From now on hands out nothing; what is leased can still be settled. */
  stopLeasing(): void;
  /** Ends the outbox; what the engine cannot keep is dropped and counted. */
  close(): Promise<void>;
}
