import net, { type AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { folderWith, trusting } from '../config/load-text.ts';
import { runCli, startCli } from '../support/cli.ts';
import { closedPort } from '../support/closed-port.ts';
import { expectBalanced, parseMetrics, sumOf } from '../support/ledger.ts';
import { notification } from '../support/notification.ts';
import { openFolder } from '../support/outbox-folder.ts';
import { startReceiver } from '../support/receiver.ts';
import { once } from '../support/wait.ts';
import { Ledger } from '../../src/core/ledger.ts';
import { systemClock } from '../../src/node/clock.ts';
import { openTelemetry } from '../../src/telemetry/telemetry.ts';

/** A folder with a configuration, and with notifications in the outbox that an earlier run left. */
async function folderWithWaiting(count: number, listen: string) {
  const receiver = await startReceiver();
  onTestFinished(() => receiver.stop());
  const text = trusting
    .replace('5347', String(await closedPort()))
    .replace('http://localhost:8000', receiver.url)
    .replace('pool_name: http_pool\n', 'pool_name: http_pool\n        name: chats\n');
  const folder = await folderWith({
    'x.yaml': `${text}telemetry: { listen: "${listen}" }\noutbox: { options: { path: ./outbox } }\n`,
  });
  const { outbox, outboxes, close } = await openFolder(`${folder}/outbox`, {
    pools: ['http_pool', 'not_configured'],
  });
  await outboxes[1]?.put(notification({ pool: 'not_configured' }));
  const acceptedAtMs = Date.now();
  await Promise.all(
    Array.from({ length: count }, (_, number) =>
      outbox.put(notification({ acceptedAtMs, sender: `user${number}@example.com` })),
    ),
  );
  await close();
  return { folder, receiver };
}

/** A server on any port, until the test is over. */
async function listening(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  onTestFinished(close);
  return { port: (server.address() as AddressInfo).port, close };
}

it('a telemetry address that is in use fails the start before anything that waits is sent', async () => {
  const other = await listening();
  const { folder, receiver } = await folderWithWaiting(100, `127.0.0.1:${other.port}`);
  const { code, stdout } = await runCli(['run', '-c', 'x.yaml'], { folder });
  expect(code).toBe(1);
  // An outbox that was opened would say what waits for the pool that is not configured.
  expect(stdout.match(/"event":"[\w-]+"/g)).toEqual(['"event":"sidecar-starting"', '"event":"start-failed"']);
  expect(receiver.requests).toEqual([]);
  await other.close();
  const sidecar = startCli(['run', '-c', 'x.yaml'], { folder });
  await sidecar.logged('outbox-orphaned');
  await receiver.received(100);
});

it('the ledger is balanced at every scrape, from the first one on, while what an earlier run left is read and sent', async () => {
  const free = await listening();
  const { folder, receiver } = await folderWithWaiting(500, `127.0.0.1:${free.port}`);
  await free.close();
  const sidecar = startCli(['run', '-c', 'x.yaml'], { folder });
  const scrape = async (): Promise<string | undefined> => {
    const response = await fetch(`http://127.0.0.1:${free.port}/metrics`).catch(() => undefined);
    return response?.text();
  };
  const depths = new Set<number>();
  for (let isOver = false; !isOver;) {
    isOver = receiver.requests.length >= 500;
    const text = await scrape();
    if (text === undefined) continue;
    expectBalanced(text);
    depths.add(sumOf(parseMetrics(text), 'event_pusher_outbox_depth'));
  }
  expect(depths.size).toBeGreaterThan(2);
  sidecar.process.kill('SIGTERM');
  expect((await sidecar.ended).code).toBe(0);
});

it('telemetry that was opened is alive, has every series with 0, and is not ready, until the parts are there', async () => {
  const observed: string[] = [];
  const ledger = new Ledger();
  const telemetry = await openTelemetry({
    host: '127.0.0.1',
    port: 0,
    hosts: [],
    known: {
      version: '1.2.3',
      node: process.version,
      trustedDomains: ['example.com'],
      taps: ['forwarded'],
      pools: new Map([['http_pool', { capacity: 1000, workers: 10 }]]),
      backends: ['chats'],
    },
    log: { observe: ({ kind }) => void observed.push(kind) },
    clock: systemClock,
  });
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${telemetry.address.port}${path}`);
    return { status: response.status, body: await response.text() };
  };
  telemetry.observe({ kind: 'outbox-writable' });
  expect(observed).toEqual(['outbox-writable']);
  expect((await get('/healthz')).status).toBe(200);
  expect(await get('/readyz')).toEqual({
    status: 503,
    body: '{"status":"unready","reasons":["the sidecar is starting: its outbox is not open yet"]}\n',
  });
  const { body } = await get('/metrics');
  expectBalanced(body);
  const pool = { pool: 'http_pool' };
  expect(parseMetrics(body).get('event_pusher_outbox_depth')).toEqual([{ labels: pool, value: 0 }]);
  expect(sumOf(parseMetrics(body), 'event_pusher_outbox_capacity', pool)).toBe(1000);

  const problems: { session?: string; store?: string } = { session: 'no server', store: 'full' };
  const counts = { waiting: 2, inFlight: 1, unwritten: 0, oldestAcceptedAtMs: 0 };
  const running = telemetry.show({
    ledger,
    lanes: new Map([['http_pool', { outbox: { counts: () => counts } }]]),
    store: { orphans: () => [], deadLetters: () => 7, whyUnready: () => problems.store },
    router: { declined: () => [] },
    session: { whyUnready: () => problems.session },
  });
  onTestFinished(() => running.close());
  for (let number = 0; number < 3; number += 1) ledger.count('chats', 'accepted');
  const shown = (await get('/metrics')).body;
  expectBalanced(shown);
  expect(sumOf(parseMetrics(shown), 'event_pusher_dead_letters')).toBe(7);
  expect(JSON.parse((await get('/readyz')).body)).toEqual({
    status: 'unready',
    reasons: ['no server', 'full'],
  });
  delete problems.session;
  delete problems.store;
  expect((await get('/readyz')).status).toBe(200);
});
