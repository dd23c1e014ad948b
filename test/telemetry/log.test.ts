import { ManualClock } from '../support/clock.ts';
import assert from 'node:assert';
import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../src/core/delivery.ts';
import { notification as anyNotification } from '../support/notification.ts';
import { PlainError } from '../../src/core/errors.ts';
import { logLevels, type LogLevel, type Observation } from '../../src/core/observation.ts';
import { openLog } from '../../src/telemetry/log.ts';

const secrets = ['hunter2', 'Meet me at noon', 'alice', 'bob@example.net', 'Bearer', 's3cr3t'];

const notification = anyNotification({
  id: 'id-1',
  path: '/notifications?key=s3cr3t',
  headers: { authorization: 'Bearer hunter2' },
  body: 'author=alice&receiver=bob@example.net&message=Meet me at noon',
});
const attempt: Attempt = { outcome: '5xx', status: 503, durationSeconds: 0.1, retryAfter: 'Meet me at noon' };
const facts = { receiver: 'push.example.net:443', number: 3, ageMs: 90_000.4 };
const text = `alice to bob@example.net: Meet me at noon`;

/** The lines that these observations make, parsed, and as they were written. */
function linesOf(...observations: readonly Observation[]) {
  return startLog().observed(...observations);
}

/** A log whose seconds pass when `clock` is advanced. */
function startLog(level: LogLevel = 'trace') {
  const clock = new ManualClock();
  let written = '';
  const destination = { write: (line: string) => void (written += line) };
  const { observe, setLevel } = openLog({ level, version: '1.2.3', clock }, destination);
  const observed = (...observations: readonly Observation[]) => {
    written = '';
    for (const observation of observations) observe(observation);
    const lines = written.split('\n').slice(0, -1);
    return { written, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
  };
  return { clock, observed, setLevel };
}

const thrown = (error: unknown): Observation => ({
  kind: 'callback-failed',
  backend: 'chats',
  callback: 'prepareBody',
  error,
});

describe('log lines', () => {
  it('name a second component once, although its pings go on', () => {
    const ping = { kind: 'second-component', domain: 'push.example.com' } as const;
    const { lines } = linesOf({ ...ping, isFirst: true }, { ...ping, isFirst: false });
    expect(lines).toHaveLength(1);
  });

  it.each<[Observation, object]>([
    [
      { kind: 'telemetry-listening', address: '127.0.0.1', port: 9464 },
      { event: 'telemetry-listening', level: 'info', address: '127.0.0.1', port: 9464 },
    ],
    [
      { kind: 'proxy-unused', variables: ['HTTPS_PROXY'] },
      { event: 'proxy-unused', level: 'warn', variables: ['HTTPS_PROXY'] },
    ],
    [
      { kind: 'callback-not-true', backend: 'chats', gave: 'number' },
      { event: 'callback-not-true', level: 'warn', backend: 'chats', gave: 'number' },
    ],
    [
      {
        kind: 'component-connecting',
        endpoint: 'xmpp://127.0.0.1:5347',
        domain: 'push.example.com',
        isRepeat: false,
      },
      {
        event: 'component-connecting',
        level: 'info',
        endpoint: 'xmpp://127.0.0.1:5347',
        domain: 'push.example.com',
      },
    ],
    [
      { kind: 'component-online', domain: 'push.example.com', isRepeat: false },
      { event: 'component-online', level: 'info', domain: 'push.example.com' },
    ],
    [
      { kind: 'component-online', domain: 'push.example.com', isRepeat: true },
      { event: 'component-online', level: 'debug', domain: 'push.example.com' },
    ],
    [
      {
        kind: 'component-offline',
        code: 'closed',
        reason: 'the server is gone',
        isRepeat: false,
        retryInMs: 1000,
      },
      {
        event: 'component-offline',
        level: 'warn',
        code: 'closed',
        reason: 'the server is gone',
        retryInMs: 1000,
      },
    ],
    [
      {
        kind: 'component-offline',
        code: 'connect-failed',
        reason: 'the server is still gone',
        isRepeat: true,
        retryInMs: 1000,
      },
      {
        event: 'component-offline',
        level: 'debug',
        code: 'connect-failed',
        reason: 'the server is still gone',
        retryInMs: 1000,
      },
    ],
    [
      { kind: 'component-offline', code: 'stopped', reason: 'stopped', isRepeat: false },
      { event: 'component-offline', level: 'info', code: 'stopped', reason: 'stopped' },
    ],
    [
      { kind: 'second-component', domain: 'push.example.com', isFirst: true },
      { event: 'second-component', level: 'warn', domain: 'push.example.com' },
    ],
    [
      { kind: 'untrusted-copy', domain: 'exmaple.com', isLast: false },
      { event: 'untrusted-copy', level: 'warn', domain: 'exmaple.com' },
    ],
    [
      { kind: 'tap-not-configured', tap: 'service_log', domain: 'example.com' },
      { event: 'tap-not-configured', level: 'warn', tap: 'service_log', domain: 'example.com' },
    ],
    [
      {
        kind: 'notification-delivered',
        notification,
        attempt: { outcome: '2xx', status: 204, durationSeconds: 1 },
      },
      {
        event: 'notification-delivered',
        level: 'debug',
        webhook_id: 'id-1',
        backend: 'chats',
        pool: 'http_pool',
        outcome: '2xx',
        status: 204,
      },
    ],
    [
      {
        kind: 'answer-cut',
        request: notification,
        attempt: { outcome: '2xx', status: 200, durationSeconds: 1, wasCut: true },
      },
      {
        event: 'answer-cut',
        level: 'warn',
        webhook_id: 'id-1',
        backend: 'chats',
        pool: 'http_pool',
        outcome: '2xx',
        status: 200,
      },
    ],
    [
      { kind: 'notification-retried', notification, attempt, facts, afterMs: 512.3, cause: 'retry-after' },
      {
        event: 'notification-retried',
        level: 'warn',
        webhook_id: 'id-1',
        backend: 'chats',
        pool: 'http_pool',
        outcome: '5xx',
        status: 503,
        receiver: 'push.example.net:443',
        attempt: 3,
        age_ms: 90_000,
        afterMs: 512,
        next_attempt_set_by: 'retry-after',
      },
    ],
    [
      {
        kind: 'notification-dead',
        notification,
        reason: 'expired',
        attempt: { outcome: 'refused', errorCode: 'ECONNREFUSED', durationSeconds: 0 },
        facts,
      },
      {
        event: 'notification-dead',
        level: 'error',
        webhook_id: 'id-1',
        backend: 'chats',
        pool: 'http_pool',
        outcome: 'refused',
        errorCode: 'ECONNREFUSED',
        receiver: 'push.example.net:443',
        attempt: 3,
        age_ms: 90_000,
        advice: 'is the receiver running, and is this its port?',
        reason: 'expired',
      },
    ],
    [
      { kind: 'notification-dead', notification, reason: 'no-pool' },
      {
        event: 'notification-dead',
        level: 'error',
        webhook_id: 'id-1',
        backend: 'chats',
        pool: 'http_pool',
        reason: 'no-pool',
      },
    ],
    [
      { kind: 'notification-dropped', notification, reason: 'full' },
      {
        event: 'notification-dropped',
        level: 'error',
        webhook_id: 'id-1',
        backend: 'chats',
        pool: 'http_pool',
        reason: 'full',
      },
    ],
    [{ kind: 'sidecar-stopping' }, { event: 'sidecar-stopping', level: 'info' }],
    [
      { kind: 'sidecar-stopped', unfinished: 2 },
      { event: 'sidecar-stopped', level: 'info', unfinished: 2 },
    ],
  ])(
    'have a stable event code and the fields by which it is found, nothing more: $kind',
    (observation, expected) => {
      const { lines } = linesOf(observation);
      const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      const origin = { service: 'xmpp-event-pusher', version: '1.2.3' };
      expect(lines).toEqual([{ ...origin, ...expected, time, msg: expect.any(String) }]);
    },
  );

  it('are not written for what happens with every stanza, which metrics count', () => {
    const { lines } = linesOf(
      { kind: 'stanza-received', tap: 'direct' },
      { kind: 'event-made', dir: 'in' },
      { kind: 'stanza-discarded', reason: 'iq' },
      { kind: 'jid-preparation-failed' },
      { kind: 'attempt-made', request: notification, attempt },
    );
    expect(lines).toEqual([]);
  });

  it('never hold texts, addresses of people, header values or paths of notifications', () => {
    const { written, lines } = linesOf(
      { kind: 'notification-delivered', notification, attempt },
      { kind: 'notification-retried', notification, attempt, facts, afterMs: 1, cause: 'back-off' },
      { kind: 'notification-dead', notification, attempt, reason: 'rejected' },
      { kind: 'notification-dropped', notification, reason: 'stopped' },
      { kind: 'answer-cut', request: notification, attempt },
    );
    expect(lines).toHaveLength(5);
    for (const secret of secrets) expect(written).not.toContain(secret);
  });
});

/** Errors as callbacks throw them, each quoting what the user wrote. */
const quoting: Record<string, () => unknown> = {
  'in its message': () => new Error(`cannot parse ${text}`),
  'as its whole message': () => new Error(text),
  'in lines of its message that look like a stack': () =>
    new Error(`bad:\n    at ${text} (alice.js:1:1)\n    at alice:2:2`),
  'in the message it had when it was made': () => {
    const error = new Error(`bad:\n    at ${text} (alice.js:1:1)`);
    expect(error.stack).toContain(text); // V8 makes the stack when it is first asked for.
    error.message = 'cannot parse';
    return error;
  },
  'in a message added later': () => {
    const error = new Error('cannot parse');
    error.message += `: ${text}`;
    return error;
  },
  'in a stack of its own making': () =>
    Object.assign(new Error('bad'), { stack: `Error: bad\n    at ${text}\n  at alice` }),
  'in a stack that is a list': () => Object.assign(new Error('bad'), { stack: [text] }),
  'in a stack that is gone': () => Object.assign(new Error(text), { stack: undefined }),
  'in what JSON.parse says': () => {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      return error;
    }
  },
  'in what assert says': () => {
    try {
      assert.deepStrictEqual({ text }, { text: 'bob@example.net' });
      return undefined;
    } catch (error) {
      return error;
    }
  },
  'in its name': () => Object.assign(new Error('bad'), { name: text }),
  'in its code': () => Object.assign(new Error('bad'), { code: text }),
  'in its cause': () => new Error('bad', { cause: new Error(text) }),
  'in errors that it gathers': () => new AggregateError([new Error(text)], text),
  'in options, as HTTP clients do': () =>
    Object.assign(new Error('bad'), {
      options: { headers: { authorization: 'Bearer hunter2' }, body: text },
    }),
  'in what it is turned into': () =>
    Object.assign(new Error('bad'), { toJSON: () => text, toString: () => text }),
  'as a string': () => text,
  'as an object': () => ({ message: text, stack: text, toJSON: () => text }),
  'as a rejected promise': () => Promise.reject(new Error(text)).catch((error: unknown) => error),
  'behind getters that throw': () =>
    Object.defineProperties(new Error(text), {
      name: { get: () => assert.fail(text) },
      code: { get: () => assert.fail(text) },
      message: { get: () => assert.fail(text) },
    }),
};

