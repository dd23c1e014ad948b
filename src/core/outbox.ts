import type { Attempt, Delivery, Verdict, Notification } from './delivery.ts';

/**
 * What an outbox holds at one moment: a snapshot, as new as the store under it is quick. In a shared store it counts what
 * this process owns.
 */
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

/** What became of a put; `dropped`: the outbox was full, closed, or could not write it, and has counted and told it. */
export type PutResult = 'accepted' | 'dropped';

/**
 * A notification that is out for one POST. It ends once: settled, given back, or taken back because the outbox was closed
 * or, in a shared store, because another process took it over. From then on its methods change nothing and give false.
 */
export interface Lease extends Delivery {
  /**
   * Ends the lease with what came of the POST: delivered, due again later, or dead. The sender's turn ends at once; the
   * ledger changes, and the promise resolves, once the end is as safe as the engine promises.
   * @param attempt What the verdict is about, kept with a dead letter.
   */
  settle(verdict: Verdict, attempt?: Attempt): Promise<boolean>;
  /**
   * Asks that the lease stays valid for at least so many milliseconds from now. False: it has ended, and the POST must not
   * begin. In a store of this process's own a lease stays valid until it ends.
   */
  extend(ms: number): Promise<boolean>;
  /** Ends the lease without an attempt: as if it had not been out, with its turn and its attempts unchanged. */
  giveBack(): Promise<boolean>;
}

/** Holds the notifications of one outgoing pool from being accepted until they are settled. */
export interface Outbox {
  /** Whether a put would probably drop nothing: a hint that may be old. What `put` resolves to is the truth. */
  hasRoom(): boolean;
  /**
   * Takes a notification; those of one sender keep the order of the calls. Resolves once it is as safe as the engine
   * promises. A full outbox drops one (this one or the oldest, as `when_full` says) and counts it.
   */
  put(notification: Notification): Promise<PutResult>;
  /**
   * Waits until it is somebody's turn, and gives one or several leases of one backend, at most `most` of them. They are for
   * one POST: together they take one worker's place, and the first verdict on any of them frees it. An empty array: leasing
   * was stopped.
   *
   * With `order: sender` or `strict` the leases of one call are of different senders. One POST may carry several of one
   * sender, in their order, as soon as `Turns.take` takes several of one sender's queue: a sender's turn ends when all that
   * it has out are settled.
   */
  lease(most: number): Promise<readonly Lease[]>;
  counts(): OutboxCounts;
  /** Resolves once nothing is waiting nor in flight. */
  drained(): Promise<void>;
  /** Hands out nothing from now on; what is leased can still be settled. */
  stopLeasing(): void;
  /** Ends the outbox; what the engine cannot keep is dropped and counted. */
  close(): Promise<void>;
}
