import { describe, expect, it } from 'vitest';
import { payloads } from '../../src/backends/payloads/index.ts';
import { callBackend } from '../support/backend.ts';
import { onRawRequest, startReceiver } from '../support/receiver.ts';
import { notification } from '../support/notification.ts';
import { chat } from '../support/router.ts';
import { testPool, testRawReceiver, testReceiver } from './pool.ts';

describe('the request', () => {
  it('is exactly this on the wire', async () => {
    const requests: string[] = [];
    const receiver = await testRawReceiver((socket) =>
      onRawRequest(socket, (request) => {
        requests.push(request);
        socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      }),
    );
    const { pool } = testPool(receiver.url, { pathPrefix: '/webservice' });
    await pool.post(notification({ id: '0f7c-1' }));
    expect(requests).toEqual([
      'POST /webservice/notifications HTTP/1.1\r\n' +
        `host: 127.0.0.1:${receiver.port}\r\n` +
        'user-agent: xmpp-event-pusher/1.2.3\r\n' +
        'content-type: application/x-www-form-urlencoded\r\n' +
        'webhook-id: 0f7c-1\r\n' +
        'content-length: 65\r\n' +
        'Connection: keep-alive\r\n' +
        '\r\n' +
        'author=alice&server=example.com&receiver=bob&message=Hi%2C+Bob%21',
    ]);
  });

  it.each([
    { what: 'text, as UTF-8', body: 'ж€😀', bytes: Buffer.from('ж€😀') },
    { what: 'bytes, as they are', body: Uint8Array.from([0, 255, 128]), bytes: Buffer.from([0, 255, 128]) },
    {
      what: 'a part of a larger buffer',
      body: new Uint8Array(Uint8Array.from([1, 2, 3, 4]).buffer, 1, 2),
      bytes: Buffer.from([2, 3]),
    },
    { what: 'nothing', body: '', bytes: Buffer.alloc(0) },
    { what: 'a megabyte', body: 'x'.repeat(1024 * 1024), bytes: Buffer.alloc(1024 * 1024, 'x') },
  ])('carries a body of $what', async ({ body, bytes }) => {
    const receiver = await testReceiver();
    const attempt = await testPool(receiver.url).pool.post(notification({ body }));
    expect(attempt).toMatchObject({ outcome: '2xx', status: 204 });
    const request = await receiver.next();
    expect(request.headers['content-length']).toBe(String(bytes.length));
    expect(request.bytes.equals(bytes)).toBe(true);
  });

  it('goes where server, prefix and path lead together, the query included', async () => {
    const receiver = await testReceiver();
    const { pool } = testPool(`${receiver.url}/api/`, { pathPrefix: 'v1/' });
    await pool.post(notification({ path: '/n?q=1&r=%20&s=a+b' }));
    await pool.post(notification({ path: '' }));
    const paths = (await receiver.received(2)).map(({ path }) => path);
    expect(paths).toEqual(['/api/v1/n?q=1&r=%20&s=a+b', '/api/v1/']);
  });

  it("carries the pool's credentials as HTTP Basic authentication, as they are", async () => {
    const receiver = await testReceiver();
    const credentials = { username: 'Aladdin', password: 'open sesame: 100 % ж/@' };
    const { pool } = testPool(receiver.url, { credentials });
    await pool.post(notification({ path: '/one' }));
    await pool.post(notification({ path: '/two', headers: {} }));
    const basic = `Basic ${Buffer.from('Aladdin:open sesame: 100 % ж/@').toString('base64')}`;
    const sent = (await receiver.received(2)).map(({ headers }) => headers.authorization);
    expect(sent).toEqual([basic, basic]);
  });

  it('reaches a server by its IPv6 address', async ({ skip }) => {
    const receiver = await startReceiver({ host: '::1' }).catch(() =>
      skip('this machine has no IPv6 loopback'),
    );
    try {
      const attempt = await testPool(receiver.url).pool.post(notification());
      expect(attempt.outcome).toBe('2xx');
      expect((await receiver.next()).headers.host).toBe(`[::1]:${receiver.port}`);
    } finally {
      await receiver.stop();
    }
  });
});

