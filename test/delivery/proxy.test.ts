import { expect, it, onTestFinished } from 'vitest';
import { startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';
import { testReceiver } from './pool.ts';

const secret = 's3cr3t';

/** A running sidecar that has connected and delivered a notification, and its lines about a proxy. */
async function proxyLines(env: Record<string, string>) {
  const server = await startXmppServer({ secret });
  const receiver = await testReceiver();
  const sidecar = await startSidecar(
    {
      component: { service: server.service, domain: 'push.example.com', secret },
      outgoing_pools: [{ tag: 'http_pool', server: receiver.url }],
      mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
      outbox: { engine: 'memory' },
    },
    { env },
  );
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  peer.write("<message from='alice@example.com' to='push.example.com' type='chat'><body>Hi</body></message>");
  await receiver.next();
  return {
    lines: sidecar.lines.filter(({ event }) => event === 'proxy-unused'),
    written: JSON.stringify(sidecar.lines) + sidecar.complaints,
  };
}

it('a proxy in the environment, which is not used, gives one line at start, which shows no password', async () => {
  const { lines, written } = await proxyLines({
    HTTPS_PROXY: 'http://alice:hunter2@127.0.0.1:9',
    http_proxy: 'http://127.0.0.1:9',
    HTTP_PROXY: '',
  });
  expect(lines).toMatchObject([{ level: 'warn', variables: ['http_proxy', 'HTTPS_PROXY'] }]);
  expect(written).not.toMatch(/hunter2|alice/);
});

it('an environment without a proxy gives no such line', async () => {
  expect((await proxyLines({ NO_PROXY: '*' })).lines).toEqual([]);
});
