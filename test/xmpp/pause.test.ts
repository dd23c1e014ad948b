import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { startReceiver } from '../support/receiver.ts';
import { startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

const TIMEOUTS = { ping: 1000, silence: 3000 };
const PAUSE_MS = 4000;
const COMPONENT = {
  domain: 'push.example.com',
  secret: 'secret',
  trusted_domains: ['example.com'],
  timeouts: TIMEOUTS,
};

const LIVENESS_PING = /<iq type="get" id="alive-.*?<\/iq>/;

it('a process that is stopped for longer than a server may be silent loses nothing of what waits in its socket', async () => {
  const server = await startXmppServer();
  const receiver = await startReceiver();
  onTestFinished(() => receiver.stop());
  const sidecar = await startSidecar({
    component: { ...COMPONENT, service: server.service },
    outgoing_pools: [{ tag: 'http_pool', server: receiver.url }],
    mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
    outbox: { engine: 'memory' },
  });
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  await peer.sees(LIVENESS_PING);

  process.kill(sidecar.pid, 'SIGSTOP');
  const texts = Array.from({ length: 200 }, (_, number) => `while-stopped-${number}.`);
  for (const text of texts) {
    peer.write(
      `<message from='alice@example.com/phone' to='push.example.com' type='chat'><body>${text}</body></message>`,
    );
  }
  await sleep(PAUSE_MS);
  process.kill(sidecar.pid, 'SIGCONT');

  await receiver.received(texts.length);
  await peer.sees(LIVENESS_PING);
  await peer.sees(LIVENESS_PING);
  expect(receiver.requests.map(({ body }) => body.replace(/.*message=/, '')).toSorted()).toEqual(
    texts.toSorted(),
  );
  expect(sidecar.lines.filter(({ event }) => event === 'component-offline')).toEqual([]);
  expect(server.connections).toBe(1);
});

it('what a server has sent before it went away is all read, though a query is among it', async () => {
  const server = await startXmppServer();
  const sidecar = await startSidecar({
    component: { ...COMPONENT, service: server.service },
    mod_event_pusher: { backends: [] },
    outbox: { engine: 'memory' },
  });
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  await sidecar.ready();

  process.kill(sidecar.pid, 'SIGSTOP');
  // More than fits into the socket of the process: the rest waits in the server's kernel.
  const query =
    "<iq type='get' id='1' from='a@example.com' to='push.example.com'><ping xmlns='urn:xmpp:ping'/></iq>";
  const message = `<message from='a@example.com' to='push.example.com'><body>${'x'.repeat(150)}</body></message>`;
  const count = 3000;
  await peer.flush(query + message.repeat(count));
  await server.stop();
  process.kill(sidecar.pid, 'SIGCONT');

  await sidecar.logged('component-offline');
  expect((await sidecar.metrics()).sum('event_pusher_events_total')).toBe(count);
});
