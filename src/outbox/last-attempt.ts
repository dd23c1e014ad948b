import { type Attempt, type Notification, outcomes, type RetryCause } from '../core/delivery.ts';
import type { NextAttempt, WaitingNotification } from '../core/operator.ts';

/** What is kept of the last attempt of a notification that waits for its next one. */
export interface LastAttempt {
  readonly attempt: Pick<Attempt, 'outcome' | 'status'>;
  readonly cause: RetryCause;
}

/** Stored records hold the index of a cause and of an outcome: new ones come last, and none moves. */
const causes = ['back-off', 'retry-after'] as const satisfies readonly RetryCause[];

const CAUSES = 2;
const OUTCOMES = 32;

/**
 * As one small whole number, because a million of them wait in memory and on disk. 0 means that nothing is known.
 */
export function packLastAttempt({ attempt: { outcome, status = 0 }, cause }: LastAttempt): number {
  const place = outcomes.indexOf(outcome);
  return 1 + causes.indexOf(cause) + CAUSES * (place + OUTCOMES * status);
}

/** Undefined: nothing is known, or a newer version stored what this one does not know. */
export function unpackLastAttempt(packed: number): LastAttempt | undefined {
  if (packed < 1) return undefined;
  const rest = Math.floor((packed - 1) / CAUSES);
  const cause = causes[(packed - 1) % CAUSES];
  const outcome = outcomes[rest % OUTCOMES];
  const status = Math.floor(rest / OUTCOMES);
  if (cause === undefined || outcome === undefined) return undefined;
  return { attempt: { outcome, ...(status > 0 && { status }) }, cause };
}

/** What operators see of a notification that waits in this pool, after so many attempts. */
export function waitingFacts(
  { id, backend, sender, receiver, host, acceptedAtMs }: Notification,
  pool: string,
  { attempts, last, next }: { attempts: number; last: LastAttempt | undefined; next: NextAttempt },
): WaitingNotification {
  const facts = { id, backend, pool, sender, receiver, host, acceptedAtMs, attempts, next };
  return last === undefined ? facts : { ...facts, last: last.attempt };
}
