import type { Clock } from '../core/clock.ts';
import type { DeadLetters } from '../core/dead-letter.ts';
import type { Ledger } from '../core/ledger.ts';
import type { CallbackName, Observe } from '../core/observation.ts';
import type { Outbox } from '../core/outbox.ts';
import type { Backend } from './request.ts';

/** The outbox of one outgoing pool, under the pool's label. */
export interface Destination {
  readonly pool: string;
  readonly outbox: Outbox;
}

export interface RouterOptions {
  readonly backends: readonly Backend[];
  readonly callbackTimeoutMs: number;
  /** The pool of the sender's host with that tag, else the global one. */
  readonly destinationOf: (tag: string, host: string) => Destination | undefined;
}

/** What the router needs of its surroundings. */
export interface RouterSurroundings {
  readonly clock: Clock;
  readonly observe: Observe;
  readonly ledger: Ledger;
  readonly deadLetters: DeadLetters;
  readonly makeId: () => string;
  /** Called before each call of a callback that is not ours; `backend` is the index of its backend. */
  readonly entered: (backend: number, callback: CallbackName) => void;
}
