import { existsSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { folderWith, good, spoilt, trusting } from '../config/load-text.ts';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { closedPort } from '../support/closed-port.ts';
import { once } from '../support/wait.ts';

interface RunOptions {
  /** Of an XMPP server; default: nobody is there. */
  readonly xmppPort?: number;
  /** URL of the receiver, and what else the outgoing pool has. */
  readonly server?: string;
  /** Source of a callback module. */
  readonly callback?: string;
  /** Where to listen; default any port. */
  readonly listen?: string;
  /** A file that is its stdout. */
  readonly stdout?: string;
}

async function run(options: RunOptions = {}): Promise<RunningCli> {
  const { xmppPort, server = 'http://localhost:8000', callback, listen = '127.0.0.1:0' } = options;
  const text = trusting
    .replace('5347', String(xmppPort ?? (await closedPort())))
    .replace('http://localhost:8000', server)
    .concat(callback === undefined ? '' : '        callback_module: ./callback.mjs\n')
    .concat(`telemetry: { listen: "${listen}" }\nshutdown_timeout: 600000\n`);
  const folder = await folderWith({ 'x.yaml': text, 'callback.mjs': callback ?? '' });
  const { stdout } = options;
  return startCli(['run', '-c', 'x.yaml'], { folder, ...(stdout !== undefined && { stdout }) });
}

/** Lets a server listen until the test is over; gives its port. */
async function listening(server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** Welcomes every component (XEP-0114, section 3) and sends it one chat message. */
function xmppServer(): net.Server {
  const answers: readonly [RegExp, string][] = [
    [
      /<stream:stream[^>]*>/,
      `<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='push.example.com'>`,
    ],
    [
      /<\/handshake>/,
      `<handshake/><message from='alice@example.com/a' to='push.example.com' type='chat'><body>Hi</body></message>`,
    ],
    [/<\/stream:stream>/, '</stream:stream>'],
  ];
  return net.createServer((socket) => {
    let received = '';
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      received += data.toString();
      for (const [question, answer] of answers) {
        if (!question.test(received)) continue;
        received = received.replace(question, '');
        socket.write(answer);
      }
    });
  });
}

/** A sidecar with one notification that its receiver got and has not answered yet. */
async function delivering(): Promise<{ sidecar: RunningCli; answer: () => void }> {
  const receiver = http.createServer();
  const port = await listening(receiver);
  const sidecar = await run({
    xmppPort: await listening(xmppServer()),
    server: `http://127.0.0.1:${port}\n    request_timeout: 600000`,
  });
  const [, response] = (await once(receiver, 'request')) as [unknown, http.ServerResponse];
  return { sidecar, answer: () => void response.writeHead(204).end() };
}

it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s', async (signal) => {
  const sidecar = await run();
  await sidecar.logged('telemetry-listening');
  sidecar.process.kill(signal);
  expect(await sidecar.ended).toMatchObject({ code: 0, stderr: '' });
});

it('delivers what is under way before it ends', async () => {
  const { sidecar, answer } = await delivering();
  sidecar.process.kill('SIGTERM');
  await sidecar.logged('sidecar-stopping');
  answer();
  expect(await sidecar.ended).toMatchObject({ code: 0, stderr: '' });
});

it('ends at once on a second signal, once it is none that came with the first', async () => {
  const { sidecar } = await delivering();
  sidecar.process.kill('SIGTERM');
  await sidecar.logged('sidecar-stopping');
  const again = setInterval(() => sidecar.process.kill('SIGINT'), 50);
  onTestFinished(() => clearInterval(again));
  expect(await sidecar.ended).toMatchObject({
    code: 1,
    stderr: 'ended by a second signal, without finishing what is in flight\n',
  });
});

it('opens no debugger on SIGUSR1', async () => {
  const sidecar = await run();
  await sidecar.logged('telemetry-listening');
  sidecar.process.kill('SIGUSR1');
  sidecar.process.kill('SIGHUP');
  await sidecar.complained('SIGHUP ignored');
  sidecar.process.kill('SIGTERM');
  expect(await sidecar.ended).toMatchObject({
    code: 0,
    stderr: 'SIGHUP ignored: this version cannot reload\n',
  });
});

it('ends with 0 on a signal that comes while it starts', async () => {
  const sidecar = await run({
    callback: `process.kill(process.pid, 'SIGTERM'); export const shouldMakeReq = () => true;`,
  });
  expect(await sidecar.ended).toMatchObject({ code: 0, stderr: '' });
});

