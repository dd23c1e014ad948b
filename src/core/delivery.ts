/** What one POST sends, the same in each attempt. */
export interface HttpRequest {
  /** The `webhook-id`: the same over all attempts, so that receivers can drop duplicates by it. */
  readonly id: string;
  /** Name of the backend that made it. */
  readonly backend: string;
  /** Label of its outgoing pool: the tag, or `tag@host` for a host's own pool. */
  readonly pool: string;
  /** The backend's path, joined to the pool's server and prefix when it is sent. */
  readonly path: string;
  /** Headers from the callback, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** A request that waits to be sent, with the addresses of its event: plain data, so that any outbox engine can hold it. */
export interface Notification extends HttpRequest {
  /** Bare JID of the sender, by which outboxes keep order. */
  readonly sender: string;
  /** Bare JID of the event's receiver (not the HTTP service), by which dead letters are found. */
  readonly receiver: string;
  /** Domain of the sender, for metrics. */
  readonly host: string;
  /** Unix time in milliseconds. */
  readonly acceptedAtMs: number;
}

/** Roughly what a notification takes in memory, in bytes: a thousand beside its body. */
export function roughBytes({ body }: Pick<Notification, 'body'>): number {
  return 1000 + body.length;
}

/** A notification on its way, and how far it has got. */
export interface Delivery {
  readonly notification: Notification;
  /** How many attempts were made and judged so far. */
  readonly attempts: number;
  /** Milliseconds since it was accepted: by monotonic time; by the machine's clock where both agree (`LocalLease.ageMs`). */
  readonly ageMs: number;
}

/**
 * How an attempt ended: the values of the metric label `outcome`. Stored records hold the index in this table, so a new one
 * comes last.
 */
export const outcomes = [
  '2xx',
  '3xx',
  '4xx',
  '5xx',
  'timeout',
  'refused',
  'reset',
  'dns',
  'tls',
  'other',
] as const;
export type Outcome = (typeof outcomes)[number];

/** What came of one POST. */
export interface Attempt {
  readonly outcome: Outcome;
  /** HTTP status, if there was a response. */
  readonly status?: number;
  /** The response's `Retry-After` as it came (RFC 9110, section 10.2.3). */
  readonly retryAfter?: string;
  /** Node's error code (ECONNREFUSED, …), if there was no response. */
  readonly errorCode?: string;
  readonly durationSeconds: number;
  /** The response was longer than what is read of it, so its connection was cut. */
  readonly wasCut?: true;
}

/** Why a notification is dead. `callback`: a callback failed, so there is no request, only the stanza. */
export type DeathReason = 'rejected' | 'expired' | 'no-pool' | 'callback';

/** What set the time of the next attempt: our own back-off, or the receiver's Retry-After; `max_age` may cut either. */
export type RetryCause = 'back-off' | 'retry-after';

/** What becomes of a delivery after an attempt. */
export type Verdict =
  | { readonly kind: 'delivered' }
  | ({ readonly kind: 'retry'; readonly afterMs: number; readonly cause: RetryCause } & Rest)
  | ({ readonly kind: 'dead'; readonly reason: DeathReason } & Rest);

/** What an attempt says about its whole destination: a pool and a backend. */
export interface Rest {
  /** For so many milliseconds nothing is to be sent there. */
  readonly restMs?: number;
}

/** A verdict after which there is no other. */
export type End = Exclude<Verdict, { kind: 'retry' }>;
