import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { onTestFinished } from 'vitest';
import type { Clock, Random } from '../../src/core/clock.ts';
import type { Attempt } from '../../src/core/delivery.ts';
import type { Observation } from '../../src/core/observation.ts';
import { openPool, type OutgoingPool, type PoolOptions } from '../../src/delivery/http/pool.ts';
import { ManualClock } from '../support/clock.ts';
import {
  type RawReceiver,
  type Receiver,
  type ReceiverOptions,
  startRawReceiver,
  startReceiver,
} from '../support/receiver.ts';

export interface PoolBench {
  readonly pool: OutgoingPool;
  readonly observations: readonly Observation[];
  /** The attempts observed so far. */
  readonly attempts: readonly Attempt[];
}

/** A pool whose time limits come when a test moves the clock, and never by themselves. */
export function testPool(
  server: string,
  {
    clock = new ManualClock(),
    random = () => 0,
    ...options
  }: Partial<PoolOptions> & { readonly clock?: Clock; readonly random?: Random } = {},
): PoolBench {
  const observations: Observation[] = [];
  const attempts: Attempt[] = [];
  const observe = (observation: Observation): void => {
    observations.push(observation);
    if (observation.kind === 'attempt-made') attempts.push(observation.attempt);
  };
  const pool = openPool(
    {
      server,
      pathPrefix: '/',
      workers: 10,
      requestTimeoutMs: 2000,
      maxConnectionAgeMs: 60_000,
      userAgent: 'xmpp-event-pusher/1.2.3',
      ...options,
    },
    { clock, random, observe },
  );
  onTestFinished(() => pool.close());
  return { pool, observations, attempts };
}

/** A receiver that ends with the test. */
export async function testReceiver(options?: ReceiverOptions): Promise<Receiver> {
  const receiver = await startReceiver(options);
  onTestFinished(() => receiver.stop());
  return receiver;
}

/** A raw receiver that ends with the test. */
export async function testRawReceiver(
  onConnection: Parameters<typeof startRawReceiver>[0],
): Promise<RawReceiver> {
  const receiver = await startRawReceiver(onConnection);
  onTestFinished(() => receiver.stop());
  return receiver;
}

/** Resolves when a client in this process has read the head of a response from the receiver at this port. */
export function responseSeen(port: number): Promise<void> {
  return new Promise((resolve) => {
    const look = (message: unknown): void => {
      const { request } = message as { readonly request: ClientRequest };
      if (request.socket?.remotePort !== port) return;
      unsubscribe(RESPONSE_CHANNEL, look);
      resolve();
    };
    subscribe(RESPONSE_CHANNEL, look);
  });
}

/** Node publishes here when the head of a response was parsed. */
const RESPONSE_CHANNEL = 'http.client.response.finish';
