import type { Attempt, DeathReason, Notification } from './delivery.ts';
import type { Direction } from './event.ts';
import type { PutResult } from './outbox.ts';

/** A stanza as text, with what an event says beside it. */
export interface StoredStanza {
  readonly xml: string;
  /** Its namespace, which the text need not declare. */
  readonly namespace: string;
  readonly dir: Direction;
  /** Full JIDs, as the event had them. */
  readonly from: string;
  readonly to: string;
  /** Unix time in milliseconds. */
  readonly receivedAtMs: number;
}

/** A notification that failed for good, kept until an operator delivers it again or drops it. */
export interface DeadLetter {
  /** With `stanza`: without headers and body, because no callback made them. */
  readonly notification: Notification;
  readonly reason: DeathReason;
  /** Unix time in milliseconds. */
  readonly diedAtMs: number;
  /** How many attempts were made. */
  readonly attempts: number;
  /** The last attempt, if there was one. */
  readonly attempt?: Attempt;
  /** The stanza on which a callback failed; a redelivery offers it to the callback again. */
  readonly stanza?: StoredStanza;
}

/** Takes dead letters that never were in an outbox. */
export interface DeadLetters {
  /**
   * Counts a letter as accepted and dead. Resolves once it is as safe as the engine promises, and never rejects.
   * `dropped`: it could not be written, which was observed.
   */
  bury(letter: DeadLetter): Promise<PutResult>;
}
