import type { ServerResponse } from 'node:http';
import { setTimeout as pass } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';
import { testReceiver } from './bench.ts';

const secret = 's3cr3t';
const REQUEST_TIMEOUT_MS = 1000;

it('a sidecar that is stopped and continued (SIGSTOP, SIGCONT) sends nothing twice to a receiver that has responded meanwhile', async () => {
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
        request_timeout: REQUEST_TIMEOUT_MS,
        retry: { first_delay: 1 },
      },
    ],
    mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
    outbox: { engine: 'memory' },
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
  process.kill(sidecar.pid, 'SIGSTOP');
  onTestFinished(() => void process.kill(sidecar.pid, 'SIGCONT'));
  await Promise.all(
    held.map((response) => new Promise<void>((done) => void response.writeHead(204).end(done))),
  );
  receiver.respondWith(204);
  await pass(2 * REQUEST_TIMEOUT_MS);
  process.kill(sidecar.pid, 'SIGCONT');
  const delivered = { backend: 'http_pool', state: 'delivered' };
  while ((await sidecar.metrics()).sum('event_pusher_notifications_total', delivered) < senders.length);
  expect(sidecar.lines.filter(({ event }) => event === 'notification-retried')).toEqual([]);
  expect(receiver.requests).toHaveLength(senders.length);
});
