import net from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { serveTelemetry, type TelemetryServerOptions } from '../../src/telemetry/server.ts';

const metrics = { contentType: 'text/plain; version=0.0.4; charset=utf-8', scrape: async () => 'up 1\n' };

async function serve(options: Partial<TelemetryServerOptions> = {}) {
  const server = await serveTelemetry({
    host: '127.0.0.1',
    port: 0,
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

  it('answers 200 at /healthz, ready or not', async () => {
    const { url } = await serve({ unreadyReasons: () => ['not connected'] });
    const response = await fetch(`${url}/healthz`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({ status: 'ok' });
  });

  it('answers 200 at /readyz while nothing stands against it, else 503 with the reasons', async () => {
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

  it('takes a query for nothing', async () => {
    const { url } = await serve();
    expect((await fetch(`${url}/metrics?x=1`)).status).toBe(200);
  });

  it.each(['/metrics', '/healthz', '/readyz'])('answers HEAD like GET without a body (%s)', async (path) => {
    const { url } = await serve();
    const [get, head] = await Promise.all([fetch(url + path), fetch(url + path, { method: 'HEAD' })]);
    expect(head.status).toBe(get.status);
    expect(head.headers.get('content-length')).toBe(get.headers.get('content-length'));
    expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
    expect(await head.text()).toBe('');
  });

  it.each(['/', '/metrics/', '/..%2fmetrics', '/favicon.ico'])('answers 404 elsewhere (%s)', async (path) => {
    const { url } = await serve();
    const response = await fetch(url + path);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: expect.any(String) });
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])(
    'answers 405 to %s and says what is allowed',
    async (method) => {
      const { url } = await serve();
      const response = await fetch(`${url}/metrics`, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
      expect(await response.json()).toEqual({ error: expect.any(String) });
    },
  );

  it('answers 500 if the metrics cannot be had, and goes on', async () => {
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

  it('survives what is no HTTP', async () => {
    const { url, server } = await serve();
    const socket = net.connect(server.address.port, '127.0.0.1', () =>
      socket.write('\x16\x03\x01 no HTTP\r\n\r\n'),
    );
    await new Promise((resolve) => socket.on('close', resolve).resume());
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('refuses to start where another listens, and says so', async () => {
    const { server } = await serve();
    await expect(serve({ port: server.address.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('ends at once, though a client is in the midst of a request', async () => {
    const { server } = await serve();
    const socket = net.connect(server.address.port, '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nhost:');
    await new Promise((resolve) => socket.once('data', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await server.close();
    await closed;
  });
});
