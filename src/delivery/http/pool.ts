import type Http from 'node:http';
import type { Clock, Random } from '../../core/clock.ts';
import type { Attempt, HttpRequest } from '../../core/delivery.ts';
import type { Observe } from '../../core/observation.ts';
import { type ConnectionOptions, openConnections } from './connections.ts';
import { Deadlines } from './deadlines.ts';
import { exchange, type ExchangeResult } from './exchange.ts';
import type { MakeRequest, RequestOptions } from './request.ts';

export interface PoolOptions extends RequestOptions, ConnectionOptions {
  /** For each request as a whole, from connecting to the end of the response's body. */
  readonly requestTimeoutMs: number;
}

/** What delivery needs from outside: time, chance, and where to say what happens. */
export interface DeliveryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
}

/** The connections to one receiver, and its requests on them. */
export interface OutgoingPool {
  /** HOST:PORT of the server; an IPv6 address in brackets. */
  readonly receiver: string;
  /** POSTs a request. Never rejects: whatever server and network do is an attempt. */
  post(request: HttpRequest): Promise<Attempt>;
  /** Ends all connections; what is in flight ends as a `reset`. */
  close(): void;
}

/** Opens a pool; it connects when it is first used. */
export function openPool(options: PoolOptions, { clock, random, observe }: DeliveryPorts): OutgoingPool {
  const connections = openConnections(options, { clock, random });
  const deadlines = new Deadlines(options.requestTimeoutMs, clock);
  const requests = laterRequests(options, connections.kept);
  let isClosed = false;

  const send = async (request: HttpRequest, agent?: Http.Agent): Promise<ExchangeResult> => {
    const makeRequest = await requests();
    const result = await exchange(makeRequest(request, agent), request.body, { clock, deadlines });
    observeAttempt(observe, request, result.attempt);
    return result;
  };

  return {
    receiver: hostAndPort(options.server),
    async post(request) {
      try {
        connections.touch();
        const first = await send(request);
        if (!first.wasStale || isClosed) return first.attempt;
        // Servers close idle connections in groups: use a fresh one.
        return (await send(request, connections.single)).attempt;
      } catch (error) {
        observe({ kind: 'internal-error', where: 'outgoing pool', error });
        return { outcome: 'other', errorCode: 'INTERNAL', durationSeconds: 0 };
      }
    },
    close() {
      isClosed = true;
      connections.close();
      deadlines.close();
    },
  };
}

/** Loads got with the first request: it takes longer than everything else that a start loads. */
function laterRequests(options: RequestOptions, agent: Http.Agent): () => Promise<MakeRequest> {
  let loaded: Promise<MakeRequest> | undefined;
  const load = async (): Promise<MakeRequest> => (await import('./request.ts')).makeRequests(options, agent);
  return () => (loaded ??= load());
}

function observeAttempt(observe: Observe, request: HttpRequest, attempt: Attempt): void {
  observe({ kind: 'attempt-made', request, attempt });
  if (attempt.wasCut) observe({ kind: 'answer-cut', request, attempt });
}

function hostAndPort(server: string): string {
  const { protocol, hostname, port } = new URL(server);
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
}
