import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { setTimeout as pass } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { FIRST, NAME, SECOND, startSilentNameServer, twoAddresses } from '../support/name-resolution.ts';
import type { LogLine } from '../support/cli.ts';
import { startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';
import { testReceiver } from './pool.ts';
import { once } from '../support/wait.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const secret = 's3cr3t';
/** Linux sends the first packet of a connection (SYN) again after a second. */
const REQUEST_TIMEOUT_MS = 10_000;
const SYN_SENT = '02';

/** A receiver at the first address whose process is stopped and has no room for a connection more. */
async function startFullReceiver(skip: (reason: string) => never) {
  const child = spawn(process.execPath, ['-e', receiverProgram], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const [said] = (await once(child.stdout!, 'data')) as [Buffer];
  const port = Number(said);
  child.kill('SIGSTOP');
  for (let count = 0; (await connecting(port)) === 0; count += 1) {
    if (count === 20) skip('this system takes any number of connections');
    const socket = net.connect(port, FIRST).on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    await pass(50);
  }
  return { port, child };
}

const receiverProgram = `
  const server = require('http').createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(204).end());
  });
  server.listen({ port: 0, host: '${FIRST}', backlog: 1 }, () => console.log(server.address().port));
`;

/** How many connections to a port wait for the receiver's first packet. */
async function connecting(port: number): Promise<number> {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((row) => row.trim().split(/\s+/));
  return rows.filter(([, , to, state]) => to === remote && state === SYN_SENT).length;
}

/** A sidecar with these pools, which all have one tag, that is connected to an XMPP server. */
async function startPools(
  pools: readonly object[],
  through: readonly string[],
  trusted_domains: string[] = [],
) {
  const server = await startXmppServer({ secret });
  const sidecar = await startSidecar(
    {
      component: { service: server.service, domain: 'push.example.com', secret, trusted_domains },
      outgoing_pools: pools.map((pool) => ({ tag: 'http_pool', ...pool })),
      mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
      outbox: { engine: 'memory' },
      log: { level: 'debug' },
    },
    { through },
  );
  onTestFinished(() => sidecar.kill());
  return { sidecar, peer: await server.welcome() };
}

function chatFrom(sender: string): string {
  return `<message from='${sender}' to='push.example.com' type='chat'><body>Hi</body></message>`;
}

/** A sidecar that has one notification for the receiver. */
async function startDelivery(port: number, through: readonly string[]) {
  const pool = { server: `http://${NAME}:${port}`, request_timeout: REQUEST_TIMEOUT_MS };
  const { sidecar, peer } = await startPools([pool], through);
  peer.write(chatFrom('alice@example.com'));
  return sidecar;
}

/** The first lines about the notification. */
async function verdict(sidecar: Awaited<ReturnType<typeof startDelivery>>): Promise<string> {
  const ends = ['notification-delivered', 'notification-retried'].map((event) => sidecar.logged(event));
  return (await Promise.any(ends)).event;
}

it('a receiver with two addresses that is slow to take a connection is reached, though nobody is at the other one', async ({
  skip,
}) => {
  const through = await twoAddresses(skip);
  const { port, child } = await startFullReceiver(skip);
  const before = await connecting(port);
  const sidecar = await startDelivery(port, through);
  for (let count = 0; (await connecting(port)) <= before; count += 1) {
    expect(count, 'a connection is being made').toBeLessThan(500);
    await pass(20);
  }
  child.kill('SIGCONT');
  expect(await verdict(sidecar)).toBe('notification-delivered');
});

it('a receiver with two addresses is reached at the second if nobody takes connections at the first', async ({
  skip,
}) => {
  const through = await twoAddresses(skip);
  const { port } = await startFullReceiver(skip);
  const receiver = await testReceiver({ host: SECOND, port });
  const sidecar = await startDelivery(port, through);
  expect(await verdict(sidecar)).toBe('notification-delivered');
  expect(receiver.requests).toHaveLength(1);
});

it('a receiver whose name nobody knows, at a name server that never responds, does not delay another pool', async ({
  skip,
}) => {
  const through = await twoAddresses(skip);
  const nameServer = await startSilentNameServer(skip);
  const receiver = await testReceiver({ host: FIRST });
  const pool = (scope: string, host: string) => ({
    scope,
    server: `http://${host}`,
    request_timeout: 1000,
    retry: { first_delay: 1, max_delay: 1 },
  });
  const { sidecar, peer } = await startPools(
    [pool('dead.example', 'nowhere.test'), pool('good.example', `${NAME}:${receiver.port}`)],
    through,
    ['dead.example', 'good.example'],
  );
  peer.write(Array.from({ length: 50 }, (_, number) => chatFrom(`user${number}@dead.example`)).join(''));
  const attempts = { pool: 'http_pool@dead.example', outcome: 'timeout' };
  while ((await sidecar.metrics()).sum('event_pusher_attempts_total', attempts) < 30);
  expect(nameServer.asked).toBeGreaterThan(0);
  peer.write(chatFrom('alice@good.example'));
  const isGood = (line: LogLine): boolean => line['pool'] === 'http_pool@good.example';
  const ends = ['notification-delivered', 'notification-retried'].map((event) =>
    sidecar.logged(event, isGood),
  );
  expect((await Promise.any(ends)).event).toBe('notification-delivered');
});