describe('headers from a callback', () => {
  it('are sent as they are, and a user-agent among them wins', async () => {
    const receiver = await testReceiver();
    const headers = {
      'x-tag': 'a, b',
      accept: 'text/plain',
      'user-agent': 'mine/1',
      authorization: 'Bearer t',
    };
    await testPool(receiver.url).pool.post(notification({ headers }));
    expect((await receiver.next()).headers).toEqual({
      ...headers,
      'webhook-id': expect.any(String),
      'content-length': '65',
      host: `127.0.0.1:${receiver.port}`,
      connection: 'keep-alive',
    });
  });

  it('do not spill over into the next request', async () => {
    const receiver = await testReceiver();
    const { pool } = testPool(receiver.url);
    await pool.post(notification({ headers: { 'x-once': '1', 'user-agent': 'mine/1' } }));
    await pool.post(notification({ headers: {} }));
    const [, second] = await receiver.received(2);
    expect(Object.keys(second!.headers).toSorted()).toEqual([
      'connection',
      'content-length',
      'host',
      'user-agent',
      'webhook-id',
    ]);
    expect(second!.headers['user-agent']).toBe('xmpp-event-pusher/1.2.3');
  });

  it('cannot change what frames the request or names the notification', async () => {
    const receiver = await testReceiver();
    const headers = await headersOfCallback({
      'Content-Length': '3',
      'Transfer-Encoding': 'chunked',
      Connection: 'close',
      'Keep-Alive': 'timeout=1',
      TE: 'trailers',
      Trailer: 'x',
      Upgrade: 'h2c',
      'Webhook-Id': 'forged',
      'X-Kept': 'yes',
    });
    await testPool(receiver.url).pool.post(notification({ id: 'mine', headers }));
    expect((await receiver.next()).headers).toEqual({
      'user-agent': 'xmpp-event-pusher/1.2.3',
      'x-kept': 'yes',
      'webhook-id': 'mine',
      'content-length': '65',
      host: `127.0.0.1:${receiver.port}`,
      connection: 'keep-alive',
    });
  });

  const injections = [
    { 'x-a': '1\r\nx-evil: 1' },
    { 'x-a': '1\nx-evil: 1' },
    { 'x-a': '1\r\n\r\nPOST /evil HTTP/1.1' },
    { 'x-a': 'nul\0' },
    { 'x-a\r\nx-evil': '1' },
    { 'x a': '1' },
    { '': '1' },
  ];

  it.each(injections)('cannot inject: refused as a fault of the callback (%j)', async (headers) => {
    await expect(headersOfCallback(headers)).rejects.toThrow('prepareHeaders failed');
  });

  it.each(injections)('cannot inject: the pool, too, sends nothing of it (%j)', async (headers) => {
    const receiver = await testReceiver();
    const { pool, observations } = testPool(receiver.url);
    const attempt = await pool.post(notification({ headers: headers as Record<string, string> }));
    expect(attempt.outcome).toBe('other');
    expect(observations.map(({ kind }) => kind)).toEqual(['internal-error']);
    await pool.post(notification({ path: '/after' }));
    await receiver.next();
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/after']);
  });
});

/** What is left of a callback's headers when they have been checked. */
async function headersOfCallback(headers: Record<string, string>): Promise<Record<string, string>> {
  const options = { pool_name: 'http_pool', path: '' };
  const callbacks = { prepareHeaders: () => headers };
  const backend = {
    name: 'chats',
    poolName: 'http_pool',
    path: '',
    options,
    callbacks,
    payload: payloads.form,
  };
  return (await callBackend(backend, chat('Hi'))).headers;
}
