import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../src/core/delivery.ts';
import { ManualClock } from '../support/clock.ts';
import { makeCertificate } from '../support/certificate.ts';
import { closedPort } from '../support/closed-port.ts';
import { onRawRequest } from '../support/receiver.ts';
import { notification } from '../support/notification.ts';
import { responseSeen, testPool, testRawReceiver, testReceiver } from './pool.ts';

/** POSTs once to a receiver that responds with these bytes and then does as told. */
async function postTo(response: string, then: (socket: Socket) => void = () => undefined): Promise<Attempt> {
  const receiver = await testRawReceiver((socket) =>
    onRawRequest(socket, () => socket.write(response, 'latin1', () => then(socket))),
  );
  const { pool, attempts } = testPool(receiver.url);
  const attempt = await pool.post(notification());
  expect(attempts).toEqual([attempt]);
  return attempt;
}

function end(socket: Socket): void {
  socket.end();
}

function reset(socket: Socket): void {
  socket.resetAndDestroy();
}

describe('the outcome of an attempt', () => {
  it.each([
    [200, '2xx'],
    [202, '2xx'],
    [204, '2xx'],
    [304, '3xx'],
    [400, '4xx'],
    [410, '4xx'],
    [429, '4xx'],
    [500, '5xx'],
    [503, '5xx'],
    [600, 'other'],
    [999, 'other'],
  ])('of status %i is %s', async (status, outcome) => {
    expect(await postTo(`HTTP/1.1 ${status} Whatever\r\ncontent-length: 0\r\n\r\n`)).toMatchObject({
      outcome,
      status,
    });
  });

  it.each([301, 302, 303, 307, 308])('of a redirect is 3xx, and it is not followed (%i)', async (status) => {
    const elsewhere = await testReceiver();
    const receiver = await testReceiver({
      respond: (_request, response) => response.writeHead(status, { location: elsewhere.url }).end(),
    });
    expect(await testPool(receiver.url).pool.post(notification())).toMatchObject({ outcome: '3xx', status });
    await testPool(elsewhere.url).pool.post(notification({ path: '/only-this' }));
    expect(elsewhere.requests.map(({ path }) => path)).toEqual(['/only-this']);
    expect(receiver.requests).toHaveLength(1);
  });

  it('holds Retry-After as it came', async () => {
    const attempt = await postTo('HTTP/1.1 503 Busy\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n');
    expect(attempt).toMatchObject({ outcome: '5xx', status: 503, retryAfter: '120' });
    expect('errorCode' in attempt).toBe(false);
  });

  it('is what comes after 1xx responses', async () => {
    const informational = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n';
    const attempt = await postTo(`${informational}HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n`);
    expect(attempt).toMatchObject({ outcome: '2xx', status: 201 });
  });

  it('of a response in HTTP/1.0 without a length is by its status', async () => {
    expect(await postTo('HTTP/1.0 200 OK\r\n\r\nthanks', end)).toMatchObject({ outcome: '2xx', status: 200 });
  });

  it('of a receiver that refuses is refused', async () => {
    const attempt = await testPool(`http://127.0.0.1:${await closedPort()}`).pool.post(notification());
    expect(attempt).toEqual({ outcome: 'refused', errorCode: 'ECONNREFUSED', durationSeconds: 0 });
  });

  it('of a receiver with a name that nobody knows is dns', async () => {
    const attempt = await testPool('http://receiver.invalid').pool.post(notification());
    expect(attempt.outcome).toBe('dns');
    expect(attempt.errorCode).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
  });

  it.each([
    ['nothing and ends', '', end, 'reset'],
    ['nothing and resets', '', reset, 'reset'],
    ['half a status line and ends', 'HTTP/1.1 20', end, 'reset'],
    ['half a status line and resets', 'HTTP/1.1 20', reset, 'reset'],
    ['1xx only, and ends', 'HTTP/1.1 102 Processing\r\n\r\n', end, 'reset'],
    ['no HTTP, and ends', '220 smtp.example.com ESMTP\r\n', end, 'other'],
    ['more than 64 KiB that is no HTTP', 'x'.repeat(100_000), undefined, 'other'],
    ['a status that is none', 'HTTP/1.1 abc OK\r\n\r\n', undefined, 'other'],
    [
      'an upgrade that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
      undefined,
      'other',
    ],
  ])('of a receiver that responds with %s is no success', async (_what, response, then, outcome) => {
    expect((await postTo(response, then)).outcome).toBe(outcome);
  });
});

