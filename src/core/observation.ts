import type { Attempt, DeathReason, HttpRequest, Notification, RetryCause } from './delivery.ts';
import type { DiscardReason } from './discard-reasons.ts';
import type { DisconnectReason } from './disconnect-reasons.ts';
import type { Direction } from './event.ts';

/** How important a log line is, the least first; `silent` as a limit: no line is written. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What an operator asks about an attempt that did not deliver. */
export interface AttemptFacts {
  /** HOST:PORT of the pool's server. */
  readonly receiver: string;
  /** Which attempt of its notification it was, from 1. */
  readonly number: number;
  /** The age of the notification, in milliseconds. */
  readonly ageMs: number;
}

/** The callbacks of a module, in the order in which they are asked. */
export const callbackNames = ['shouldMakeReq', 'prepareHeaders', 'prepareBody'] as const;
export type CallbackName = (typeof callbackNames)[number];

/** Where a fault came up; the last two: nobody caught it. */
export const faultPlaces = [
  'session',
  'onStanza',
  'onTooLarge',
  'tap',
  'router',
  'outbox',
  'outgoing pool',
  'uncaughtException',
  'unhandledRejection',
] as const;
export type FaultPlace = (typeof faultPlaces)[number];

/**
 * Everything worth a metric or a log line, named noun + past participle. Metrics and logs are two readers of it, so
 * that the logic knows neither.
 */
