import http from 'node:http';
import https from 'node:https';
import { urlToHttpOptions } from 'node:url';
import got from 'got';
import type { Clock } from '../core/clock.ts';
import type { Attempt, Notification } from '../core/delivery.ts';
import type { Observe } from '../core/observation.ts';
import { exchange, type ExchangeResult } from './exchange.ts';
import { joinUrl } from './url.ts';

export interface PoolOptions {
  /** `http://…` or `https://…`, with or without a path. */
  readonly server: string;
  readonly pathPrefix: string;
  /** Most requests in flight, and keep-alive connections. */
  readonly workers: number;
  readonly requestTimeoutMs: number;
  readonly userAgent: string;
}

/** Keep-alive connections to one HTTP server. */
export interface OutgoingPool {
  /** POSTs a notification. Never rejects: whatever server and network do is an attempt. */
  post(notification: Notification): Promise<Attempt>;
  /** Ends all connections; what is in flight ends as a `reset`. */
  close(): void;
}

/** Idle connections end before common servers close them (Node's after 5 s), lest a request meet a closing one. */
const IDLE_TIMEOUT_MS = 4000;

/** Opens a pool; it connects when it is first used. */
export function openPool(
  options: PoolOptions,
  { clock, observe }: { clock: Clock; observe: Observe },
): OutgoingPool {
  const { Agent } = options.server.startsWith('https:') ? https : http;
  const agents: Agents = {
    kept: new Agent({
      keepAlive: true,
      maxSockets: options.workers,
      maxFreeSockets: options.workers,
      timeout: IDLE_TIMEOUT_MS,
    }),
    fresh: new Agent({ keepAlive: false }),
  };
  const send = makeSender(options, agents, clock);
  let isClosed = false;

  const post = async (notification: Notification): Promise<Attempt> => {
    const first = await send(notification);
    observe({ kind: 'attempt-made', notification, attempt: first.attempt });
    if (!first.wasStale || isClosed) return first.attempt;
    // Connections that a server closes while idle come in numbers: a pooled one could be stale again.
    const { attempt } = await send(notification, 'fresh');
    observe({ kind: 'attempt-made', notification, attempt });
    return attempt;
  };

  return {
    async post(notification) {
      try {
        return await post(notification);
      } catch (error) {
        observe({ kind: 'internal-error', where: 'outgoing pool', error });
        return { outcome: 'other', errorCode: 'INTERNAL', durationSeconds: 0 };
      }
    },
    close() {
      isClosed = true;
      agents.kept.destroy();
      agents.fresh.destroy();
    },
  };
}

/** Where connections come from: kept alive for the next request, or made for one. */
interface Agents {
  readonly kept: http.Agent;
  readonly fresh: http.Agent;
}

type Send = (notification: Notification, connection?: 'fresh') => Promise<ExchangeResult>;

/**
 * One got instance keeps the pool's agent, headers and options, and prepares each path once; its handler gives what it
 * has prepared instead of sending it, because got's own way for each request costs four times as much as the request and
 * lacks a total timeout, a bound on the answer and a retry on stale connections.
 */
function makeSender(options: PoolOptions, { kept, fresh }: Agents, clock: Clock): Send {
  const instance = got.extend({
    method: 'POST',
    isStream: true,
    agent: { http: kept, https: kept as https.Agent },
    headers: { 'user-agent': options.userAgent },
    handlers: [
      ({ url, method, headers, agent }) =>
        ({ ...urlToHttpOptions(url as URL), method, headers, agent: agent.http }) as never,
    ],
  });
  // As many as there are backends.
  const prepared = new Map<string, http.RequestOptions>();
  const prepare = (path: string): http.RequestOptions => {
    let request = prepared.get(path);
    if (request === undefined) {
      request = instance(joinUrl(options.server, options.pathPrefix, path)) as unknown as http.RequestOptions;
      prepared.set(path, request);
    }
    return request;
  };
  const send = options.server.startsWith('https:') ? https.request : http.request;
  return ({ id, path, headers, body }, connection) => {
    const request = prepare(path);
    const toSend = {
      ...request,
      agent: connection === 'fresh' ? fresh : request.agent,
      headers: {
        ...(request.headers as http.OutgoingHttpHeaders),
        ...headers,
        'webhook-id': id,
        'content-length': Buffer.byteLength(body),
      },
    };
    return exchange({ start: () => send(toSend), body, timeoutMs: options.requestTimeoutMs }, clock);
  };
}