describe('the status decides, whatever becomes of the body', () => {
  const head = (status: number): string => `HTTP/1.1 ${status} Status\r\n`;

  it.each([
    ['breaks off', 'content-length: 1000\r\n\r\nshort', end],
    ['is reset', 'content-length: 1000\r\n\r\nshort', reset],
    ['has a chunk that is none', 'transfer-encoding: chunked\r\n\r\nzz\r\n', undefined],
    ['breaks off in a chunk', 'transfer-encoding: chunked\r\n\r\nff\r\nab', end],
    ['says gzip and is none', 'content-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope', undefined],
  ])('that %s', async (_what, rest, then) => {
    expect(await postTo(head(200) + rest, then)).toMatchObject({ outcome: '2xx', status: 200 });
    expect(await postTo(head(503) + rest, then)).toMatchObject({ outcome: '5xx', status: 503 });
  });

  it.each([
    [200, '2xx'],
    [500, '5xx'],
  ])(
    'that never comes to its end: at the time limit, and the connection is cut (%i)',
    async (status, outcome) => {
      const clock = new ManualClock();
      let cut: Promise<unknown> | undefined;
      const receiver = await testRawReceiver((socket) => {
        cut = new Promise((resolve) => socket.on('close', resolve));
        onRawRequest(socket, () => {
          socket.write(`${head(status)}transfer-encoding: chunked\r\n\r\n`);
          drip(socket, '1\r\nx\r\n');
        });
      });
      void responseSeen(receiver.port).then(() => clock.advance(2000));
      const attempt = await testPool(receiver.url, { clock }).pool.post(notification());
      expect(attempt).toMatchObject({ outcome, status, durationSeconds: 2 });
      await cut;
    },
  );

  it.each([200, 500])(
    'that is larger than 64 KiB: the connection is cut, and an observation says so (%i)',
    async (status) => {
      const receiver = await testReceiver({
        respond: (_request, response) => response.writeHead(status).end(Buffer.alloc(64 * 1024 + 1)),
      });
      const { pool, observations } = testPool(receiver.url, { workers: 1 });
      expect(await pool.post(notification())).toMatchObject({ status, wasCut: true });
      expect(await pool.post(notification())).toMatchObject({ status, wasCut: true });
      expect(receiver.connections).toBe(2);
      expect(observations.filter(({ kind }) => kind === 'answer-cut')).toHaveLength(2);
    },
  );

  it('that has no end: the connection is cut before the time limit', async () => {
    const receiver = await testReceiver({
      respond: (_request, response) => {
        response.writeHead(200);
        const flood = (): void => {
          if (!response.destroyed) response.write(Buffer.alloc(16 * 1024), () => setImmediate(flood));
        };
        flood();
      },
    });
    expect(await testPool(receiver.url).pool.post(notification())).toMatchObject({ outcome: '2xx' });
  });

  it('that is exactly 64 KiB: it is read, and the connection is kept', async () => {
    const receiver = await testReceiver({
      respond: (_request, response) => response.writeHead(200).end(Buffer.alloc(64 * 1024)),
    });
    const { pool, observations } = testPool(receiver.url, { workers: 1 });
    await pool.post(notification());
    expect(await pool.post(notification())).not.toHaveProperty('wasCut');
    expect(receiver.connections).toBe(1);
    expect(observations.filter(({ kind }) => kind === 'answer-cut')).toEqual([]);
  });

  it.each(['gzip', 'deflate', 'br'])(
    'that would be huge if it were decompressed (%s): it is not',
    async (encoding) => {
      const huge = Buffer.alloc(8 * 1024 * 1024);
      const compressed = { gzip: zlib.gzipSync, deflate: zlib.deflateSync, br: zlib.brotliCompressSync }[
        encoding
      ]!(huge);
      expect(compressed.length).toBeLessThan(64 * 1024);
      const receiver = await testReceiver({
        respond: (_request, response) =>
          response.writeHead(200, { 'content-encoding': encoding }).end(compressed),
      });
      const { pool } = testPool(receiver.url, { workers: 1 });
      await pool.post(notification());
      await pool.post(notification());
      expect(receiver.connections).toBe(1);
    },
  );
});

