import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Random } from '../../core/clock.ts';
import { readerOf } from './status-line.ts';

/**
 * How often it is looked for idle connections. One that has done nothing between two looks ends, lest a request meet a
 * connection that the server is just closing: common servers do so after 5 s (Node's) or later.
 */
export const LOOK_INTERVAL_MS = 2000;

/** Connections of an outgoing pool that are kept alive. */
export class KeptConnections {
  readonly #agent: Agent;
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #held: Socket[] = [];
  /** The monotonic time at which a connection ends that is used until then. */
  readonly #endsAtMs = new WeakMap<Socket, number>();
  #written = new WeakMap<Socket, number>();
  #cancelLook: (() => void) | undefined;

  /** @param agent Has one server, and keeps connections alive; its ways of naming and using them again are changed. */
  constructor(agent: Agent, maxAgeMs: number, { clock, random }: { clock: Clock; random: Random }) {
    this.#agent = agent;
    this.#maxAgeMs = maxAgeMs;
    this.#clock = clock;
    this.#random = random;
    // All go to one server; Node would make a name of the address three times for each request.
    agent.getName = () => 'server';
    const reuse = agent.reuseSocket.bind(agent);
    agent.reuseSocket = (socket, request) => {
      reuse(socket, request);
      readerOf(socket as Socket)?.reset();
      this.#hold(socket as Socket);
    };
    // Before the agent, which gives a free connection to a request that waits for one without any of its other ways.
    agent.prependListener('free', (socket: Socket) => {
      if (this.#isFit(socket)) readerOf(socket)?.reset();
      else socket.destroy();
    });
  }

  /** To be called with each request: idle connections are looked for from then on, as long as there are any. */
  touch(): void {
    this.#cancelLook ??= this.#clock.after(LOOK_INTERVAL_MS, () => this.#look());
  }

  close(): void {
    this.#cancelLook?.();
    this.#agent.destroy();
  }

  /**
   * Whether a connection may be used again. A busy one would never end by itself, and so never come to what a balancer or
   * a name leads to since; ends that lie apart spare the receiver many new connections at one time.
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
   * Requests that begin in one turn of the event loop are written one right after the other at its end: then the kernel
   * wakes the receiver once for all, which for a single request costs a tenth of all that the sidecar does for it.
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