it('goes on after SIGHUP', async () => {
  const sidecar = await run();
  await sidecar.logged('telemetry-listening');
  sidecar.process.kill('SIGHUP');
  await sidecar.complained('SIGHUP ignored: this version cannot reload\n');
  sidecar.process.kill('SIGTERM');
  expect(await sidecar.ended).toMatchObject({ code: 0 });
});

it('goes on after faults that nobody caught, and logs them', async () => {
  const sidecar = await run({
    callback: `
      process.on('SIGUSR2', () => {
        Promise.reject(new Error('rejected'));
        throw new Error('thrown');
      });
      export const shouldMakeReq = () => true;
    `,
  });
  await sidecar.logged('telemetry-listening');
  sidecar.process.kill('SIGUSR2');
  expect(await sidecar.logged('internal-error')).toMatchObject({ where: 'uncaughtException' });
  sidecar.process.kill('SIGTERM');
  const { code, stdout } = await sidecar.ended;
  expect(code).toBe(0);
  expect(stdout).toContain('"where":"unhandledRejection"');
});

it('starts although a callback module leaves a rejection behind', async () => {
  const sidecar = await run({
    callback: `Promise.reject(new Error('left')); export const shouldMakeReq = () => true;`,
  });
  await sidecar.logged('telemetry-listening');
  sidecar.process.kill('SIGTERM');
  const { code, stdout, stderr } = await sidecar.ended;
  expect(code).toBe(0);
  // Some versions of Node tell of it before there is a log, some after.
  expect(stdout + stderr).toMatch(/failed while it was loaded: Error: left|"where":"unhandledRejection"/);
});

it('goes on when nobody reads its log any more', async () => {
  const sidecar = await run();
  await sidecar.logged('telemetry-listening');
  sidecar.process.stdout?.destroy();
  sidecar.process.kill('SIGHUP');
  await sidecar.complained('SIGHUP ignored');
  sidecar.process.kill('SIGTERM');
  expect(await sidecar.ended).toMatchObject({ code: 0 });
});

it.runIf(existsSync('/dev/full'))('goes on when the disk of its log is full', async () => {
  const server = net.createServer();
  const port = await listening(server);
  server.close();
  const sidecar = await run({ listen: `127.0.0.1:${port}`, stdout: '/dev/full' });
  const isHealthy = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await expect.poll(isHealthy, { timeout: 30_000 }).toBe(true);
  sidecar.process.kill('SIGTERM');
  expect(await sidecar.ended).toMatchObject({ code: 0, signal: null });
});

it('is not troubled when nobody reads its complaints', async () => {
  const sidecar = await run();
  await sidecar.logged('telemetry-listening');
  sidecar.process.stderr?.destroy();
  sidecar.process.kill('SIGHUP');
  sidecar.process.kill('SIGTERM');
  const { code, stdout } = await sidecar.ended;
  expect(code).toBe(0);
  expect(stdout).not.toContain('internal-error');
});

it('says first what it is and what it will do, without the credentials of servers', async () => {
  const text = `${trusting.replace('http://localhost:8000', 'http://localhost:8000/T0/s3cr3t')}
    - http: { pool_name: http_pool, name: alerts }
telemetry: { listen: "127.0.0.1:0" }
`;
  const folder = await folderWith({ 'x.yaml': text });
  const sidecar = startCli(['run', '-c', 'x.yaml'], { folder });
  await sidecar.logged('telemetry-listening');
  sidecar.process.kill('SIGTERM');
  const { stdout } = await sidecar.ended;
  const [first] = stdout.split('\n');
  expect(JSON.parse(first ?? '')).toEqual({
    level: 'info',
    time: expect.any(String),
    service: 'xmpp-event-pusher',
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    event: 'sidecar-starting',
    node: process.version,
    file: join(folder, 'x.yaml'),
    outbox: { engine: 'lmdb', folder: join(folder, 'data') },
    pools: [{ pool: 'http_pool', server: 'http://localhost:8000' }],
    backends: ['http_pool', 'alerts'],
    msg: 'starting',
  });
  expect(stdout).not.toContain('s3cr3t');
});

it('starts all the same when there is only a warning, and says it in the log', async () => {
  const folder = await folderWith({ 'x.yaml': `${good}telemetry: { listen: "127.0.0.1:0" }\n` });
  const sidecar = startCli(['run', '-c', 'x.yaml'], { folder });
  await sidecar.logged('telemetry-listening');
  sidecar.process.kill('SIGTERM');
  const { code, stdout } = await sidecar.ended;
  expect(code).toBe(0);
  const line = stdout.split('\n').find((text) => text.includes('configuration-problem'));
  expect(JSON.parse(line ?? '{}')).toMatchObject({
    level: 'warn',
    code: 'nobody-trusted',
    line: 1,
    column: 1,
  });
});