export type Observation =
  | {
      readonly kind: 'component-connecting';
      /** The XMPP server's address, as a URL. */
      readonly endpoint: string;
      readonly domain: string;
      /** After a failure that was a repeat. */
      readonly isRepeat: boolean;
    }
  | {
      readonly kind: 'component-online';
      readonly domain: string;
      /** The last that was told is that we are online: what happened since were repeats. */
      readonly isRepeat: boolean;
    }
  | {
      readonly kind: 'component-offline';
      readonly code: DisconnectReason;
      /** What ended the connection, in words. */
      readonly reason: string;
      /** The same reason was told less than a minute ago, and no more outages are told now from their beginning. */
      readonly isRepeat: boolean;
      /** When the next try comes; undefined: never, we are stopping. */
      readonly retryInMs?: number;
    }
  | {
      /** A liveness ping came from our own domain that is not ours. */
      readonly kind: 'second-component';
      readonly domain: string;
      readonly isFirst: boolean;
    }
  | {
      readonly kind: 'stanza-received';
      /** The name of the tap that took it; `none`: no configured tap did. */
      readonly tap: string;
    }
  | { readonly kind: 'event-made'; readonly dir: Direction }
  | { readonly kind: 'stanza-discarded'; readonly reason: DiscardReason }
  | {
      /** A server hands over copies and is not among the trusted domains: told once for each. */
      readonly kind: 'untrusted-copy';
      readonly domain: string;
      /** No further domain is told of: anybody on the network can make up more. */
      readonly isLast: boolean;
    }
  | {
      /** A trusted server hands over copies for a tap that is not asked: told once for each tap. */
      readonly kind: 'tap-not-configured';
      /** Its name. */
      readonly tap: string;
      /** The server's. */
      readonly domain: string;
    }
  | { readonly kind: 'jid-preparation-failed' }
  | {
      readonly kind: 'callback-failed';
      readonly backend: string;
      readonly callback: CallbackName;
      readonly error: unknown;
    }
  | {
      /** Code of a callback module has not given the main thread back; the process ends. */
      readonly kind: 'callback-stalled';
      readonly backend: string;
      /** What was entered last. */
      readonly callback: CallbackName | 'loading';
      readonly stalledMs: number;
      /** Where the main thread is, innermost first; empty if that could not be found out. */
      readonly stack: readonly string[];
    }
  | {
      /** The first answer of this backend's `shouldMakeReq` that counts as no, though it may have been meant as yes. */
      readonly kind: 'callback-not-true';
      readonly backend: string;
      /** What `typeof` says of it. */
      readonly gave: string;
    }
  | { readonly kind: 'notification-accepted'; readonly notification: Notification }
  | { readonly kind: 'attempt-made'; readonly request: HttpRequest; readonly attempt: Attempt }
  | { readonly kind: 'answer-cut'; readonly request: HttpRequest; readonly attempt: Attempt }
  | {
      readonly kind: 'notification-delivered';
      readonly notification: Notification;
      readonly attempt: Attempt;
    }
  | {
      readonly kind: 'notification-retried';
      readonly notification: Notification;
      readonly attempt: Attempt;
      readonly facts: AttemptFacts;
      /** The wait before the next attempt, in milliseconds. */
      readonly afterMs: number;
      /** What set the wait; `max_age` may have cut it. */
      readonly cause: RetryCause;
    }
  | {
      readonly kind: 'notification-dead';
      readonly notification: Notification;
      readonly reason: DeathReason;
      /** The last attempt, if there was one. */
      readonly attempt?: Attempt;
      readonly facts?: AttemptFacts;
    }
  | {
      readonly kind: 'notification-dropped';
      readonly notification: Notification;
      /** `unwritable`: the store under the outbox refused it; an internal error says why. */
      readonly reason: 'full' | 'stopped' | 'unwritable';
    }
  | {
      /** The machine's clock was set on (or back, below 0), or the machine slept. */
      readonly kind: 'clock-jumped';
      readonly byMs: number;
    }
  | {
      /** The configuration has no pool any more for what waits. */
      readonly kind: 'outbox-orphaned';
      readonly pool: string;
      readonly depth: number;
    }
  | {
      /** New notifications are dropped or not taken. */
      readonly kind: 'outbox-unwritable';
      /** Why, where, and what to do. */
      readonly problem: string;
    }
  | { readonly kind: 'outbox-writable' }
  | {
      readonly kind: 'ledger-mismatched';
      readonly pool: string;
      readonly backend: string;
      /** delivered + dead + dropped + depth − accepted, as found at the start. */
      readonly off: number;
    }
  | {
      /** The environment names a proxy, which outgoing pools do not use. */
      readonly kind: 'proxy-unused';
      /** Names, not values. */
      readonly variables: readonly string[];
    }
  | {
      readonly kind: 'configuration-problem';
      /** Where, for editors; both numbers from 1. */
      readonly file: string;
      readonly line: number;
      readonly column: number;
      readonly severity: 'error' | 'warning';
      readonly code: string;
      readonly message: string;
    }
  | {
      readonly kind: 'sidecar-starting';
      /** Node's version. */
      readonly node: string;
      /** The configuration file. */
      readonly file: string;
      readonly outbox: { readonly engine: string; readonly folder?: string };
      /** Without credentials. */
      readonly pools: readonly { readonly pool: string; readonly server: string }[];
      /** By name. */
      readonly backends: readonly string[];
    }
  | { readonly kind: 'start-failed'; readonly reason: string }
  | { readonly kind: 'telemetry-listening'; readonly address: string; readonly port: number }
  | {
      /** systemd has started this process, but cannot be told that it is up or alive. */
      readonly kind: 'supervisor-unreachable';
      readonly reason: string;
    }
  | { readonly kind: 'sidecar-stopping' }
  | {
      readonly kind: 'sidecar-stopped';
      /** Offers of events to backends whose callbacks did not settle in time. */
      readonly unfinished: number;
    }
  | { readonly kind: 'internal-error'; readonly where: FaultPlace; readonly error: unknown };

/** How the inside speaks to the outside. */
export type Observe = (observation: Observation) => void;

/** A reader of observations: for each kind that concerns it, what it makes of one. */
export type Readers<Result> = {
  readonly [Kind in Observation['kind']]?: (observation: Extract<Observation, { kind: Kind }>) => Result;
};

/** What a reader makes of an observation; undefined if that kind does not concern it. */
export function readWith<Result>(readers: Readers<Result>, observation: Observation): Result | undefined {
  const reader = readers[observation.kind] as ((observation: Observation) => Result) | undefined;
  return reader?.(observation);
}