/** Writes without end, a piece a turn; calls back once when some have gone out. */
function drip(socket: Socket, piece: string, onSome: () => void = () => undefined): void {
  let count = 0;
  const next = (): void => {
    if (socket.destroyed) return;
    count += 1;
    if (count === 20) onSome();
    socket.write(piece, () => setImmediate(next));
  };
  next();
}

describe('the time limit', () => {
  const timedOut = { outcome: 'timeout', errorCode: 'ETIMEDOUT', durationSeconds: 2 };

  it.each([
    ['empty lines without end', '', '\r\n', timedOut],
    ['1xx responses without end', '', 'HTTP/1.1 102 Processing\r\n\r\n', timedOut],
    [
      'text that is no HTTP, a byte at a time',
      '',
      'x',
      { ...timedOut, outcome: 'other', errorCode: 'NOT_HTTP' },
    ],
    [
      'a head after the status line, a byte at a time',
      'HTTP/1.1 200 OK\r\nx-long: ',
      'x',
      { outcome: '2xx', status: 200, durationSeconds: 2 },
    ],
  ])('is for the whole exchange: %s does not outlive it', async (_what, beginning, piece, expected) => {
    const clock = new ManualClock();
    let cut: Promise<unknown> | undefined;
    const receiver = await testRawReceiver((socket) => {
      cut = new Promise((resolve) => socket.on('close', resolve));
      onRawRequest(socket, () => {
        socket.write(beginning);
        drip(socket, piece, () => clock.advance(2000));
      });
    });
    const { pool, attempts } = testPool(receiver.url, { clock });
    const attempt = await pool.post(notification());
    expect(attempt).toEqual(expected);
    expect(attempts).toHaveLength(1);
    await cut;
  });

  it('does not count what has come while this process did not run', async () => {
    const clock = new ManualClock();
    const held: ServerResponse[] = [];
    const receiver = await testReceiver({
      respond: (_request, response) => {
        if (held.push(response) < 20) return;
        for (const each of held) each.writeHead(204).end();
        clock.pause(60_000);
      },
    });
    const { pool, attempts } = testPool(receiver.url, { clock, workers: 20 });
    await Promise.all(Array.from({ length: 20 }, () => pool.post(notification())));
    expect(attempts.map(({ outcome }) => outcome)).toEqual(Array(20).fill('2xx'));
    expect(receiver.requests).toHaveLength(20);
  });

  it('comes one interval later when this process did not run meanwhile, and no later', async () => {
    const clock = new ManualClock();
    const receiver = await testReceiver({
      respond: () => {
        clock.pause(60_000);
        clock.advance(1999);
        setImmediate(() => clock.advance(1));
      },
    });
    const { pool } = testPool(receiver.url, { clock });
    expect(await pool.post(notification())).toMatchObject({ outcome: 'timeout', durationSeconds: 62 });
  });

  it('comes when it comes and not before', async () => {
    const clock = new ManualClock();
    let finish: (() => void) | undefined;
    const receiver = await testReceiver({
      respond: (_request, response) => {
        finish = () => response.writeHead(200).end();
      },
    });
    const { pool } = testPool(receiver.url, { clock, requestTimeoutMs: 300 });
    const posted = pool.post(notification());
    await receiver.next();
    clock.advance(299);
    finish?.();
    expect(await posted).toMatchObject({ outcome: '2xx' });
    pool.close();
    expect(clock.timers).toBe(0);
  });

  it('holds for a receiver that takes the connection and does not read', async () => {
    const clock = new ManualClock();
    const receiver = await testRawReceiver((socket) => {
      socket.pause();
      setImmediate(() => clock.advance(2000));
    });
    const { pool } = testPool(receiver.url, { clock });
    const body = 'x'.repeat(16 * 1024 * 1024);
    expect(await pool.post(notification({ body }))).toMatchObject({ outcome: 'timeout' });
  });

  it('holds for a TLS handshake that gets no response', async () => {
    const clock = new ManualClock();
    const receiver = await testRawReceiver((socket) => socket.once('data', () => clock.advance(2000)));
    const { pool } = testPool(`https://127.0.0.1:${receiver.port}`, { clock });
    expect(await pool.post(notification())).toMatchObject({ outcome: 'timeout' });
  });

  it('leaves the connection to nobody: the next request gets a new one', async () => {
    const clock = new ManualClock();
    const receiver = await testRawReceiver((socket, number) =>
      onRawRequest(socket, () => {
        if (number === 0) clock.advance(2000);
        else socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      }),
    );
    const { pool } = testPool(receiver.url, { clock, workers: 1 });
    expect(await pool.post(notification())).toMatchObject({ outcome: 'timeout' });
    expect(await pool.post(notification())).toMatchObject({ outcome: '2xx' });
    expect(receiver.connections).toBe(2);
  });
});

