import type { CallbackName } from './callback-names.ts';
import type { Attempt, DeathReason, HttpRequest, Notification, RetryCause } from './delivery.ts';
import type { DiscardReason } from './discard-reasons.ts';
import type { DisconnectReason } from './disconnect-reasons.ts';
import type { Direction } from './event.ts';

/** How important a log line is, the least important first; with the limit `silent` no line is written. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What an operator needs to know of an attempt that did not deliver. */
export interface AttemptFacts {
  /** HOST:PORT of the pool's server: the address of the HTTP receiver, not the JID of `Notification.receiver`. */
  readonly receiver: string;
  /** The number of the attempt of this notification, from 1. */
  readonly number: number;
  /** The age of the notification, in milliseconds. */
  readonly ageMs: number;
}

/** Where a bug showed itself; in the last two places nothing caught it. */
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
 * Everything worth a metric or a log line; each kind is named noun and past participle. Metrics and log read it, so
 * the logic depends on neither.
 */
export type Observation =
  | {
      readonly kind: 'component-connecting';
      /** The XMPP server's address, as a URL. */
      readonly endpoint: string;
      readonly domain: string;
      /** It follows a failure that was a repeat. */
      readonly isRepeat: boolean;
    }
  | {
      readonly kind: 'component-online';
      readonly domain: string;
      /** Everything that happened since the last line component-online was a repeat. */
      readonly isRepeat: boolean;
    }
  | {
      readonly kind: 'component-offline';
      readonly code: DisconnectReason;
      /** What ended the connection, in words. */
      readonly reason: string;
      /** Logged less than a minute ago, and no outage that was told from its beginning came since. */
      readonly isRepeat: boolean;
      /** Milliseconds until the next attempt to connect; undefined if there is none, because the sidecar stops. */
      readonly retryInMs?: number;
    }
  | {
      /** A liveness ping came from our own domain that this sidecar did not send. */
      readonly kind: 'second-component';
      readonly domain: string;
      readonly isFirst: boolean;
    }
  | {
      readonly kind: 'stanza-received';
      /** The name of the tap that took it; `direct` also for an iq that no tap took; `none`: no configured tap did. */
      readonly tap: string;
    }
  | { readonly kind: 'event-made'; readonly dir: Direction }
  | { readonly kind: 'stanza-discarded'; readonly reason: DiscardReason }
  | {
      /** A server hands over copies and is not among the trusted domains: observed once for each. */
      readonly kind: 'untrusted-copy';
      readonly domain: string;
      /** No further domain is observed, because anybody on the network can make up more. */
      readonly isLast: boolean;
    }
  | {
      /** A trusted server hands over copies for a tap that is not configured: observed once for each tap. */
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
      /** Code of a callback module did not give the main thread back in time; the process ends. */
      readonly kind: 'callback-stalled';
      readonly backend: string;
      /** The last callback that was called. */
      readonly callback: CallbackName | 'loading';
      readonly stalledMs: number;
      /** The frames where the main thread is, innermost first; empty if they are unknown. */
      readonly stack: readonly string[];
    }
  | {
      /** The first value of this backend's `shouldMakeReq` that counts as no, although it may mean yes. */
      readonly kind: 'callback-not-true';
      readonly backend: string;
      /** Its type, as `typeof` names it. */
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
      /** `unwritable`: the outbox could not store it; an internal-error line says why. */
      readonly reason: 'full' | 'stopped' | 'unwritable';
    }
  | {
      /** The machine's clock was set, or the machine slept; below 0 the clock was set back. */
      readonly kind: 'clock-jumped';
      readonly byMs: number;
    }
  | {
      /** Notifications wait for a pool that is no longer configured. */
      readonly kind: 'outbox-orphaned';
      readonly pool: string;
      readonly depth: number;
    }
  | {
      /** New notifications are dropped, or wait in memory. */
      readonly kind: 'outbox-unwritable';
      /** Why, where, and what to do. */
      readonly problem: string;
    }
  | { readonly kind: 'outbox-writable' }
  | {
      readonly kind: 'ledger-mismatched';
      readonly pool: string;
      readonly backend: string;
      /** delivered + dead + dropped + depth − accepted, as found at startup. */
      readonly off: number;
    }
  | {
      /** The environment names a proxy, and outgoing pools do not use it. */
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
      /** systemd started this process, but the process cannot tell systemd that it is up. */
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

/** Where the parts say what happens. */
export type Observe = (observation: Observation) => void;

/** Functions that read observations, by the kind that each reads. */
export type Readers<Result> = {
  readonly [Kind in Observation['kind']]?: (observation: Extract<Observation, { kind: Kind }>) => Result;
};

/** The readers with their kinds; each is to be called only with observations of its kind. */
export function readersByKind<Result>(readers: Readers<Result>): [kind: string, read: Reader<Result>][] {
  // The compiler does not see that what is found under a kind reads that kind.
  return Object.entries(readers) as [string, Reader<Result>][];
}

type Reader<Result> = (observation: Observation) => Result;