it('ends with 78 on a bad configuration, and says each problem in the log, too', async () => {
  const folder = await folderWith({ 'x.yaml': spoilt('swordfish', '""\n  colour: blue') });
  const { code, stdout, stderr } = await runCli(['run', '-c', 'x.yaml'], { folder });
  expect(code).toBe(78);
  expect(stderr).toBe(
    'x.yaml:4:11: component.secret must not be empty: the server has one for this component\n' +
      'x.yaml:5:3: component.colour is not a known key: the keys here are service, domain, secret, secret_file, trusted_domains, taps, max_stanza_size, timeouts\n',
  );
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toMatchObject([
    {
      event: 'configuration-problem',
      level: 'error',
      file: 'x.yaml',
      line: 4,
      column: 11,
      code: 'invalid-secret',
      msg: 'component.secret must not be empty: the server has one for this component',
    },
    { event: 'configuration-problem', level: 'error', line: 5, column: 3, code: 'unknown-key' },
  ]);
});

it('ends with 78 on a callback module that cannot be loaded', async () => {
  const sidecar = await run({ callback: 'export const shouldMakeReq = ;' });
  expect(await sidecar.logged('configuration-problem')).toMatchObject({
    level: 'error',
    file: 'x.yaml',
    line: 13,
    column: 26,
    code: 'unusable-callback-module',
  });
  const { code, stderr } = await sidecar.ended;
  expect(code).toBe(78);
  expect(stderr).toMatch(
    /^x\.yaml:13:26: the callback module of http_pool cannot be used: .*Unexpected token.*\n$/,
  );
});

it('ends with 1 when its telemetry address is taken, and says so', async () => {
  const port = await listening(net.createServer());
  const sidecar = await run({ listen: `127.0.0.1:${port}` });
  const reason = `telemetry.listen is 127.0.0.1 port ${port}, but another process listens there: choose another port, or 0 for any free one`;
  expect(await sidecar.logged('start-failed')).toMatchObject({ level: 'error', reason });
  expect(await sidecar.ended).toMatchObject({ code: 1, stderr: `cannot start: ${reason}\n` });
});

it('ends with 1 when its outbox cannot be opened, and says so in the log, too', async () => {
  const folder = await folderWith({
    'x.yaml': `${trusting}telemetry: { listen: "127.0.0.1:0" }\noutbox: { options: { path: file } }\n`,
    file: '',
  });
  const sidecar = startCli(['run', '-c', 'x.yaml'], { folder });
  const { reason } = await sidecar.logged('start-failed');
  expect(reason).toContain(`cannot open ${join(folder, 'file')}`);
  expect(await sidecar.ended).toMatchObject({ code: 1, stderr: `cannot start: ${String(reason)}\n` });
});

it('ends with 1 when its machine does not have the telemetry address, and says so', async () => {
  const sidecar = await run({ listen: '192.0.2.1:9464' });
  expect(await sidecar.ended).toMatchObject({
    code: 1,
    stderr:
      'cannot start: telemetry.listen is 192.0.2.1 port 9464, but this machine does not have that address\n',
  });
});

it('is not ready while no XMPP server is there, which healthcheck says', async () => {
  const sidecar = await run();
  const { port } = await sidecar.logged('telemetry-listening');
  await sidecar.logged('component-offline');
  const folder = await folderWith({
    'x.yaml': `${trusting}telemetry: { listen: "127.0.0.1:${String(port)}" }\n`,
  });
  const { code, stderr } = await runCli(['healthcheck', '-c', 'x.yaml'], { folder });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^not ready: \/readyz responds with 503: \{.*connect-failed, ECONNREFUSED.*\}\n$/);
});

it('is ready once the XMPP server welcomed it, which healthcheck says', async () => {
  const sidecar = await run({ xmppPort: await listening(xmppServer()) });
  const { port } = await sidecar.logged('telemetry-listening');
  await sidecar.logged('component-online');
  const folder = await folderWith({
    'x.yaml': `${trusting}telemetry: { listen: "127.0.0.1:${String(port)}" }\n`,
  });
  expect(await runCli(['healthcheck', '-c', 'x.yaml'], { folder })).toMatchObject({ code: 0, stderr: '' });
});