describe('over TLS', () => {
  it('a receiver whose certificate is trusted gets the request, and the connection is kept alive', async () => {
    const certificate = makeCertificate({ name: '127.0.0.1' });
    const receiver = await testReceiver({ tls: certificate });
    const { pool, attempts } = testPool(receiver.url, {
      pathPrefix: '/secure',
      tls: { certificateAuthority: certificate.cert },
    });
    for (let count = 0; count < 3; count += 1) await pool.post(notification({ body: 'ж' }));
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', '2xx', '2xx']);
    expect(receiver.requests[0]).toMatchObject({ method: 'POST', path: '/secure/notifications', body: 'ж' });
    expect(receiver.connections).toBe(1);
  });

  it('a stale connection costs one more POST, on a fresh connection that checks the certificate, too', async () => {
    const certificate = makeCertificate({ name: '127.0.0.1' });
    const receiver = await testReceiver({
      tls: certificate,
      respond: ({ at }, response) => {
        if (at === 1) response.socket?.destroy();
        else response.writeHead(204).end();
      },
    });
    const { pool, attempts } = testPool(receiver.url, {
      workers: 1,
      tls: { certificateAuthority: certificate.cert },
    });
    await pool.post(notification());
    await pool.post(notification());
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', 'reset', '2xx']);
    expect(receiver.connections).toBe(2);
  });

  it.each([
    { what: 'is self-signed', isTrusted: false, name: '127.0.0.1', errorCode: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    {
      what: 'is for another name',
      isTrusted: true,
      name: 'example.com',
      errorCode: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    {
      what: 'has expired',
      isTrusted: true,
      name: '127.0.0.1',
      errorCode: 'CERT_HAS_EXPIRED',
      notAfter: new Date('2026-01-01'),
    },
  ])('a certificate that $what is refused: tls', async ({ isTrusted, errorCode, ...of }) => {
    const certificate = makeCertificate(of);
    const receiver = await testReceiver({ tls: certificate });
    const options = isTrusted ? { tls: { certificateAuthority: certificate.cert } } : {};
    expect(await testPool(receiver.url, options).pool.post(notification())).toMatchObject({
      outcome: 'tls',
      errorCode,
    });
    expect(receiver.requests).toEqual([]);
  });

  it('a receiver that does not speak it: tls', async () => {
    const receiver = await testReceiver();
    const attempt = await testPool(`https://127.0.0.1:${receiver.port}`).pool.post(notification());
    expect(attempt.outcome).toBe('tls');
  });
});
