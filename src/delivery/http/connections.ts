import type Http from 'node:http';
import type Https from 'node:https';
import type { Socket } from 'node:net';
import type { Clock, Random } from '../../core/clock.ts';
import { http } from '../../node/http.ts';
import { sharedLookup } from '../../node/lookup.ts';
import { readerOf, readStatusLines } from './status-line.ts';

/**
 * The share of `request_timeout` for one address of a name; then the next is tried. Node would wait 250 ms. A slower
 * address would miss the limit anyway, because the response takes as long again.
 */
const CONNECT_SHARE = 0.5;

/**
 * The interval between two looks for idle connections. A connection that was idle between two looks is closed before the
 * server closes it under a request. Common servers do so after 5 s (Node's) or later.
 */
export const LOOK_INTERVAL_MS = 2000;

/** The environment variables in which programs look for a proxy, as curl does. */
const PROXY_VARIABLES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'];

export interface ConnectionOptions {
  /** `http://…` or `https://…`. */
  readonly server: string;
  /** Most requests in flight, and keep-alive connections. */
  readonly workers: number;
  readonly requestTimeoutMs: number;
  /** The age after which a connection is not used again: at random between three quarters of this and all of it. */
  readonly maxConnectionAgeMs: number;
}

/** The connections of an outgoing pool. */
export interface Connections {
  /** For requests on connections that are kept alive. */
  readonly kept: Http.Agent;
  /** For requests with a connection of their own. */
  readonly single: Http.Agent;
  /** To be called with each request. From then on idle connections are looked for, as long as there are connections. */
  touch(): void;
  close(): void;
}

export function openConnections(
  { server, workers, requestTimeoutMs, maxConnectionAgeMs }: ConnectionOptions,
  ports: { readonly clock: Clock; readonly random: Random },
): Connections {
  const { Agent } = moduleFor(server);
  const both = {
    lookup: sharedLookup(),
    autoSelectFamilyAttemptTimeout: Math.ceil(requestTimeoutMs * CONNECT_SHARE),
  };
  const kept = new Agent({ ...both, keepAlive: true, maxSockets: workers, maxFreeSockets: workers });
  const single = new Agent({ ...both, keepAlive: false });
  for (const agent of [kept, single]) readStatusLines(agent);
  const care = new KeptConnections(kept, maxConnectionAgeMs, ports);
  return {
    kept,
    single,
    touch: () => care.touch(),
    close: () => {
      care.close();
      single.destroy();
    },
  };
}

/** The variables that name a proxy, which outgoing pools do not use; not their values, which may hold a password. */
export function unusedProxies(environment: Readonly<Record<string, string | undefined>>): string[] {
  return PROXY_VARIABLES.filter((name) => (environment[name] ?? '') !== '');
}

function moduleFor(server: string): typeof Http | typeof Https {
  return server.startsWith('https:') ? process.getBuiltinModule('node:https') : http;
}

/** Looks after connections that are kept alive: which of them may be used again, and until when. */
class KeptConnections {
  readonly #agent: Http.Agent;
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #held: Socket[] = [];
  /** The monotonic time from which on a connection is not used again. */
  readonly #endsAtMs = new WeakMap<Socket, number>();
  #written = new WeakMap<Socket, number>();
  #cancelLook: (() => void) | undefined;

  /** @param agent Has one server, and keeps connections alive; how it names and reuses them is changed here. */
  constructor(agent: Http.Agent, maxAgeMs: number, { clock, random }: { clock: Clock; random: Random }) {
    this.#agent = agent;
    this.#maxAgeMs = maxAgeMs;
    this.#clock = clock;
    this.#random = random;
    // All connections go to one server; Node would make a name of its address three times for each request.
    agent.getName = () => 'server';
    const reuse = agent.reuseSocket.bind(agent);
    agent.reuseSocket = (socket, request) => {
      reuse(socket, request);
      readerOf(socket as Socket)?.reset();
      this.#hold(socket as Socket);
    };
    // Before the agent's own listener, which gives a free connection to a waiting request without calling `reuseSocket`.
    agent.prependListener('free', (socket: Socket) => {
      if (this.#isFit(socket)) readerOf(socket)?.reset();
      else socket.destroy();
    });
  }

  touch(): void {
    this.#cancelLook ??= this.#clock.after(LOOK_INTERVAL_MS, () => this.#look());
  }

  close(): void {
    this.#cancelLook?.();
    this.#agent.destroy();
  }

  /**
   * Whether a connection may be used again. A busy one would never end by itself, and so never reach an instance that
   * joined later. Ends at random times spare the receiver many new connections at one time.
   */
  #isFit(socket: Socket): boolean {
    const endsAtMs = this.#endsAtMs.get(socket);
    const nowMs = this.#clock.monotonic();
    // The age counts from the first response.
    if (endsAtMs === undefined) this.#endsAtMs.set(socket, nowMs + this.#maxAgeMs * (1 - this.#random() / 4));
    else if (nowMs >= endsAtMs) return false;
    return readerOf(socket)?.isOdd !== true;
  }

  /**
   * Requests that begin in one turn of the event loop are written together at its end. So the kernel wakes the receiver
   * once for all of them. To wake it for each costs a tenth of what the sidecar does for a request.
   */
  #hold(socket: Socket): void {
    socket.cork();
    this.#held.push(socket);
    if (this.#held.length > 1) return;
    setImmediate(() => {
      for (const held of this.#held.splice(0)) held.uncork();
    });
  }

  #look(): void {
    const free = Object.values(this.#agent.freeSockets).flatMap((sockets = []) => sockets);
    const written = new WeakMap<Socket, number>();
    for (const socket of free) {
      if (this.#written.get(socket) === socket.bytesWritten) socket.destroy();
      else written.set(socket, socket.bytesWritten);
    }
    this.#written = written;
    this.#cancelLook = undefined;
    if (free.length > 0 || Object.keys(this.#agent.sockets).length > 0) this.touch();
  }
}
