import type Http from 'node:http';
import type Https from 'node:https';
import type { Clock, Random } from '../../core/clock.ts';
import type { Attempt, Notification } from '../../core/delivery.ts';
import type { Observe } from '../../core/observation.ts';
import { http } from '../../node/http.ts';
import { Deadlines } from './deadlines.ts';
import { exchange, type ExchangeResult } from './exchange.ts';
import { KeptConnections } from './kept-connections.ts';
import { sharedLookup } from '../../node/lookup.ts';
import type { MakeRequest, RequestOptions } from './request.ts';
import { readStatusLines } from './status-line.ts';
import { hostAndPort } from './url.ts';

/**
 * The share of `request_timeout` after which the next address of a name is tried, for which Node would wait 250 ms. A
 * receiver that takes longer to take a connection takes as long again to respond, so that it would be too late anyway.
 */
const CONNECT_SHARE = 0.5;

export interface PoolOptions extends RequestOptions {
  /** Most requests in flight, and keep-alive connections. */
  readonly workers: number;
  readonly requestTimeoutMs: number;
  /** After this a connection is not used again; down to three quarters of it, at random. */
  readonly maxConnectionAgeMs: number;
}

export interface PoolSurroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
}

/** Keep-alive connections to one HTTP server. */
export interface OutgoingPool {
  /** HOST:PORT of the server. */
  readonly receiver: string;
  /** POSTs a notification. Never rejects: whatever server and network do is an attempt. */
  post(notification: Notification): Promise<Attempt>;
  /** Ends all connections; what is in flight ends as a `reset`. */
  close(): void;
}

/** Opens a pool; it connects when it is first used. */
export function openPool(options: PoolOptions, { clock, random, observe }: PoolSurroundings): OutgoingPool {
  const { agent, kept, fresh } = openConnections(options, { clock, random });
  const deadlines = new Deadlines(options.requestTimeoutMs, clock);
  const requests = laterRequests(options, agent);
  let isClosed = false;

  const send = async (notification: Notification, other?: Http.Agent): Promise<ExchangeResult> => {
    const makeRequest = await requests();
    const start = (): Http.ClientRequest => makeRequest(notification, other);
    return exchange({ start, body: notification.body }, { clock, deadlines });
  };

  return {
    receiver: hostAndPort(options.server),
    async post(notification) {
      try {
        kept.touch();
        const first = await send(notification);
        observeAttempt(observe, notification, first.attempt);
        if (!first.wasStale || isClosed) return first.attempt;
        // Connections that a server closes while idle come in numbers: a pooled one could be stale again.
        const { attempt } = await send(notification, fresh);
        observeAttempt(observe, notification, attempt);
        return attempt;
      } catch (error) {
        observe({ kind: 'internal-error', where: 'outgoing pool', error });
        return { outcome: 'other', errorCode: 'INTERNAL', durationSeconds: 0 };
      }
    },
    close() {
      isClosed = true;
      kept.close();
      fresh.destroy();
      deadlines.close();
    },
  };
}

/** What makes the requests, with the first of which it is loaded: got takes longer than all else that a start loads. */
function laterRequests(options: PoolOptions, agent: Http.Agent): () => Promise<MakeRequest> {
  let loaded: Promise<MakeRequest> | undefined;
  const load = async (): Promise<MakeRequest> => {
    const { makeRequests } = await import('./request.ts');
    return makeRequests(options, agent, moduleFor(options).request);
  };
  return () => (loaded ??= load());
}

function moduleFor({ server }: PoolOptions): typeof Http | typeof Https {
  return server.startsWith('https:') ? process.getBuiltinModule('node:https') : http;
}

/** Kept connections, and an agent for single ones. */
function openConnections(options: PoolOptions, surroundings: Pick<PoolSurroundings, 'clock' | 'random'>) {
  const { Agent } = moduleFor(options);
  const { workers, maxConnectionAgeMs, requestTimeoutMs } = options;
  const both = {
    lookup: sharedLookup(),
    autoSelectFamilyAttemptTimeout: Math.ceil(requestTimeoutMs * CONNECT_SHARE),
  };
  const agent = new Agent({ ...both, keepAlive: true, maxSockets: workers, maxFreeSockets: workers });
  const fresh = new Agent({ ...both, keepAlive: false });
  for (const each of [agent, fresh]) readStatusLines(each);
  return { agent, kept: new KeptConnections(agent, maxConnectionAgeMs, surroundings), fresh };
}

function observeAttempt(observe: Observe, notification: Notification, attempt: Attempt): void {
  observe({ kind: 'attempt-made', notification, attempt });
  if (attempt.wasCut) observe({ kind: 'answer-cut', notification, attempt });
}
