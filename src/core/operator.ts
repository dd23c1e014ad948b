import type { DeadLetter } from './dead-letter.ts';
import type { Attempt, DeathReason, Notification, Outcome } from './delivery.ts';

/**
 * What set the time of a waiting notification's next attempt:
 * `first`: no attempt was made; it goes when a worker is free.
 * `back-off`, `retry-after`: the last attempt failed, and our own wait or the receiver's (RFC 9110, section 10.2.3) decides.
 * `sender-turn`: another one of its sender comes before it.
 * `destination-at-rest`: its receiver asked for a rest.
 */
export const nextAttemptCauses = [
  'first',
  'back-off',
  'retry-after',
  'sender-turn',
  'destination-at-rest',
] as const;
export type NextAttemptCause = (typeof nextAttemptCauses)[number];

/** When a waiting notification is attempted next. */
export interface NextAttempt {
  readonly setBy: NextAttemptCause;
  /**
   * When it is due, in Unix milliseconds; it may go earlier after an outage, or as its sender's oldest. Undefined: as soon
   * as it is its turn.
   */
  readonly atMs?: number;
}

/** A notification that waits, as operators see it: without its headers and its body. */
export interface WaitingNotification extends Pick<
  Notification,
  'id' | 'backend' | 'pool' | 'sender' | 'receiver' | 'host' | 'acceptedAtMs'
> {
  /** How many attempts were made. */
  readonly attempts: number;
  /** How the last attempt ended; undefined: none was made, or it is not known any more. */
  readonly last?: Pick<Attempt, 'outcome' | 'status'>;
  readonly next: NextAttempt;
}

/** The same with the request that is to be sent. */
export interface WholeWaiting {
  readonly facts: WaitingNotification;
  readonly notification: Notification;
}

/** Chooses the notifications that match all of these keys; without any key, all. JIDs and domains are prepared. */
export interface WaitingChoice {
  /** Label of the outgoing pool. */
  readonly pool?: string;
  readonly backend?: string;
  /** Domain of the sender. */
  readonly host?: string;
  /** Bare JID of the sender or the receiver. */
  readonly jid?: string;
  /** Bare JID of the receiver, or its local part at any domain. */
  readonly receiver?: { readonly jid: string } | { readonly jid: string; readonly local: string };
  /** Unix time in milliseconds: accepted then or later; of a dead letter: died then or later. */
  readonly sinceMs?: number;
  /** How the last attempt ended: its HTTP status or its class. */
  readonly last?: number | Outcome;
}

export interface DeadChoice extends WaitingChoice {
  readonly reason?: DeathReason;
}

/** Those with these ids, or all that are chosen. */
export type Which<Choice> = { readonly ids: readonly string[] } | { readonly choice: Choice };

/** What became of those that were meant. */
export interface Changed {
  readonly count: number;
  /** Ids that name nothing. If any is unknown at the start, nothing is changed. */
  readonly unknown: readonly string[];
}

/** How much was removed of one person. */
export interface Erased {
  readonly deadLetters: number;
  readonly redeliveries: number;
  readonly notifications: number;
}

/**
 * What operators may ask and change of all that a store keeps: what waits, and dead letters. Each method rejects with a
 * PlainError that says what is wrong and what to do.
 *
 * A listing comes lazily, a bounded number at a time, in the order of acceptance (dead letters: of death). A running
 * store lists pool by pool. A change made during a listing may be missing from it.
 *
 * The port of a running store knows turns and rests. A port beside a running process knows only what the records say. So it
 * shows what is out at the moment as waiting, and only those causes that were stored.
 */
export interface OperatorPort {
  waiting(choice: WaitingChoice): AsyncIterable<readonly WaitingNotification[]>;
  dead(choice: DeadChoice): AsyncIterable<readonly DeadLetter[]>;
  findWaiting(id: string): Promise<WholeWaiting | undefined>;
  findDead(id: string): Promise<DeadLetter | undefined>;
  /** Removes what waits; it counts as dropped. What is out at the moment may still be delivered. */
  dropWaiting(which: Which<WaitingChoice>): Promise<Changed>;
  /** Removes dead letters; the choice of all of them takes those that cannot be read, too. */
  dropDead(which: Which<DeadChoice>): Promise<Changed>;
  /** Has dead letters delivered again under the same id, by the sidecar that runs or the next one. */
  redeliver(which: Which<DeadChoice>): Promise<Changed>;
  /** Removes all that is stored of what this bare JID sent or received, waiting or dead. */
  erase(jid: string): Promise<Erased>;
  /**
   * How many were found so far that cannot be read, because their records are damaged. A running store counts dead letters
   * only: it logs each damaged record of what waits.
   */
  readonly damaged: number;
}

/** An operator port that was opened beside a running process, until it is closed. */
export interface OperatorAccess extends OperatorPort {
  close(): Promise<void>;
}

/** Whether a choice leaves nothing out. */
export function choosesAll(choice: DeadChoice): boolean {
  return Object.values(choice).every((value) => value === undefined);
}

/** Whether a choice means a notification that waits. */
export function choosesWaiting(choice: WaitingChoice, waiting: WaitingNotification): boolean {
  return isChosen(choice, waiting, waiting.last) && (choice.sinceMs ?? 0) <= waiting.acceptedAtMs;
}

/** Whether a choice means a dead letter. */
export function choosesDead(
  choice: DeadChoice,
  { notification, diedAtMs, reason, attempt }: DeadLetter,
): boolean {
  if (choice.reason !== undefined && choice.reason !== reason) return false;
  return isChosen(choice, notification, attempt) && (choice.sinceMs ?? 0) <= diedAtMs;
}

type Addressed = Pick<Notification, 'pool' | 'backend' | 'host' | 'sender' | 'receiver'>;

function isChosen(
  { last, jid, receiver, ...choice }: WaitingChoice,
  facts: Addressed,
  attempt: Pick<Attempt, 'outcome' | 'status'> | undefined,
): boolean {
  for (const key of ['pool', 'backend', 'host'] as const) {
    if (choice[key] !== undefined && choice[key] !== facts[key]) return false;
  }
  if (jid !== undefined && jid !== facts.sender && jid !== facts.receiver) return false;
  if (receiver !== undefined && !isReceiver(receiver, facts.receiver)) return false;
  return last === undefined || last === attempt?.status || last === attempt?.outcome;
}

function isReceiver(wanted: NonNullable<WaitingChoice['receiver']>, receiver: string): boolean {
  return receiver === wanted.jid || ('local' in wanted && receiver.startsWith(`${wanted.local}@`));
}
