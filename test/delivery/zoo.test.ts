import type { Socket } from 'node:net';
import tls from 'node:tls';
import zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/core/delivery.ts';
import type { RetryPolicy } from '../../src/core/retry-policy.ts';
import { makeCertificate } from '../support/certificate.ts';
import { onRawRequest } from '../support/receiver.ts';
import {
  flood,
  type Judged,
  openZooLane,
  SettableClock,
  trust,
  watchConnections,
  watchMemory,
} from '../support/zoo.ts';
import { notification } from '../support/notification.ts';
import { responseSeen, testRawReceiver, testReceiver } from './pool.ts';
import { allow } from '../support/limits.ts';

allow('largeBodies');

const MB = 1024 ** 2;
const DAY_MS = 86_400_000;
const TIME_LIMIT_MS = 400;
const WORKERS = 1;
const retry: RetryPolicy = {
  firstDelayMs: 1000,
  maxDelayMs: 600_000,
  maxAgeMs: DAY_MS,
  order: 'sender',
  statuses: [401, 403, 404, 408, 425, 429, '5xx'],
};
/** The first wait with the lowest random number. */
/** So long the place of an attempt without response stays taken. */
const PAUSE_MS = 50;
const BACK_OFF_MS = 500;

/** What a beast may know and do while a notification is under way to it. */
interface Scene {
  /** A receiver of another pool. */
  readonly elsewhere: string;
  readonly clock: SettableClock;
  /** How many POSTs have reached it since it is wild. */
  readonly posts: number;
  /** A POST has reached it. */
  posted(): void;
  /** It is at it, and the exchange is under way: resolves once another pool has delivered. */
  midst(): Promise<void>;
  /** The head of a response has reached the client. */
  responseSeen(): Promise<void>;
  /** How many bytes of an endless response were taken. */
  took(bytes: number): void;
}

interface Beast {
  readonly name: string;
  /** What it does with a whole request, once another pool has delivered; with `lasts`, it says itself when it is at it. */
  readonly respond?: (socket: Socket, scene: Scene) => unknown;
  /** What it does with a connection instead; it says itself when it is at it. */
  readonly meet?: (socket: Socket, scene: Scene) => unknown;
  /** It ends only at the time limit. */
  readonly lasts?: true;
  /** A notification was delivered on the same connection before. */
  readonly isWarm?: true;
  /** It speaks TLS with this certificate; the handshake is up to `meet`, if there is one. */
  readonly secure?: { readonly key: string; readonly cert: string };
  /** What is sent to it; default: a small form. */
  readonly body?: Buffer;
  /** The outcomes of its attempts, in order. */
  readonly outcomes: readonly Outcome[];
  readonly verdict: 'delivered' | 'dead' | 'expired' | number;
  /** How many POSTs have reached it; default 1. */
  readonly posts?: number;
  /** More of its endless response may not be taken: what the buffers on the way hold, and no more. */
  readonly mostTakenMb?: number;
}

/** How much memory may be in use at any moment of a case, above what was before. */
const MOST_MEMORY_MB = { memory: 64, lmdb: 2 * 64 };

const noContent = 'HTTP/1.1 204 No Content\r\n\r\n';
const empty = 'content-length: 0\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\n';
const busy = 'HTTP/1.1 503 Service Unavailable\r\n';
const chunked = 'transfer-encoding: chunked\r\n\r\n';
/** More than the buffers between the two ends take. */
const large = Buffer.alloc(16 * MB, 'x');
const good = makeCertificate({ name: '127.0.0.1' });
const expired = makeCertificate({ name: '127.0.0.1', notAfter: new Date('2026-01-01') });
const misnamed = makeCertificate({ name: 'example.com' });
/** 300 MB in 300 KB, more than is read of a response: many members, as RFC 1952 allows. */
const gzipBomb = Buffer.concat(Array<Buffer>(300).fill(zlib.gzipSync(Buffer.alloc(MB))));
/** 256 MB in less than is read of a response. */
const brotliBomb = zlib.brotliCompressSync(Buffer.alloc(256 * MB), {
  params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 },
});
const explodes = (encoding: string, bomb: Buffer) => (socket: Socket) => {
  socket.write(`${ok}content-encoding: ${encoding}\r\ncontent-length: ${bomb.length}\r\n\r\n`);
  socket.write(bomb);
};

