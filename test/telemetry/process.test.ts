import { describe, expect, it, onTestFinished } from 'vitest';
import { startReceiver } from '../support/receiver.ts';
import { type RunningSidecar, startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';

/** Fails in every way in which a callback can fail, and quotes the text in each. */
const quotingCallback = `
export const shouldMakeReq = ({ message }) => {
  if (message.includes('throw')) throw new Error(\`refused: \${message}\`);
  return true;
};
export const prepareHeaders = ({ message }) => ({ authorization: 'Bearer hunter2', 'x-quoted': message });
export const prepareBody = async ({ message, from }) => {
  if (message.includes('reject')) throw Object.assign(new Error(message), { stack: \`Error: \${message}\\n    at \${from}\` });
  return message;
};
`;

async function startBench(engine: 'lmdb' | 'memory' = 'lmdb') {
  const server = await startXmppServer({ secret: 's3cr3t' });
  const receiver = await startReceiver({
    respond: ({ body }, response) =>
      response.writeHead(body.includes('dead') ? 410 : 204).end('Thanks for nothing'),
  });
  onTestFinished(() => receiver.stop());
  const sidecar = await startSidecar(
    {
      component: {
        service: server.service,
        domain: 'push.example.com',
        secret: '${SECRET}',
        trusted_domains: ['example.com'],
      },
      outgoing_pools: [{ tag: 'http_pool', server: receiver.url }],
      mod_event_pusher: {
        backends: [{ http: { name: 'chats', pool_name: 'http_pool', callback_module: './quoting.mjs' } }],
      },
      outbox: { engine },
      log: { level: 'trace' },
    },
    { env: { SECRET: 's3cr3t' }, files: { 'quoting.mjs': quotingCallback } },
  );
  onTestFinished(() => sidecar.kill());
  return { server, receiver, sidecar };
}

const chat = (text: string): string =>
  `<message from='alice@example.com/phone' to='push.example.com' type='chat'><body>${text}</body></message>`;

describe('a running sidecar', () => {
  it('is not ready until the component is authenticated, and healthy all the time', async () => {
    const { server, sidecar } = await startBench();
    const peer = await server.accept();
    const unready = await sidecar.get('/readyz');
    expect(unready.status).toBe(503);
    expect(JSON.parse(unready.body)).toEqual({
      status: 'unready',
      reasons: ['the component is not connected to the XMPP server: connecting for the first time'],
    });
    expect((await sidecar.get('/healthz')).status).toBe(200);
    await peer.welcome();
    await sidecar.ready();
    expect((await sidecar.metrics()).sum('event_pusher_component_connected')).toBe(1);
    expect((await sidecar.get('/healthz')).status).toBe(200);
  });

  it('says why it is not ready when the server refuses its secret, without the secret', async () => {
    const { server, sidecar } = await startBench();
    const peer = await server.accept();
    await peer.openStream();
    await peer.sees(/<\/handshake>/);
    peer.write(
      "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    peer.end();
    await sidecar.logged('component-offline');
    const { body } = await sidecar.get('/readyz');
    expect(JSON.parse(body)).toEqual({
      status: 'unready',
      reasons: [
        expect.stringMatching(
          /^the component is not connected to the XMPP server: not-authorized \(the next try .*\); the log's component-offline line says what to do$/,
        ),
      ],
    });
    expect(body).not.toContain('s3cr3t');
  });

  it('has a sample of each of its metrics from the start', async () => {
    const { sidecar } = await startBench();
    const { text, samples } = await sidecar.metrics();
    const ours = [...text.matchAll(/^# TYPE ((?:event_pusher|mod_http)\w+) (\w+)$/gm)];
    expect(ours.length).toBeGreaterThan(15);
    for (const [, name = '', type] of ours) {
      expect(samples.get(type === 'histogram' ? `${name}_count` : name), name).not.toBeUndefined();
    }
    for (const state of ['accepted', 'delivered', 'dead', 'dropped']) {
      const labels = { backend: 'chats', state };
      expect(samples.get('event_pusher_notifications_total')).toContainEqual({ labels, value: 0 });
    }
  });

  it('says nothing of what users wrote, of who they are, of headers and of its secret, whatever fails', async () => {
    const { server, receiver, sidecar } = await startBench();
    const peer = await server.welcome();
    peer.write(chat('noon throw') + chat('noon reject') + chat('noon dead') + chat('noon good'));
    await receiver.received(2);
    const first = await sidecar.logged('callback-failed');
    await sidecar.logged('callback-failed', (line) => line !== first);
    await sidecar.logged('notification-dead');
    await sidecar.logged('notification-delivered');
    await stopWithin(sidecar, peer);
    const events = new Set(sidecar.lines.map(({ event }) => event));
    expect([...events].toSorted()).toEqual([
      'callback-failed',
      'component-connecting',
      'component-offline',
      'component-online',
      'notification-accepted',
      'notification-dead',
      'notification-delivered',
      'sidecar-starting',
      'sidecar-stopped',
      'sidecar-stopping',
      'telemetry-listening',
    ]);
    const written = JSON.stringify(sidecar.lines) + sidecar.complaints;
    for (const secret of ['noon', 'alice', 'hunter2', 'Bearer', 's3cr3t', 'Thanks']) {
      expect(written).not.toContain(secret);
    }
  });

  it.each([
    { engine: 'memory', does: 'delivers what is waiting, in order,' },
    { engine: 'lmdb', does: 'delivers only what is in flight' },
  ] as const)('with the engine $engine $does when it is told to stop, and exits 0', async ({ engine }) => {
    const { server, receiver, sidecar } = await startBench(engine);
    const peer = await server.welcome();
    const held: (() => void)[] = [];
    receiver.respondWith((_request, response) => void held.push(() => response.writeHead(204).end()));
    const texts = Array.from({ length: 50 }, (_, number) => `good ${number}`);
    peer.write(texts.map(chat).join(''));
    await receiver.received(1);
    const accepted = { backend: 'chats', state: 'accepted' };
    while ((await sidecar.metrics()).sum('event_pusher_notifications_total', accepted) < texts.length);
    const stopped = stopWithin(sidecar, peer);
    await sidecar.logged('sidecar-stopping');
    receiver.respondWith(204);
    held[0]?.();
    await stopped;
    const expected = engine === 'memory' ? texts : texts.slice(0, 1);
    expect(receiver.requests.map(({ body }) => body)).toEqual(expected);
  });
});

/** Lets the server answer the component's end of the stream, as servers do. */
async function stopWithin(
  sidecar: RunningSidecar,
  peer: Awaited<ReturnType<Awaited<ReturnType<typeof startXmppServer>>['accept']>>,
) {
  const stopped = sidecar.stop();
  await peer.sees(/<\/stream:stream>/);
  peer.write('</stream:stream>');
  peer.end();
  expect(await stopped).toBe(0);
}