describe('the level of the log', () => {
  const observations: readonly Observation[] = [
    { kind: 'component-connecting', endpoint: 'xmpp://127.0.0.1:5347', domain: 'a', isRepeat: true },
    { kind: 'component-online', domain: 'a', isRepeat: false },
    { kind: 'notification-delivered', notification, attempt },
    { kind: 'notification-accepted', notification },
    { kind: 'notification-dropped', notification, reason: 'full' },
    { kind: 'callback-stalled', backend: 'chats', callback: 'loading', stalledMs: 1, stack: [] },
  ];
  const written: Readonly<Record<LogLevel, readonly number[]>> = {
    trace: [0, 1, 2, 3, 4, 5],
    debug: [0, 1, 2, 4, 5],
    info: [1, 4, 5],
    warn: [4, 5],
    error: [4, 5],
    fatal: [5],
    silent: [],
  };

  it('decides which lines are written, and may change at any time', () => {
    const { observed, setLevel } = startLog('silent');
    for (const level of [...logLevels, ...logLevels.toReversed()]) {
      setLevel(level);
      const events = observed(...observations).lines.map(({ event }) => event);
      expect(events, level).toEqual(written[level].map((index) => observations[index]?.kind));
    }
  });
});

describe('errors in log lines', () => {
  it.each(Object.entries(quoting))('show nothing of what users wrote: quoted %s', async (_how, make) => {
    const error = await make();
    const { written, lines } = linesOf(thrown(error), { kind: 'internal-error', where: 'router', error });
    expect(lines.map(({ event }) => event)).toEqual(['callback-failed', 'internal-error']);
    for (const secret of secrets) expect(written).not.toContain(secret);
  });

  it.each([undefined, null, 0, 'text', Symbol('x'), {}, () => undefined])(
    'may be values that are not errors: %s',
    (error) => {
      const { lines } = linesOf(thrown(error));
      expect(lines).toMatchObject([{ event: 'callback-failed', backend: 'chats', callback: 'prepareBody' }]);
    },
  );

  it('show class, code and place', () => {
    function hereItIs(): Error {
      return Object.assign(new RangeError('whatever'), { code: 'ERR_WHATEVER' });
    }
    const { lines } = linesOf(thrown(hereItIs()));
    expect(lines[0]).toMatchObject({
      level: 'error',
      backend: 'chats',
      callback: 'prepareBody',
      error: { name: 'RangeError', code: 'ERR_WHATEVER' },
    });
    const { stack } = lines[0]!['error'] as { stack: string[] };
    expect(stack[0]).toMatch(/^at hereItIs \(.*log\.test\.ts:\d+:\d+\)$/);
    expect(stack.length).toBeLessThanOrEqual(5);
  });

  it('show the message of an error of ours, which holds nothing that users wrote', () => {
    const { lines } = linesOf(thrown(new PlainError('not settled after 5000 ms')));
    expect(lines[0]).toMatchObject({ error: { name: 'PlainError', message: 'not settled after 5000 ms' } });
  });
});