const says = (text: string) => (socket: Socket) => socket.write(text, 'latin1');
const saysAndEnds = (text: string) => (socket: Socket) => socket.end(text, 'latin1');
const saysAndResets = (text: string) => (socket: Socket, scene: Scene) => {
  const seen = text.includes('\r\n\r\n') ? scene.responseSeen() : Promise.resolve();
  socket.write(text, 'latin1', () => void seen.then(() => socket.resetAndDestroy()));
};
const floods = (head: string, piece: string | Buffer) => (socket: Socket, scene: Scene) => {
  socket.write(head);
  flood(socket, piece, (bytes) => {
    scene.took(bytes);
    // A client that takes all of it is to fail soon, and not by eating up the machine.
    if (bytes > 256 * MB) socket.destroy();
  });
};
/** Says a piece a turn; it is at it after some pieces, and once a response with a head was seen. */
const drips = (head: string, piece: string) => (socket: Socket, scene: Scene) => {
  const seen = head.includes('\r\n\r\n') ? scene.responseSeen() : Promise.resolve();
  socket.write(head);
  let pieces = 0;
  flood(socket, piece, () => {
    pieces += 1;
    if (pieces === 20) void seen.then(() => scene.midst());
  });
};
/** Begins a body and says no more. */
const stallsAfter = (head: string) => (socket: Socket, scene: Scene) => {
  void scene.responseSeen().then(() => scene.midst());
  socket.write(head);
};
/** Says something that is no head of a response, and no more. */
const stallsAfterSaying = (text: string) => (socket: Socket, scene: Scene) =>
  socket.write(text, 'latin1', () => void scene.midst());

