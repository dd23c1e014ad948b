import net from 'node:net';
import http from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { oneAtATime } from '../../src/telemetry/metrics.ts';
import { serveTelemetry, type TelemetryServerOptions } from '../../src/telemetry/server.ts';
import { once } from '../support/wait.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const metrics = { contentType: 'text/plain; version=0.0.4; charset=utf-8', scrape: async () => 'up 1\n' };

async function serve(options: Partial<TelemetryServerOptions> = {}) {
  const server = await serveTelemetry({
    host: '127.0.0.1',
    port: 0,
    hosts: [],
    metrics,
    unreadyReasons: () => [],
    ...options,
  });
  onTestFinished(() => server.close());
  const url = `http://127.0.0.1:${server.address.port}`;
  return { server, url };
}

describe('the telemetry listener', () => {
  it('serves the metrics at /metrics', async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(metrics.contentType);
    expect(await response.text()).toBe('up 1\n');
  });

  it('responds with 200 at /healthz, ready or not', async () => {
    const { url } = await serve({ unreadyReasons: () => ['not connected'] });
    const response = await fetch(`${url}/healthz`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({ status: 'ok' });
  });

  it('responds with 200 at /readyz while there is no reason against it, else with 503 and the reasons', async () => {
    const reasons: string[] = [];
    const { url } = await serve({ unreadyReasons: () => reasons });
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({ status: 'ready' });
    reasons.push('the component is not connected', 'the outbox takes no writes');
    const unready = await fetch(`${url}/readyz`);
    expect(unready.status).toBe(503);
    expect(unready.headers.get('content-type')).toBe('application/json');
    expect(await unready.json()).toEqual({ status: 'unready', reasons });
    reasons.length = 0;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  it('ignores a query', async () => {
    const { url } = await serve();
    expect((await fetch(`${url}/metrics?x=1`)).status).toBe(200);
  });

  it.each(['/metrics', '/healthz', '/readyz'])(
    'responds to HEAD as to GET, without a body (%s)',
    async (path) => {
      const { url } = await serve();
      const [get, head] = await Promise.all([fetch(url + path), fetch(url + path, { method: 'HEAD' })]);
      expect(head.status).toBe(get.status);
      expect(head.headers.get('content-length')).toBe(get.headers.get('content-length'));
      expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
      expect(await head.text()).toBe('');
    },
  );

  it.each(['/', '/metrics/', '/..%2fmetrics', '/favicon.ico'])(
    'responds with 404 to other paths (%s)',
    async (path) => {
      const { url } = await serve();
      const response = await fetch(url + path);
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({ error: expect.any(String) });
    },
  );

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])(
    'responds with 405 to %s and says what is allowed',
    async (method) => {
      const { url } = await serve();
      const response = await fetch(`${url}/metrics`, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
      expect(await response.json()).toEqual({ error: expect.any(String) });
    },
  );

  it('responds with 500 to a scrape that fails, and continues to serve', async () => {
    let isBroken = true;
    const scrape = async (): Promise<string> => {
      if (isBroken) throw new Error('broken');
      return 'up 1\n';
    };
    const { url } = await serve({ metrics: { ...metrics, scrape } });
    expect((await fetch(`${url}/metrics`)).status).toBe(500);
    isBroken = false;
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it('survives bytes that are not HTTP', async () => {
    const { url, server } = await serve();
    const socket = net.connect(server.address.port, '127.0.0.1', () =>
      socket.write('\x16\x03\x01 no HTTP\r\n\r\n'),
    );
    await new Promise((resolve) => socket.on('close', resolve).resume());
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('rejects with EADDRINUSE where another process listens', async () => {
    const { server } = await serve();
    await expect(serve({ port: server.address.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('closes without waiting for a client that has sent only a part of its request', async () => {
    const { server } = await serve();
    const socket = net.connect(server.address.port, '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nhost:');
    await new Promise((resolve) => socket.once('data', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await server.close();
    await closed;
  });
});

/** The status of /healthz when it is asked by this Host header. */
async function statusFor(host: string, options: Partial<TelemetryServerOptions> = {}): Promise<number> {
  const { server } = await serve(options);
  const address = options.host === '::1' ? '::1' : '127.0.0.1';
  const request = http.get({ host: address, port: server.address.port, path: '/healthz', headers: { host } });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}

const hasIpv6 = await new Promise<boolean>((resolve) => {
  const probe = net.createServer().once('error', () => resolve(false));
  probe.listen(0, '::1', () => probe.close(() => resolve(true)));
});

describe('the Host header', () => {
  const local = [
    '127.0.0.1',
    '127.0.0.1:9464',
    'localhost',
    'LocalHost:80',
    'sidecar',
    'Metrics.Example.com:9464',
  ];
  it.each(local)('may be the loopback address, localhost or a name of telemetry.hosts: %s', async (host) => {
    expect(await statusFor(host, { hosts: ['sidecar', 'metrics.example.com'] })).toBe(200);
  });

  it.each([
    'evil.example',
    'evil.example:9464',
    '127.0.0.1.evil.example',
    '192.0.2.1',
    '[::1]',
    'localhost.evil.example',
    'x',
  ])('may not be anything else where only this machine can connect: "%s"', async (host) => {
    expect(await statusFor(host)).toBe(421);
  });

  it.each(['192.0.2.1', '10.0.0.1:9464', '[2001:db8::1]:9464', '127.0.0.1', 'localhost', 'sidecar'])(
    'may be any address where others can connect: %s',
    async (host) => {
      expect(await statusFor(host, { host: '0.0.0.0', hosts: ['sidecar'] })).toBe(200);
    },
  );

  it.each(['evil.example', 'sidecar', '1.2.3', '[evil]', '2001:db8::g'])(
    'may not be a name that is not listed, wherever it listens: %s',
    async (host) => {
      expect(await statusFor(host, { host: '0.0.0.0' })).toBe(421);
    },
  );

  it('may be the name that it listens at', async () => {
    const { server, url } = await serve({ host: 'localhost' });
    expect(server.address.port).toBeGreaterThan(0);
    expect((await fetch(url.replace('127.0.0.1', 'localhost') + '/healthz')).status).toBe(200);
  });

  it.runIf(hasIpv6).each(['[::1]', '[::1]:9464', 'localhost'])(
    'may be the IPv6 loopback address: %s',
    async (host) => {
      expect(await statusFor(host, { host: '::1' })).toBe(200);
    },
  );

  it('may be missing, as in HTTP/1.0', async () => {
    const { server } = await serve();
    const socket = net.connect(server.address.port, '127.0.0.1');
    socket.end('GET /healthz HTTP/1.0\r\n\r\n');
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(String(data)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('that is refused gets a response that says what to do, without anything of the sidecar', async () => {
    const { server } = await serve({ unreadyReasons: () => ['the server is away'] });
    const headers = { host: 'evil.example' };
    const request = http.get({ host: '127.0.0.1', port: server.address.port, path: '/readyz', headers });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const [body] = (await once(response.setEncoding('utf8'), 'data')) as [string];
    expect(JSON.parse(body)).toEqual({ error: expect.stringContaining('telemetry.hosts') });
    expect(body).not.toContain('away');
  });
});

describe('clients of the telemetry listener', () => {
  const limits = { requestMs: 200, silenceMs: 60_000, connections: 100, requestsPerConnection: 100 };

  it('get only a limited number of pipelined requests served, and others are served meanwhile', async () => {
    let served = 0;
    const { server, url } = await serve({
      unreadyReasons: () => {
        served += 1;
        return [];
      },
    });
    const socket = net.connect(server.address.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(20_000));
    socket.resume();
    await once(socket, 'close');
    expect(served).toBeLessThanOrEqual(100);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  it.each([
    ['sends nothing', ''],
    ['sends half a request line', 'GET /heal'],
    ['sends headers without end', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: '],
  ])('are cut off when one %s', async (_title, text) => {
    const { server } = await serve({ limits });
    const socket = net.connect(server.address.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(text);
    socket.resume();
    await once(socket, 'close');
  });

  it('are cut off if they do not read a large response', async () => {
    const large = { ...metrics, scrape: async () => 'x'.repeat(50_000_000) };
    const { server, url } = await serve({ metrics: large, limits: { ...limits, silenceMs: 200 } });
    const socket = net.connect(server.address.port, '127.0.0.1');
    let error: Error | undefined;
    socket.on('error', (reason) => (error = reason));
    socket.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await once(socket, 'readable');
    // Who does not read sees only by writing that the other side has gone; and more often than this it would be no silence.
    const isCutOff = (): boolean => {
      // An empty line before a request is nothing.
      socket.write('\r\n');
      return error !== undefined;
    };
    await expect.poll(isCutOff, { timeout: 50_000, interval: 1000 }).toBe(true);
    socket.destroy();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('are limited in number at a time', async () => {
    const { server } = await serve({ limits: { ...limits, requestMs: 60_000, connections: 3 } });
    const sockets = Array.from({ length: 10 }, () => net.connect(server.address.port, '127.0.0.1'));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const socket of sockets) socket.on('error', () => undefined).resume();
    const closed = sockets.map((socket) => once(socket, 'close'));
    await Promise.race(closed);
    let count = 0;
    for (const each of closed) void each.then(() => (count += 1));
    await expect.poll(() => count).toBe(7);
  });

  it('share a scrape: all requests during one scrape get the next one', async () => {
    let scrapes = 0;
    const held: (() => void)[] = [];
    const scrape = oneAtATime(async () => {
      scrapes += 1;
      await new Promise<void>((resolve) => held.push(resolve));
      return `scrapes ${scrapes}\n`;
    });
    const { url } = await serve({ metrics: { ...metrics, scrape } });
    const ask = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
    const first = ask();
    await expect.poll(() => held.length).toBe(1);
    const others = Promise.all(Array.from({ length: 20 }, ask));
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    held.shift()?.();
    expect(await first).toBe('scrapes 1\n');
    await expect.poll(() => held.length).toBe(1);
    held.shift()?.();
    expect(new Set(await others)).toEqual(new Set(['scrapes 2\n']));
  });
});