describe('the advice after an attempt without a response', () => {
  const adviceAfter = (failed: Partial<Attempt>) => {
    const { lines } = linesOf({
      kind: 'notification-retried',
      notification,
      attempt: { outcome: 'other', durationSeconds: 0, ...failed },
      facts,
      afterMs: 1,
      cause: 'back-off',
    });
    return lines[0]!['advice'];
  };

  it.each<[Partial<Attempt>, RegExp]>([
    [{ outcome: 'refused', errorCode: 'ECONNREFUSED' }, /running/],
    [{ outcome: 'dns', errorCode: 'ENOTFOUND' }, /host name/],
    [{ outcome: 'dns', errorCode: 'EAI_AGAIN' }, /name service/],
    [{ outcome: 'timeout', errorCode: 'ETIMEDOUT' }, /request_timeout/],
    [{ outcome: 'reset', errorCode: 'ECONNRESET' }, /https?:/],
    [{ outcome: 'tls', errorCode: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, /NODE_EXTRA_CA_CERTS/],
    [{ outcome: 'tls', errorCode: 'ERR_TLS_CERT_ALTNAME_INVALID' }, /another name/],
    [{ outcome: 'tls', errorCode: 'CERT_HAS_EXPIRED' }, /expired/],
    [{ outcome: 'tls', errorCode: 'EPROTO' }, /speak TLS/],
    [{ outcome: 'other', errorCode: 'NOT_HTTP' }, /speak HTTP/],
    [{ outcome: 'other', errorCode: 'EHOSTUNREACH' }, /network/],
  ])('names what an operator should look at: %j', (failed, words) => {
    expect(adviceAfter(failed)).toMatch(words);
  });

  it.each<Partial<Attempt>>([
    { outcome: '5xx', status: 503 },
    { outcome: 'other', errorCode: 'constructor' },
  ])('is left out where nothing general can be said: %j', (failed) => {
    expect(adviceAfter(failed)).toBeUndefined();
  });
});

describe('a flood of like lines', () => {
  const dropped: Observation = { kind: 'notification-dropped', notification, reason: 'full' };
  const floods: readonly Observation[] = [
    thrown(new Error('boom')),
    dropped,
    { kind: 'notification-dead', notification, reason: 'rejected', attempt },
    { kind: 'notification-retried', notification, attempt, facts, afterMs: 1, cause: 'back-off' },
    { kind: 'answer-cut', request: notification, attempt },
  ];

  it.each(floods)(
    'is cut to ten a second, and the next line says how many were not written: $kind',
    (flood) => {
      const { clock, observed } = startLog();
      expect(observed(...Array.from({ length: 1000 }, () => flood)).lines).toHaveLength(10);
      clock.advance(999);
      expect(observed(flood).lines).toEqual([]);
      clock.advance(1);
      expect(observed(flood).lines).toMatchObject([{ event: flood.kind, suppressed: 991 }]);
      clock.advance(1000);
      expect(observed(flood).lines[0]).not.toHaveProperty('suppressed');
    },
  );

  it('of one kind does not limit other kinds', () => {
    const { observed } = startLog();
    observed(...Array.from({ length: 100 }, () => dropped));
    expect(observed(thrown(new Error('boom'))).lines).toHaveLength(1);
    expect(
      observed(...Array.from({ length: 100 }, () => ({ kind: 'sidecar-stopping' }) as const)).lines,
    ).toHaveLength(100);
  });
});