const silent: readonly Beast[] = [
  {
    name: 'never responds',
    respond: (_socket, scene) => scene.midst(),
    lasts: true,
    outcomes: ['timeout'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'drips empty lines without end',
    respond: drips('', '\r\n'),
    lasts: true,
    outcomes: ['timeout'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'drips a head without end, after 200',
    respond: drips(`${ok}x: `, 'y'),
    lasts: true,
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'drips a head without end, after 503',
    respond: drips(`${busy}x: `, 'y'),
    lasts: true,
    outcomes: ['5xx'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'drips what is not HTTP without end',
    respond: drips('', 'x'),
    lasts: true,
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'speaks SMTP',
    respond: stallsAfterSaying('220 smtp.example.com ESMTP\r\n'),
    lasts: true,
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'responds with garbage',
    respond: stallsAfterSaying('\u0000\u00ff\u0001\u00fe'.repeat(100)),
    lasts: true,
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'drips a body without end, after 200',
    respond: drips(ok + chunked, '1\r\nx\r\n'),
    lasts: true,
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'drips a body without end, after 503',
    respond: drips(busy + chunked, '1\r\nx\r\n'),
    lasts: true,
    outcomes: ['5xx'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'promises a body and stalls',
    respond: stallsAfter(`${ok}content-length: 10\r\n\r\nshort`),
    lasts: true,
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'promises a body, rejects and stalls',
    respond: stallsAfter('HTTP/1.1 410 Gone\r\ncontent-length: 10\r\n\r\nshort'),
    lasts: true,
    outcomes: ['4xx'],
    verdict: 'dead',
  },
  {
    name: 'accepts and never reads a large body',
    meet: (socket, scene) => {
      socket.pause();
      return scene.midst();
    },
    lasts: true,
    body: large,
    outcomes: ['timeout'],
    verdict: BACK_OFF_MS,
    posts: 0,
  },
  {
    name: 'says 413 before it has read a large body, and reads no more',
    meet: (socket, scene) =>
      socket.once('data', () => {
        socket.pause();
        scene.posted();
        stallsAfter(`HTTP/1.1 413 Content Too Large\r\n${empty}`)(socket, scene);
      }),
    lasts: true,
    body: large,
    outcomes: ['4xx'],
    verdict: 'dead',
  },
];

const broken: readonly Beast[] = [
  {
    name: 'resets a connection that it has accepted',
    meet: (socket, scene) => scene.midst().then(() => socket.resetAndDestroy()),
    outcomes: ['reset'],
    verdict: BACK_OFF_MS,
    posts: 0,
  },
  {
    name: 'resets instead of a response',
    respond: (socket) => socket.resetAndDestroy(),
    outcomes: ['reset'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'resets in the status line of its response',
    respond: saysAndResets('HTTP/1.1 20'),
    outcomes: ['reset'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'resets in the head of its response',
    respond: saysAndResets(`${ok}content-le`),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'resets in the body of its response',
    respond: saysAndResets(`${ok}content-length: 10\r\n\r\nshort`),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'resets after its response',
    respond: saysAndResets(ok + empty),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'closes its side instead of a response',
    respond: saysAndEnds(''),
    outcomes: ['reset'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'closes its side after its response, which promised keep-alive',
    respond: saysAndEnds(`${ok}connection: keep-alive\r\n${empty}`),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'closes its side after 1xx',
    respond: saysAndEnds('HTTP/1.1 102 Processing\r\n\r\n'),
    outcomes: ['reset'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'sends less body than it promised',
    respond: saysAndEnds(`${ok}content-length: 10\r\n\r\nshort`),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'closes an idle connection just when a request comes',
    isWarm: true,
    respond: (socket, { posts }) => (posts === 1 ? socket.end() : socket.write(noContent)),
    outcomes: ['reset', '2xx'],
    verdict: 'delivered',
    posts: 2,
  },
  {
    name: 'resets an idle connection just when a request comes, and the next one, too',
    isWarm: true,
    respond: (socket) => socket.resetAndDestroy(),
    outcomes: ['reset', 'reset'],
    verdict: BACK_OFF_MS,
    posts: 2,
  },
];

const malformed: readonly Beast[] = [
  {
    name: 'says a status that is none',
    respond: says('HTTP/1.1 abc OK\r\n\r\n'),
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'upgrades unasked',
    respond: says('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
  },
  {
    name: 'says 1xx responses without end',
    respond: floods('', `HTTP/1.1 103 Early Hints\r\nlink: <${'x'.repeat(8000)}>\r\n\r\n`.repeat(8)),
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
    mostTakenMb: 32,
  },
  {
    name: 'says a 1xx response without end',
    respond: floods('HTTP/1.1 103 Early Hints\r\n', 'x: y\r\n'.repeat(10_000)),
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
    mostTakenMb: 32,
  },
  {
    name: 'says what is not HTTP without end',
    respond: floods('', 'x'.repeat(0x10000)),
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
    mostTakenMb: 32,
  },
  {
    name: 'says lines that are not HTTP without end',
    respond: floods('', 'x\r\n'.repeat(10_000)),
    outcomes: ['other'],
    verdict: BACK_OFF_MS,
    mostTakenMb: 32,
  },
];

const bodies: readonly Beast[] = [
  {
    name: 'says 204 with a body',
    respond: says('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello'),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'sends a bad chunk',
    respond: says(`${ok}${chunked}zz\r\n`),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'responds twice',
    respond: says(`${ok}${empty}HTTP/1.1 500 Forged\r\n${empty}`),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'speaks HTTP/1.0 and ends the body by closing',
    respond: saysAndEnds('HTTP/1.0 200 OK\r\n\r\nthanks'),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'sends a body without end',
    respond: floods(ok + chunked, `10000\r\n${'x'.repeat(0x10000)}\r\n`),
    outcomes: ['2xx'],
    verdict: 'delivered',
    mostTakenMb: 32,
  },
  {
    name: 'sends a body without end, after 500',
    respond: floods('HTTP/1.1 500 Internal Server Error\r\n\r\n', 'x'.repeat(0x10000)),
    outcomes: ['5xx'],
    verdict: BACK_OFF_MS,
    mostTakenMb: 32,
  },
  {
    name: 'sends a gzip bomb',
    respond: explodes('gzip', gzipBomb),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'sends a brotli bomb',
    respond: explodes('br', brotliBomb),
    outcomes: ['2xx'],
    verdict: 'delivered',
  },
  {
    name: 'sends a header without end',
    respond: floods(`${ok}x: `, 'y'.repeat(0x10000)),
    outcomes: ['2xx'],
    verdict: 'delivered',
    mostTakenMb: 32,
  },
  {
    name: 'sends headers without end',
    respond: floods(ok, 'x: y\r\n'.repeat(10_000)),
    outcomes: ['2xx'],
    verdict: 'delivered',
    mostTakenMb: 32,
  },
  {
    name: 'sends a chunk extension without end',
    respond: floods(`${ok}${chunked}1;`, 'x'.repeat(0x10000)),
    outcomes: ['2xx'],
    verdict: 'delivered',
    mostTakenMb: 32,
  },
  {
    name: 'sends trailers without end',
    respond: floods(`${ok}${chunked}0\r\n`, 'x: y\r\n'.repeat(10_000)),
    outcomes: ['2xx'],
    verdict: 'delivered',
    mostTakenMb: 32,
  },
];

const redirects: readonly Beast[] = [301, 303, 307, 308].flatMap((status) => [
  {
    name: `redirects elsewhere (${status})`,
    respond: (socket: Socket, { elsewhere }: Scene) =>
      socket.write(`HTTP/1.1 ${status} Elsewhere\r\nlocation: ${elsewhere}/stolen\r\n${empty}`),
    outcomes: ['3xx'] as const,
    verdict: 'dead' as const,
  },
  {
    name: `redirects to itself (${status})`,
    respond: says(`HTTP/1.1 ${status} Here\r\nlocation: /notifications\r\n${empty}`),
    outcomes: ['3xx'] as const,
    verdict: 'dead' as const,
  },
]);

const statuses: readonly Beast[] = (
  [
    [304, '3xx', 'dead'],
    [400, '4xx', 'dead'],
    [401, '4xx', BACK_OFF_MS],
    [403, '4xx', BACK_OFF_MS],
    [404, '4xx', BACK_OFF_MS],
    [408, '4xx', BACK_OFF_MS],
    [410, '4xx', 'dead'],
    [425, '4xx', BACK_OFF_MS],
    [501, '5xx', 'dead'],
    [600, 'other', 'dead'],
    [999, 'other', 'dead'],
  ] as const
).map(([status, outcome, verdict]) => ({
  name: `says ${status}`,
  respond: says(`HTTP/1.1 ${status} Whatever\r\n${empty}`),
  outcomes: [outcome],
  verdict,
}));

const CAP_MS = retry.maxDelayMs * 6;
const retryAfters: readonly Beast[] = (
  [
    ['seconds', () => '120', 120_000],
    ['no seconds', () => '0', BACK_OFF_MS],
    ['a date', (nowMs) => new Date(nowMs + 90_000).toUTCString(), 90_000],
    ['a date in the past', (nowMs) => new Date(nowMs - 90_000).toUTCString(), BACK_OFF_MS],
    ['a date that is none', () => 'Fri, 99 Foo 2026 25:61:61 GMT', BACK_OFF_MS],
    ['garbage', () => 'soon, 17 or 18', BACK_OFF_MS],
    ['negative seconds', () => '-1', BACK_OFF_MS],
    ['NaN', () => 'NaN', BACK_OFF_MS],
    ['too many seconds', () => '1000000000', CAP_MS],
    ['seconds beyond all numbers', () => '9'.repeat(400), CAP_MS],
    ['a date in the far future', () => 'Fri, 31 Dec 9999 23:59:59 GMT', CAP_MS],
  ] satisfies readonly [string, (nowMs: number) => string, number][]
).map(([what, value, afterMs]) => ({
  name: `says 503 and Retry-After: ${what}`,
  respond: (socket, { clock }) => socket.write(`${busy}retry-after: ${value(clock.now())}\r\n${empty}`),
  outcomes: ['5xx'],
  verdict: afterMs,
}));

const clocks: readonly Beast[] = [
  {
    name: "says 503 while this machine's clock is set on by a year",
    respond: (socket, { clock }) => {
      clock.set(365 * DAY_MS);
      socket.write(busy + empty);
    },
    outcomes: ['5xx'],
    verdict: BACK_OFF_MS,
  },
  {
    name: "says 503 while this machine's clock is set back by a year",
    respond: (socket, { clock }) => {
      clock.set(-365 * DAY_MS);
      socket.write(busy + empty);
    },
    outcomes: ['5xx'],
    verdict: BACK_OFF_MS,
  },
];

const secured: readonly Beast[] = [
  {
    name: 'never responds to a TLS handshake',
    secure: good,
    meet: (socket, scene) => socket.once('data', () => void scene.midst()),
    lasts: true,
    outcomes: ['timeout'],
    verdict: BACK_OFF_MS,
    posts: 0,
  },
  {
    name: 'drips a TLS handshake without end',
    secure: good,
    // A handshake record (RFC 8446, section 5.1) whose announced length never comes.
    meet: (socket, scene) =>
      socket.once('data', () => drips('\x16\x03\x03\x3f\x00\x02', '\x00')(socket, scene)),
    lasts: true,
    outcomes: ['timeout'],
    verdict: BACK_OFF_MS,
    posts: 0,
  },
  {
    name: 'resets a TLS handshake',
    secure: good,
    meet: (socket, scene) =>
      socket.once('data', () => void scene.midst().then(() => socket.resetAndDestroy())),
    outcomes: ['reset'],
    verdict: BACK_OFF_MS,
    posts: 0,
  },
  {
    name: 'speaks HTTP where TLS is due',
    secure: good,
    meet: (socket, scene) =>
      socket.once('data', () => void scene.midst().then(() => socket.write(ok + empty))),
    outcomes: ['tls'],
    verdict: BACK_OFF_MS,
    posts: 0,
  },
  ...(
    [
      ['is self-signed', makeCertificate({ name: '127.0.0.1' })],
      ['has expired', expired],
      ['is for another name', misnamed],
    ] as const
  ).map(([what, certificate]) => ({
    name: `has a certificate that ${what}`,
    secure: good,
    meet: (socket: Socket, scene: Scene) =>
      scene.midst().then(() => serve(socket, certificate, scene.posted)),
    outcomes: ['tls'] as const,
    verdict: BACK_OFF_MS,
    posts: 0,
  })),
];

const beasts = [
  ...silent,
  ...broken,
  ...malformed,
  ...bodies,
  ...redirects,
  ...statuses,
  ...retryAfters,
  ...clocks,
  ...secured,
];

/** Responds to requests over a connection, with TLS if there is a certificate. */
function serve(socket: Socket, secure: Beast['secure'], onRequest: (socket: Socket) => unknown): void {
  const served = secure === undefined ? socket : new tls.TLSSocket(socket, { isServer: true, ...secure });
  served.on('error', () => undefined);
  onRawRequest(served, () => onRequest(served));
}

/** A step that a test waits for, and that waits for the test. */
function rendezvous() {
  let arrive: () => void = () => undefined;
  let release: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const meet = (): Promise<void> => {
    arrive();
    return released;
  };
  return { arrived, release, meet };
}

/** A receiver that is a beast until it is tamed; then it responds with 204. */
async function cage(beast: Beast, clock: SettableClock, elsewhere: string) {
  const { arrived, release, meet } = rendezvous();
  const state = { isWild: beast.isWarm !== true, posts: 0, taken: 0 };
  const scene: Scene = {
    elsewhere,
    clock,
    get posts() {
      return state.posts;
    },
    posted: () => {
      state.posts += 1;
    },
    midst: meet,
    responseSeen: () => responseSeen(receiver.port),
    took: (bytes) => {
      state.taken = bytes;
    },
  };
  const respondWildly = async (socket: Socket): Promise<void> => {
    scene.posted();
    if (beast.lasts === undefined) await scene.midst();
    await beast.respond?.(socket, scene);
  };
  const receiver = await testRawReceiver((socket) => {
    if (state.isWild && beast.meet !== undefined) void beast.meet(socket, scene);
    else {
      serve(socket, beast.secure, (served) => {
        if (state.isWild) void respondWildly(served);
        else served.write(noContent);
      });
    }
  });
  const url = beast.secure === undefined ? receiver.url : `https://127.0.0.1:${receiver.port}`;
  return { url, port: receiver.port, state, arrived, release };
}

function verdictOf(judged: Judged): Beast['verdict'] {
  if (judged.kind === 'notification-delivered') return 'delivered';
  if (judged.kind === 'notification-retried') return judged.afterMs;
  return judged.reason === 'rejected' ? 'dead' : 'expired';
}

describe.each(['memory', 'lmdb'] as const)(
  'with the engine %s a pool outlives, and another pool does not notice, a receiver that',
  (engine) => {
    it.each(beasts)('$name', async (beast) => {
      trust(good.cert, expired.cert, misnamed.cert);
      const clock = new SettableClock();
      const events: string[] = [];
      const lane = (server: string) =>
        openZooLane({
          engine,
          server,
          workers: WORKERS,
          requestTimeoutMs: TIME_LIMIT_MS,
          retry,
          clock,
          onJudged: ({ notification: { id } }) => events.push(id),
        });
      const from = (id: string) => notification({ id, sender: `${id}@example.com` });
      const elsewhere = await testReceiver();
      const { url, port, state, arrived, release } = await cage(beast, clock, elsewhere.url);
      const connections = watchConnections(port);
      const wild = await lane(url);
      const other = await lane(elsewhere.url);
      const expected = { accepted: 0, delivered: 0, dead: 0, dropped: 0 };
      if (beast.isWarm) {
        await wild.put(from('warm'));
        await wild.judged(from('warm'));
        expected.accepted += 1;
        expected.delivered += 1;
        state.isWild = true;
      }
      const attemptsBefore = wild.outcomes.length;
      const memory = watchMemory();

      // The other pool delivers while this one is under way.
      const first = beast.body === undefined ? from('first') : { ...from('first'), body: beast.body };
      await wild.put(first);
      await arrived;
      await other.put(from('elsewhere'));
      await other.judged(from('elsewhere'));
      release();
      if (beast.lasts) clock.advance(TIME_LIMIT_MS);
      const judged = await wild.judged(first);
      expect(events.filter((id) => id !== 'warm')).toEqual(['elsewhere', 'first']);
      expect(elsewhere.requests.map(({ path }) => path)).toEqual(['/notifications']);

      // What came of it.
      expect(wild.outcomes.slice(attemptsBefore)).toEqual(beast.outcomes);
      expect(verdictOf(judged)).toBe(beast.verdict);
      expect(state.posts).toBe(beast.posts ?? 1);
      if (beast.mostTakenMb !== undefined) expect(state.taken / MB).toBeLessThan(beast.mostTakenMb);

      // The pool is as good as new, for others and for what is tried again.
      state.isWild = false;
      const followers = ['second', 'third', 'fourth'].map(from);
      for (const follower of followers) await wild.put(follower);
      // One that said when it can be asked again is left alone until then; the place of any other's failure is soon free.
      const isResting = typeof beast.verdict === 'number' && beast.verdict !== BACK_OFF_MS;
      if (isResting) expect(wild.outbox.counts()).toMatchObject({ waiting: 4, inFlight: 0 });
      clock.advance(isResting ? Number(beast.verdict) : PAUSE_MS);
      for (const follower of followers) expect(verdictOf(await wild.judged(follower))).toBe('delivered');
      expect(memory.peakMb()).toBeLessThan(MOST_MEMORY_MB[engine]);
      if (typeof beast.verdict === 'number') {
        if (!isResting) clock.advance(beast.verdict);
        expect(verdictOf(await wild.judged(first, 2))).toBe('delivered');
      }
      await wild.outbox.drained();
      expect(connections.most).toBe(WORKERS);
      const isDead = beast.verdict === 'dead';
      expected.accepted += 4;
      expected.delivered += isDead ? 3 : 4;
      expected.dead += isDead ? 1 : 0;
      expect(wild.ledger.entry('chats')).toEqual(expected);
      expect(other.ledger.entry('chats')).toEqual({ accepted: 1, delivered: 1, dead: 0, dropped: 0 });
    });
  },
);
