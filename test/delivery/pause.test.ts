import type { ServerResponse } from 'node:http';
import { setTimeout as pass } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';
import { testReceiver } from './pool.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const secret = 's3cr3t';
const TIME_LIMIT_MS = 1000;

/** A sidecar whose receiver holds back the responses to twenty notifications, which all are in flight. */
async function startHeld(limits: { readonly requestTimeoutMs: number; readonly shutdownTimeoutMs: number }) {
  const server = await startXmppServer({ secret });
  const held: ServerResponse[] = [];
  const receiver = await testReceiver({ respond: (_request, response) => void held.push(response) });
  const senders = Array.from({ length: 20 }, (_, number) => `user${number}`);
  const sidecar = await startSidecar({
    component: { service: server.service, domain: 'push.example.com', secret },
    outgoing_pools: [
      {
        tag: 'http_pool',
        server: receiver.url,
        workers: senders.length,
        request_timeout: limits.requestTimeoutMs,
        retry: { first_delay: 1 },
      },
    ],
    mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
    outbox: { engine: 'memory' },
    shutdown_timeout: limits.shutdownTimeoutMs,
    log: { level: 'debug' },
  });
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  peer.write(
    senders
      .map(
        (sender) =>
          `<message from='${sender}@example.com' to='push.example.com' type='chat'><body>Hi</body></message>`,
      )
      .join(''),
  );
  await receiver.received(senders.length);
  /** Stops the process, lets the receiver respond, and continues it after a while. */
  const pauseMeanwhile = async (): Promise<void> => {
    process.kill(sidecar.pid, 'SIGSTOP');
    const written = held.map(
      (response) => new Promise<void>((done) => void response.writeHead(204).end(done)),
    );
    await Promise.all(written);
    receiver.respondWith(204);
    await pass(2 * TIME_LIMIT_MS);
    process.kill(sidecar.pid, 'SIGCONT');
  };
  return { sidecar, receiver, peer, count: senders.length, pauseMeanwhile };
}

describe('a sidecar that is stopped and continued (SIGSTOP, SIGCONT) while a receiver responds', () => {
  it('sends nothing twice', async () => {
    const { sidecar, receiver, count, pauseMeanwhile } = await startHeld({
      requestTimeoutMs: TIME_LIMIT_MS,
      shutdownTimeoutMs: 60_000,
    });
    await pauseMeanwhile();
    const delivered = { backend: 'http_pool', state: 'delivered' };
    while ((await sidecar.metrics()).sum('event_pusher_notifications_total', delivered) < count);
    expect(sidecar.lines.filter(({ event }) => event === 'notification-retried')).toEqual([]);
    expect(receiver.requests).toHaveLength(count);
  });

  it('drops nothing of it when it was told to end before', async () => {
    const { sidecar, peer, count, pauseMeanwhile } = await startHeld({
      requestTimeoutMs: 60_000,
      shutdownTimeoutMs: TIME_LIMIT_MS,
    });
    const ended = sidecar.stop();
    await sidecar.logged('sidecar-stopping');
    await peer.sees(/<\/stream:stream>/);
    peer.write('</stream:stream>');
    await pauseMeanwhile();
    expect(await ended).toBe(0);
    const events = sidecar.lines
      .map(({ event }) => event)
      .filter((event) => event.startsWith('notification-'));
    expect(events.filter((event) => event !== 'notification-accepted')).toEqual(
      Array(count).fill('notification-delivered'),
    );
  });
});
