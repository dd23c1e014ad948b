import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { folderWith, good, spoilt } from '../config/load-text.ts';
import { runCli } from '../support/cli.ts';
import { closedPort } from '../support/closed-port.ts';
import { once } from '../support/wait.ts';

/** Something that listens where a sidecar would; gives the port. */
async function listen(answer: http.RequestListener, host = '127.0.0.1'): Promise<number> {
  const server = http.createServer(answer).listen(0, host);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function healthcheck(listenAt: string) {
  const folder = await folderWith({ 'x.yaml': `${good}telemetry: { listen: "${listenAt}" }\n` });
  return runCli(['healthcheck', '-c', 'x.yaml'], { folder });
}

const readyOnly: http.RequestListener = (request, response) => {
  response.writeHead(request.url === '/readyz' ? 200 : 404).end('{"status":"ready"}');
};

it('succeeds while the response of /readyz is 200', async () => {
  const port = await listen(readyOnly);
  expect(await healthcheck(`127.0.0.1:${port}`)).toMatchObject({ code: 0, stdout: '', stderr: '' });
});

it('asks a sidecar that listens on every address', async () => {
  const port = await listen(readyOnly);
  expect(await healthcheck(`0.0.0.0:${port}`)).toMatchObject({ code: 0 });
});

it.each([
  [
    'in lines',
    (port: number) => `${good}telemetry:\n  # the port\n  listen: 127.0.0.1:${port} # local\n  hosts: [x]\n`,
    0,
  ],
  ['in lines, with quotes', (port: number) => `${good}telemetry:\n  listen: "127.0.0.1:${port}"\n`, 0],
  ['by a variable', (port: number) => `${good}telemetry: { listen: "127.0.0.1:\${PORT:-${port}}" }\n`, 0],
  [
    'in a file that is not good elsewhere',
    (port: number) => `telemetry: { listen: "127.0.0.1:${port}" }\n`,
    0,
  ],
  [
    'in a file whose secret is not set',
    (port: number) => `${spoilt('swordfish', '${NONE}')}telemetry: { listen: "127.0.0.1:${port}" }\n`,
    0,
  ],
])('finds where to ask, %s', async (_title, textFor, code) => {
  const folder = await folderWith({ 'x.yaml': textFor(await listen(readyOnly)) });
  expect(await runCli(['healthcheck', '-c', 'x.yaml'], { folder })).toMatchObject({ code, stderr: '' });
});

it('reads a long response whole, and one without a length', async () => {
  const reason = 'x'.repeat(5000);
  const port = await listen((_request, response) => {
    response.writeHead(503).write(reason);
    response.end('ü');
  });
  expect((await healthcheck(`127.0.0.1:${port}`)).stderr).toBe(
    `not ready: /readyz responds with 503: ${reason}ü\n`,
  );
});

it('fails with the reason that /readyz gives', async () => {
  const port = await listen((_request, response) => response.writeHead(503).end('{"status":"unready"}\n'));
  expect(await healthcheck(`127.0.0.1:${port}`)).toMatchObject({
    code: 1,
    stderr: 'not ready: /readyz responds with 503: {"status":"unready"}\n',
  });
});

it('fails when nobody listens', async () => {
  const port = await closedPort();
  expect(await healthcheck(`127.0.0.1:${port}`)).toMatchObject({
    code: 1,
    stderr: `not ready: no response from 127.0.0.1 port ${port} (ECONNREFUSED): is the sidecar running?\n`,
  });
});

it('fails when the connection ends in the middle of a response', async () => {
  const port = await listen((_request, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{');
    setImmediate(() => response.destroy());
  });
  expect(await healthcheck(`127.0.0.1:${port}`)).toMatchObject({
    code: 1,
    stderr: `not ready: no response from 127.0.0.1 port ${port} (ECONNRESET): is the sidecar running?\n`,
  });
});

it('fails when no response comes in time', async () => {
  const port = await listen(() => undefined);
  expect(await healthcheck(`127.0.0.1:${port}`)).toMatchObject({
    code: 1,
    stderr: `not ready: no response from 127.0.0.1 port ${port} within 5000 ms\n`,
  });
});

it('fails where the port cannot be known, and where the configuration is bad', async () => {
  expect(await healthcheck('127.0.0.1:0')).toMatchObject({
    code: 1,
    stderr: 'not ready: telemetry.listen has port 0, so nobody can know the real one: give it a fixed port\n',
  });
  const bad = await healthcheck('127.0.0.1');
  expect(bad.code).toBe(1);
  expect(bad.stderr).toMatch(
    /^x\.yaml:12:22: telemetry\.listen .*\nnot ready: the configuration is not good\n$/,
  );
});
