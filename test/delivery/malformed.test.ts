import type { Socket } from 'node:net';
import tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { RetryPolicy } from '../../src/core/retry-policy.ts';
import { makeCertificate } from '../support/certificate.ts';
import { ManualClock } from '../support/clock.ts';
import { notification } from '../support/notification.ts';
import { onRawRequest } from '../support/receiver.ts';
import { openZooLane, trust } from '../support/zoo.ts';
import { testPool, testRawReceiver } from './pool.ts';

const retry: RetryPolicy = {
  firstDelayMs: 1000,
  maxDelayMs: 600_000,
  maxAgeMs: 86_400_000,
  order: 'none',
  statuses: ['5xx'],
};

interface Defect {
  readonly name: string;
  /** The whole response, after which the receiver says no more. */
  readonly response: (statusLine: string) => string;
  /** Node's parser takes it all the same, and the connection may be used again. */
  readonly isTaken?: true;
}

const end = 'content-length: 0\r\n\r\n';
const after = (rest: string) => (line: string) => `${line}\r\n${rest}`;
const before = (text: string) => (line: string) => `${text}${line}\r\n${end}`;

/** What Node's parser makes nothing of, wherever it stands after the status. */
const heads: readonly Defect[] = [
  { name: 'a header of 100 kB', response: after(`x: ${'y'.repeat(100_000)}\r\n${end}`) },
  { name: '100 kB of headers', response: after(`${`x: ${'y'.repeat(95)}\r\n`.repeat(1000)}${end}`) },
  { name: 'lines that end with LF only', response: (line) => `${line}\ncontent-length: 0\n\n` },
  { name: 'lines that end with CR only', response: (line) => `${line}\rcontent-length: 0\r\r` },
  { name: 'a space before a colon', response: after(`Name : value\r\n${end}`) },
  { name: 'a header without a colon', response: after(`garbage\r\n${end}`) },
  { name: 'a header without a name', response: after(`: value\r\n${end}`) },
  { name: 'a first header that is folded', response: after(` folded\r\n${end}`) },
  { name: 'bytes that are no text', response: after(`\u0000\u00ff\u0001\r\n${end}`) },
  { name: 'a NUL in a header', response: after(`x: \u0000\r\n${end}`) },
  { name: 'HTML instead of headers', response: after('<html><body>Welcome</body></html>\r\n\r\n') },
  { name: 'a length that is no number', response: after('content-length: many\r\n\r\n') },
  { name: 'a negative length', response: after('content-length: -1\r\n\r\n') },
  { name: 'a length beyond all numbers', response: after(`content-length: ${'9'.repeat(40)}\r\n\r\n`) },
  { name: 'two lengths that differ', response: after('content-length: 1\r\ncontent-length: 2\r\n\r\nx') },
  {
    name: 'a length and chunks',
    response: after('content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
  },
  { name: 'a version that is none', response: (line) => `${line.replace('/1.1', '/7.3')}\r\n${end}` },
  { name: 'the version of HTTP/2', response: (line) => `${line.replace('/1.1', '/2')}\r\n${end}` },
  { name: 'two spaces before the status', response: (line) => `${line.replace(' ', '  ')}\r\n${end}` },
];

/** What Node's parser dislikes once the head is there. */
const bodies: readonly Defect[] = [
  { name: 'a chunk that is none', response: after('transfer-encoding: chunked\r\n\r\nzz\r\n') },
  {
    name: 'a chunk without its end',
    response: after('transfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n'),
  },
  { name: 'a trailer that is none', response: after('transfer-encoding: chunked\r\n\r\n0\r\nx y\r\n\r\n') },
];

const beginnings: readonly Defect[] = [
  { name: 'a line before it', response: before('Warning: mail() failed in index.php on line 7\r\n') },
  { name: 'many lines before it', response: before('a line\n'.repeat(1000)) },
  { name: 'a long line before it', response: before(`${'x'.repeat(30_000)}\n`) },
  { name: 'a line before it that is HTTP in its middle', response: before('not HTTP/1.1 410 Gone\r\n') },
  { name: 'bytes before it that are no text', response: before('\u0000\u00ff\u0001\n') },
  { name: 'a line before a 1xx response before it', response: before('odd\r\nHTTP/1.1 103 Hints\r\n\r\n') },
];

/** What is no more than unusual. */
const oddities: readonly Defect[] = [
  { name: 'empty lines before it', response: before('\r\n\r\n'), isTaken: true },
  { name: 'a header of 20 kB', response: after(`x: ${'y'.repeat(20_000)}\r\n${end}`), isTaken: true },
  { name: 'no reason', response: (line) => `${line.slice(0, 12)}\r\n${end}`, isTaken: true },
  {
    name: 'control characters for a reason',
    response: (line) => `${line}\u0000\u0001\r\n${end}`,
    isTaken: true,
  },
  { name: 'a 1xx response before it', response: before('HTTP/1.1 100 Continue\r\n\r\n'), isTaken: true },
  {
    name: 'a malformed 1xx response before it',
    response: before('HTTP/1.1 103 Early Hints\nlink : </x>\n\n'),
    isTaken: true,
  },
  {
    name: '50 kB of 1xx responses before it',
    response: before(`HTTP/1.1 103 Early Hints\r\nlink: <${'x'.repeat(1000)}>\r\n\r\n`.repeat(50)),
    isTaken: true,
  },
];

const defects = [...heads, ...bodies, ...beginnings, ...oddities];

/** How a response is cut into pieces; each comes in a turn of its own. */
const cuts: Readonly<Record<string, (text: string) => string[]>> = {
  'in one piece': (text) => [text],
  'line by line': (text) => (text.length > 10_000 ? text.match(/[^]{1,999}\n?/g) : text.match(/[^\n]*\n?/g))!,
  'in small pieces': (text) => text.match(text.length > 1000 ? /[^]{1,311}/g : /[^]/g)!,
};

async function say(socket: Socket, pieces: readonly string[]): Promise<void> {
  socket.setNoDelay();
  for (const piece of pieces) {
    if (socket.destroyed) return;
    await new Promise((resolve) => socket.write(piece, 'latin1', resolve));
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

describe.each([
  { line: 'HTTP/1.1 200 OK', kind: 'notification-delivered', status: 200 },
  { line: 'HTTP/1.1 503 Busy', kind: 'notification-retried', status: 503 },
  { line: 'HTTP/1.1 410 Gone', kind: 'notification-dead', status: 410 },
] as const)('"$line" decides, and its connection is not used again: with', ({ line, kind, status }) => {
  it.each(defects)('$name', async ({ response, isTaken }) => {
    for (const [how, cut] of Object.entries(cuts)) {
      const posts: string[] = [];
      const receiver = await testRawReceiver((socket, connection) =>
        onRawRequest(socket, (request) => {
          const id = /^webhook-id: (.*)\r$/m.exec(request)![1]!;
          posts.push(`${id} on ${connection}`);
          if (id === 'bad') void say(socket, cut(response(line)));
          else socket.write('HTTP/1.1 204 No Content\r\n\r\n');
        }),
      );
      const clock = new ManualClock();
      const lane = await openZooLane({
        engine: 'memory',
        server: receiver.url,
        workers: 1,
        requestTimeoutMs: 1000,
        retry,
        clock,
      });
      for (const id of ['warm', 'bad', 'next']) {
        const sent = notification({ id });
        await lane.put(sent);
        const judged = await lane.judged(sent);
        const expected = id === 'bad' ? { kind, attempt: { status } } : { kind: 'notification-delivered' };
        expect(judged, `${id}, ${how}`).toMatchObject(expected);
      }
      if (isTaken) expect(posts.map((post) => post.split(' ')[0])).toEqual(['warm', 'bad', 'next']);
      else expect(posts, how).toEqual(['warm on 0', 'bad on 0', 'next on 1']);
    }
  });
});

describe('a response in which nothing decides', () => {
  it.each([
    ['nothing but lines that are not HTTP', 'one\r\ntwo\r\nthree\r\n'],
    ['a first HTTP line without a status', 'HTTP/1.1 OK\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a name in lower case', 'http/1.1 200 OK\r\n\r\n'],
    ['a status behind a space', ' HTTP/1.1 200 OK\r\n\r\n'],
    ['a 1xx response only', 'HTTP/1.1 100 Continue\r\nx: y\r\n\r\n'],
  ])('is no success: %s', async (_what, text) => {
    const receiver = await testRawReceiver((socket) =>
      onRawRequest(socket, () => socket.end(text, 'latin1')),
    );
    const attempt = await testPool(receiver.url).pool.post(notification());
    expect(attempt.outcome).toMatch(/^(other|reset)$/);
    expect(attempt).not.toHaveProperty('status');
  });

  it('and which is not HTTP has an error code that says so', async () => {
    const receiver = await testRawReceiver((socket) =>
      onRawRequest(socket, () => socket.end('220 smtp.example.com ESMTP\r\n')),
    );
    expect(await testPool(receiver.url).pool.post(notification())).toMatchObject({
      outcome: 'other',
      errorCode: 'NOT_HTTP',
    });
  });
});

it('a header of 20 kB does not cost the connection, nor the Retry-After beside it', async () => {
  const receiver = await testRawReceiver((socket) =>
    onRawRequest(socket, () =>
      socket.write(`HTTP/1.1 503 Busy\r\nx: ${'y'.repeat(20_000)}\r\nretry-after: 7\r\n${end}`),
    ),
  );
  const { pool } = testPool(receiver.url, { workers: 1 });
  for (let count = 0; count < 3; count += 1) {
    expect(await pool.post(notification())).toMatchObject({ status: 503, retryAfter: '7' });
  }
  expect(receiver.connections).toBe(1);
});

const lineFeedsOnly = 'odd\nHTTP/1.1 200 OK\ncontent-length: 0\n\n';

it('a malformed response decides over TLS, too', async () => {
  const certificate = makeCertificate({ name: '127.0.0.1' });
  trust(certificate.cert);
  const receiver = await testRawReceiver((socket) => {
    const secure = new tls.TLSSocket(socket, { isServer: true, ...certificate });
    secure.on('error', () => undefined);
    onRawRequest(secure, () => void say(secure, lineFeedsOnly.split('')));
  });
  const { pool } = testPool(`https://127.0.0.1:${receiver.port}`, { workers: 1 });
  for (let count = 0; count < 2; count += 1) {
    expect(await pool.post(notification())).toMatchObject({ outcome: '2xx', status: 200 });
  }
  expect(receiver.connections).toBe(2);
});

it('a malformed response decides on the fresh connection after a stale one, too', async () => {
  let requests = 0;
  const receiver = await testRawReceiver((socket) =>
    onRawRequest(socket, () => {
      requests += 1;
      if (requests === 1) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      else if (requests === 2) socket.resetAndDestroy();
      else void say(socket, lineFeedsOnly.split(''));
    }),
  );
  const { pool, attempts } = testPool(receiver.url, { workers: 1 });
  await pool.post(notification());
  expect(await pool.post(notification())).toMatchObject({ outcome: '2xx', status: 200 });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['2xx', 'reset', '2xx']);
});
