import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import dgram from 'node:dgram';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { type LogLine, startSidecar } from '../support/sidecar.ts';
import { startXmppServer } from '../support/xmpp-server.ts';
import { testReceiver } from './bench.ts';

const secret = 's3cr3t';
const NAME = 'receiver.test';
const FIRST = '127.0.0.1';
const SECOND = '127.0.0.2';
const NAME_SERVER = '127.0.0.77';
/** Linux sends the first packet of a connection (SYN) again after a second. */
const REQUEST_TIMEOUT_MS = 10_000;
const SYN_SENT = '02';

/**
 * A command that runs another one where a name has two addresses, first that of the slow receiver, and every other name
 * is asked for at a name server.
 */
async function twoAddresses(skip: (reason: string) => never): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'names-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'hosts'), `${FIRST} ${NAME}\n${SECOND} ${NAME}\n`);
  await writeFile(join(folder, 'resolv.conf'), `nameserver ${NAME_SERVER}\n`);
  const mounts = ['hosts', 'resolv.conf'].map((name) => `mount --bind ${folder}/${name} /etc/${name} && `);
  const namespaces = process.getuid?.() === 0 ? '-m' : '-rm';
  const command = ['unshare', namespaces, 'sh', '-c', `${mounts.join('')}exec "$@"`, 'sh'];
  const look = `require('dns').lookup('${NAME}', { all: true }, (_, all) => console.log(all.map((a) => a.address).join()))`;
  const [program, ...args] = [...command, process.execPath, '-e', look];
  const { stdout, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined || stdout.trim() !== `${FIRST},${SECOND}`) {
    skip('no mount namespace with an /etc/hosts of its own');
  }
  return command;
}

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

/** A sidecar that has one notification for the receiver. */
async function startDelivery(port: number, through: readonly string[]) {
  const server = await startXmppServer({ secret });
  const sidecar = await startSidecar(
    {
      component: { service: server.service, domain: 'push.example.com', secret },
      outgoing_pools: [
        { tag: 'http_pool', server: `http://${NAME}:${port}`, request_timeout: REQUEST_TIMEOUT_MS },
      ],
      mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
      outbox: { engine: 'memory' },
      log: { level: 'debug' },
    },
    { through },
  );
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  peer.write("<message from='alice@example.com' to='push.example.com' type='chat'><body>Hi</body></message>");
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

/** A name server that never responds; `asked` is how often it was asked. */
async function startSilentNameServer(skip: (reason: string) => never) {
  const server = dgram.createSocket('udp4');
  const seen = { asked: 0 };
  server.on('message', () => (seen.asked += 1));
  onTestFinished(() => void server.close());
  server.bind(53, NAME_SERVER);
  await once(server, 'listening').catch(() => skip(`nobody may be a name server at ${NAME_SERVER}`));
  return seen;
}

it('a receiver whose name nobody knows, at a name server that never responds, does not delay another pool', async ({
  skip,
}) => {
  const through = await twoAddresses(skip);
  const nameServer = await startSilentNameServer(skip);
  const receiver = await testReceiver({ host: FIRST });
  const server = await startXmppServer({ secret });
  const pool = (scope: string, host: string) => ({
    tag: 'http_pool',
    scope,
    server: `http://${host}`,
    request_timeout: 1000,
    retry: { first_delay: 1, max_delay: 1 },
  });
  const sidecar = await startSidecar(
    {
      component: {
        service: server.service,
        domain: 'push.example.com',
        secret,
        trusted_domains: ['dead.example', 'good.example'],
      },
      outgoing_pools: [
        pool('dead.example', 'nowhere.test'),
        pool('good.example', `${NAME}:${receiver.port}`),
      ],
      mod_event_pusher: { backends: [{ http: { pool_name: 'http_pool' } }] },
      outbox: { engine: 'memory' },
      log: { level: 'debug' },
    },
    { through },
  );
  onTestFinished(() => sidecar.kill());
  const peer = await server.welcome();
  const chat = (from: string): string =>
    `<message from='${from}' to='push.example.com' type='chat'><body>Hi</body></message>`;
  peer.write(Array.from({ length: 50 }, (_, number) => chat(`user${number}@dead.example`)).join(''));
  const attempts = { pool: 'http_pool@dead.example', outcome: 'timeout' };
  while ((await sidecar.metrics()).sum('event_pusher_attempts_total', attempts) < 30);
  expect(nameServer.asked).toBeGreaterThan(0);
  peer.write(chat('alice@good.example'));
  const isGood = (line: LogLine): boolean => line['pool'] === 'http_pool@good.example';
  const ends = ['notification-delivered', 'notification-retried'].map((event) =>
    sidecar.logged(event, isGood),
  );
  expect((await Promise.any(ends)).event).toBe('notification-delivered');
});
