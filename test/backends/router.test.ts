import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CallbackModule, CallbackOptions } from '../../src/core/callback.ts';
import type { Notification } from '../../src/core/delivery.ts';
import type { StanzaEvent } from '../../src/core/event.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import { type BackendSetting, chat, openRouter } from '../support/router.ts';
import { eventOf } from '../support/stanza.ts';

const always: CallbackModule = { shouldMakeReq: () => true };

/** A promise and the way to settle it, by name. */
function openGates() {
  const gates = new Map<string, Gate>();
  const gate = (name: string): Gate => {
    let found = gates.get(name);
    if (found === undefined) {
      let open = (): void => undefined;
      const opened = new Promise<void>((resolve) => (open = resolve));
      found = { opened, open };
      gates.set(name, found);
    }
    return found;
  };
  return gate;
}

interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
}

/** Lets everything go on that needs no more than promises. */
async function idle(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await turn();
}

const bodies = (notifications: readonly Notification[]) => notifications.map(({ body }) => body);

describe('a notification', () => {
  it('holds all that delivering it takes', async () => {
    const { take, router, deliver } = await openRouter([{ name: 'chats', path: '/notifications' }]);
    take(chat('Hi, Bob!', 'Alice@Example.com/Desk'));
    await router.settled();
    expect(await deliver()).toEqual([
      {
        id: 'id-1',
        backend: 'chats',
        pool: 'http_pool',
        sender: 'alice@example.com',
        receiver: 'bob@example.com',
        host: 'example.com',
        path: '/notifications',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'author=alice&server=example.com&receiver=bob&message=Hi%2C+Bob%21',
        acceptedAtMs: 1_700_000_000_000,
      },
    ]);
  });

  it('goes to the pool of the host of the sender, else to the global one with that tag', async () => {
    const { take, router, deliver } = await openRouter([{}], {
      pools: ['http_pool', 'http_pool@example.com'],
    });
    take(chat('own'));
    take(chat('global', 'carol@other.example/Desk'));
    await router.settled();
    expect((await deliver('http_pool@example.com')).map(({ pool, host }) => ({ pool, host }))).toEqual([
      { pool: 'http_pool@example.com', host: 'example.com' },
    ]);
    expect((await deliver('http_pool')).map(({ pool, host }) => ({ pool, host }))).toEqual([
      { pool: 'http_pool', host: 'other.example' },
    ]);
  });

  it('is dead at once where there is neither pool, accepted and counted', async () => {
    const { take, router, ledger, observed } = await openRouter([{ name: 'chats', pool: 'http_pool' }], {
      pools: ['http_pool@other.example', 'another_pool'],
    });
    take(chat('Hi'));
    await router.settled();
    expect(ledger.entry('chats')).toEqual({ accepted: 1, delivered: 0, dead: 1, dropped: 0 });
    expect(observed).toEqual([
      expect.objectContaining({
        kind: 'notification-dead',
        reason: 'no-pool',
        notification: expect.objectContaining({ backend: 'chats', pool: 'http_pool', host: 'example.com' }),
      }),
    ]);
  });

  it('has an id of its own for each backend', async () => {
    const { take, router, deliver } = await openRouter([{ name: 'a' }, { name: 'b' }]);
    take(chat('Hi'));
    await router.settled();
    expect((await deliver()).map(({ id, backend }) => [backend, id])).toEqual([
      ['a', 'id-1'],
      ['b', 'id-2'],
    ]);
  });
});

describe('a backend', () => {
  it('is known to the ledger before its first notification', async () => {
    const { ledger } = await openRouter([{ name: 'chats' }, { name: 'alerts' }]);
    expect([...ledger.entries().keys()]).toEqual(['chats', 'alerts']);
  });

  it.each([
    ['true', true, 1],
    ['a promise of true', Promise.resolve(true), 1],
    ['false', false, 0],
    ['a promise of false', Promise.resolve(false), 0],
    ['1', 1, 0],
    ["'yes'", 'yes', 0],
    ["'true'", 'true', 0],
    ['an object', { ok: true }, 0],
    ['an array of true', [true], 0],
    ['nothing', undefined, 0],
    ['null', null, 0],
    ['a promise of 1', Promise.resolve(1), 0],
  ])('that gives %s from shouldMakeReq makes a notification only of true', async (_what, answer, count) => {
    const { take, router, deliver, failures } = await openRouter([{ shouldMakeReq: () => answer }]);
    take(chat('Hi'));
    await router.settled();
    expect(await deliver()).toHaveLength(count);
    expect(failures()).toEqual([]);
  });

  it.each([
    ['1', 1, 'number'],
    ["'true'", 'true', 'string'],
    ['an object', { ok: true }, 'object'],
    ['a promise of an array', Promise.resolve([]), 'object'],
  ])('that gives %s is told of once, for that may have been meant as yes', async (_what, answer, gave) => {
    const callback = { shouldMakeReq: () => answer };
    const { take, router, observed } = await openRouter([
      { name: 'a', ...callback },
      { name: 'b', ...callback },
    ]);
    for (const text of ['one', 'two']) {
      take(chat(text));
      await router.settled();
    }
    expect(observed).toEqual(['a', 'b'].map((backend) => ({ kind: 'callback-not-true', backend, gave })));
  });

  it.each([false, undefined, null, 0, '', Promise.resolve(false), Promise.resolve(undefined)])(
    'that gives a plain no is not told of: %s',
    async (answer) => {
      const { take, router, observed } = await openRouter([{ shouldMakeReq: () => answer }]);
      take(chat('Hi'));
      await router.settled();
      expect(observed).toEqual([]);
    },
  );

  it('counts the events that it did not want, and no others', async () => {
    const { take, router } = await openRouter([
      { name: 'default' },
      { name: 'not now', shouldMakeReq: () => false },
      { name: 'not later', shouldMakeReq: async () => false },
      { name: 'not true', shouldMakeReq: () => 1 },
      { name: 'always', ...always },
      { name: 'throws', shouldMakeReq: () => expect.unreachable() },
      { name: 'rejects', shouldMakeReq: () => Promise.reject(new Error('no')) },
    ]);
    expect(router.declined()[0]).toEqual(['default', 0]);
    take(chat('Hi'));
    take(eventOf("<presence from='alice@example.com' to='bob@example.com'/>"));
    await router.settled();
    expect(Object.fromEntries(router.declined())).toEqual({
      default: 1,
      'not now': 2,
      'not later': 2,
      'not true': 2,
      always: 0,
      throws: 0,
      rejects: 0,
    });
  });

  it('is not asked for headers and body of what it does not want', async () => {
    const asked: string[] = [];
    const { take, router } = await openRouter([
      {
        shouldMakeReq: async () => false,
        prepareHeaders: () => (asked.push('headers'), {}),
        prepareBody: () => (asked.push('body'), ''),
      },
    ]);
    take(chat('Hi'));
    await router.settled();
    expect(asked).toEqual([]);
  });

  it('gets the event and its own options in each callback', async () => {
    const given: [StanzaEvent, CallbackOptions][] = [];
    const { take, router } = await openRouter([
      {
        name: 'mine',
        path: '/p',
        shouldMakeReq: (...all) => given.push(all) > 0,
        prepareHeaders: (...all) => (given.push(all), {}),
        prepareBody: (...all) => (given.push(all), ''),
      },
    ]);
    const event = chat('Hi');
    take(event);
    await router.settled();
    const [[view] = []] = given;
    expect({ ...view, packet: view?.packet.toString() }).toEqual({
      ...event,
      packet: event.packet.toString(),
    });
    const options = { pool_name: 'http_pool', path: '/p', extra: 'mine' };
    expect(given.map(([, own]) => own)).toEqual([options, options, options]);
    for (const [shown] of given) expect(shown).toBe(view);
  });

  it('may wait in each callback', async () => {
    const { take, router, deliver } = await openRouter([
      {
        shouldMakeReq: async () => (await turn(), true),
        prepareHeaders: async () => (await turn(), { 'X-Slow': '1' }),
        prepareBody: async () => (await turn(), 'slow'),
      },
    ]);
    take(chat('Hi'));
    await router.settled();
    expect(await deliver()).toMatchObject([{ headers: { 'x-slow': '1' }, body: 'slow' }]);
  });

  it('may give a thenable of another library', async () => {
    const thenable = new Proxy({} as Promise<boolean>, {
      get: (_target, name) =>
        name === 'then' ? (resolve: (value: boolean) => void) => void setImmediate(resolve, true) : undefined,
    });
    const { take, router, deliver, failures, clock } = await openRouter([{ shouldMakeReq: () => thenable }]);
    take(chat('Hi'));
    await router.settled();
    expect(failures()).toEqual([]);
    expect(await deliver()).toHaveLength(1);
    expect(clock.timers).toBe(0);
  });
});

describe('several backends', () => {
  it('are asked in configuration order', async () => {
    const asked: string[] = [];
    const names = ['c', 'a', 'b'];
    const { take, router, deliver } = await openRouter(
      names.map((name) => ({ name, shouldMakeReq: () => asked.push(name) > 0 })),
    );
    take(chat('Hi'));
    expect(asked).toEqual(names);
    await router.settled();
    expect((await deliver()).map(({ backend }) => backend)).toEqual(names);
  });

  it('share the acc of one stanza, and only of that one', async () => {
    const seen: [string, unknown][] = [];
    const { take, router } = await openRouter([
      { name: 'first', shouldMakeReq: ({ acc, message }) => (acc.set('mark', message), false) },
      { name: 'second', shouldMakeReq: ({ acc, message }) => (seen.push([message, acc.get('mark')]), false) },
      { name: 'third', shouldMakeReq: ({ acc }) => acc.set('mark', 'changed').size > 1 },
    ]);
    take(chat('one'));
    take(chat('two'));
    await router.settled();
    expect(seen).toEqual([
      ['one', 'one'],
      ['two', 'two'],
    ]);
  });

  it('go on side by side: one that waits holds up no other', async () => {
    const gate = openGates();
    const { take, router, deliver } = await openRouter([
      { name: 'waits', shouldMakeReq: () => gate('waits').opened.then(() => true) },
      { name: 'goes on', shouldMakeReq: async () => true },
    ]);
    take(chat('Hi'));
    await idle();
    expect((await deliver()).map(({ backend }) => backend)).toEqual(['goes on']);
    gate('waits').open();
    await router.settled();
    expect((await deliver()).map(({ backend }) => backend)).toEqual(['waits']);
  });

  it('do not suffer from one whose pool does not exist', async () => {
    const { take, router, deliver, ledger } = await openRouter([
      { name: 'lost', pool: 'nowhere' },
      { name: 'chats' },
    ]);
    take(chat('Hi'));
    await router.settled();
    expect(await deliver()).toHaveLength(1);
    expect(ledger.entry('lost').dead).toBe(1);
  });
});

describe("what MongooseIM's own tests of its callbacks ask for", () => {
  const custom = (prefix: string, dirs: readonly string[]): BackendSetting => ({
    shouldMakeReq: ({ dir, packet }) => packet.is('message') && dirs.includes(dir),
    prepareBody: ({ dir, message }) => `${prefix}${dir}-${message}`,
  });
  const events = ['hej', ''].flatMap((text) =>
    (['in', 'out'] as const).map((dir) =>
      eventOf(
        `<message from='alice@localhost/r' to='bob@localhost' type='chat'><body>${text}</body></message>`,
        dir,
      ),
    ),
  );
  const presence = eventOf("<presence from='alice@localhost/r' to='bob@localhost'/>", 'out');

  it('a callback of ones own sees both directions and empty messages (custom_push)', async () => {
    const { take, router, deliver } = await openRouter([custom('', ['in', 'out'])]);
    for (const event of [...events, presence]) take(event);
    await router.settled();
    expect(bodies(await deliver())).toEqual(['in-hej', 'out-hej', 'in-', 'out-']);
  });

  it('several backends post independently of each other (push_to_many)', async () => {
    const { take, router, deliver } = await openRouter([
      { ...custom('', ['in', 'out']), name: 'first', path: 'push' },
      { ...custom('2-', ['out']), name: 'second', path: 'push2' },
    ]);
    for (const event of [...events, presence]) take(event);
    await router.settled();
    const delivered = await deliver();
    const to = (path: string) => bodies(delivered.filter((notification) => notification.path === path));
    expect(to('push')).toEqual(['in-hej', 'out-hej', 'in-', 'out-']);
    expect(to('push2')).toEqual(['2-out-hej', '2-out-']);
  });
});

describe('a callback that fails', () => {
  const boom = (): never => {
    throw new Error('boom');
  };
  const reject = (): Promise<never> => Promise.reject(new Error('boom'));
  const throwingThen = new Proxy({}, { get: boom });
  const cases: [string, keyof CallbackModule, CallbackModule][] = [
    ['throws', 'shouldMakeReq', { shouldMakeReq: boom }],
    ['throws', 'prepareHeaders', { prepareHeaders: boom }],
    ['throws', 'prepareBody', { prepareBody: boom }],
    ['rejects', 'shouldMakeReq', { shouldMakeReq: reject }],
    ['rejects', 'prepareHeaders', { prepareHeaders: reject }],
    ['rejects', 'prepareBody', { prepareBody: reject }],
    ['gives a thenable that throws', 'shouldMakeReq', { shouldMakeReq: () => throwingThen }],
    ['gives no headers', 'prepareHeaders', { prepareHeaders: () => undefined as never }],
    ['gives null', 'prepareHeaders', { prepareHeaders: () => null as never }],
    ['gives a text', 'prepareHeaders', { prepareHeaders: () => 'content-type: text/plain' as never }],
    ['gives a Map', 'prepareHeaders', { prepareHeaders: () => new Map([['a', 'b']]) as never }],
    ['gives Headers', 'prepareHeaders', { prepareHeaders: () => new Headers({ a: 'b' }) as never }],
    ['gives a list', 'prepareHeaders', { prepareHeaders: () => [['a', 'b']] as never }],
    ['gives a number for a header', 'prepareHeaders', { prepareHeaders: () => ({ a: 1 }) as never }],
    ['gives a name that HTTP forbids', 'prepareHeaders', { prepareHeaders: () => ({ 'a b': 'c' }) }],
    ['gives an empty name', 'prepareHeaders', { prepareHeaders: () => ({ '': 'c' }) }],
    ['gives a value with a line break', 'prepareHeaders', { prepareHeaders: () => ({ a: 'b\r\nc: d' }) }],
    ['gives a value that HTTP cannot carry', 'prepareHeaders', { prepareHeaders: () => ({ a: '☺' }) }],
    ['gives nothing', 'prepareBody', { prepareBody: () => undefined as never }],
    ['gives an object', 'prepareBody', { prepareBody: () => ({ text: 'Hi' }) as never }],
    ['gives a number', 'prepareBody', { prepareBody: () => 7 as never }],
  ];

  it.each(cases)('(%s, %s) harms only the notification of its own backend', async (_how, name, callback) => {
    const { take, router, deliver, failures, ledger } = await openRouter([
      { name: 'before' },
      { ...always, name: 'bad', ...callback },
      { name: 'after' },
    ]);
    take(chat('Hi'));
    take(chat('Ho'));
    await router.settled();
    expect((await deliver()).map(({ backend }) => backend).toSorted()).toEqual([
      'after',
      'after',
      'before',
      'before',
    ]);
    expect(failures()).toEqual([`bad ${name}`, `bad ${name}`]);
    expect(ledger.entry('bad')).toEqual({ accepted: 2, delivered: 0, dead: 2, dropped: 0 });
  });

  it('is told with what it threw', async () => {
    const error = new Error('boom');
    const { take, router, observed } = await openRouter([
      {
        name: 'bad',
        shouldMakeReq: () => {
          throw error;
        },
      },
      { name: 'bad too', prepareBody: () => Promise.reject(error) },
    ]);
    take(chat('Hi'));
    await router.settled();
    expect(observed.filter(({ kind }) => kind === 'callback-failed')).toEqual([
      { kind: 'callback-failed', backend: 'bad', callback: 'shouldMakeReq', error },
      { kind: 'callback-failed', backend: 'bad too', callback: 'prepareBody', error },
    ]);
  });

  it.each(['shouldMakeReq', 'prepareHeaders', 'prepareBody'] as const)(
    'by not settling in %s is given up after the time limit',
    async (name) => {
      const gate = openGates();
      const hanging = { ...always, [name]: () => gate('late').opened.then(() => true) };
      const { take, router, deliver, failures, clock, observed } = await openRouter(
        [{ name: 'hangs', ...hanging }, { name: 'fine' }],
        { callbackTimeoutMs: 300 },
      );
      take(chat('Hi'));
      await idle();
      clock.advance(299);
      await idle();
      expect(failures()).toEqual([]);
      clock.advance(1);
      await router.settled();
      expect(failures()).toEqual([`hangs ${name}`]);
      expect(observed.filter(({ kind }) => kind === 'callback-failed')).toEqual([
        expect.objectContaining({ error: expect.objectContaining({ message: 'not settled after 300 ms' }) }),
      ]);
      expect((await deliver()).map(({ backend }) => backend)).toEqual(['fine']);
      gate('late').open();
      await idle();
      expect(await deliver()).toEqual([]);
      expect(clock.timers).toBe(0);
    },
  );

  it('has one time limit more to hear what it waits for when the process did not run meanwhile', async () => {
    const gate = openGates();
    const { take, router, deliver, failures, clock } = await openRouter(
      [
        { name: 'waits', ...always, prepareBody: () => gate('heard').opened.then(() => 'heard') },
        { name: 'hangs', ...always, prepareBody: () => gate('never').opened.then(() => 'never') },
      ],
      { callbackTimeoutMs: 300 },
    );
    take(chat('Hi'));
    await idle();
    clock.pause(60_000);
    gate('heard').open();
    await idle();
    clock.advance(300);
    await router.settled();
    expect(bodies(await deliver())).toEqual(['heard']);
    expect(failures()).toEqual(['hangs prepareBody']);
  });

  it('has the whole time limit for each of the three', async () => {
    const gate = openGates();
    const slow = <T>(name: string, value: T) => gate(name).opened.then(() => value);
    const { take, router, deliver, clock } = await openRouter(
      [
        {
          shouldMakeReq: () => slow('should', true),
          prepareHeaders: () => slow('headers', {}),
          prepareBody: () => slow('body', 'slow'),
        },
      ],
      { callbackTimeoutMs: 300 },
    );
    take(chat('Hi'));
    for (const name of ['should', 'headers', 'body']) {
      await idle();
      clock.advance(200);
      gate(name).open();
    }
    await router.settled();
    expect(bodies(await deliver())).toEqual(['slow']);
    expect(clock.timers).toBe(0);
  });
});

describe('headers', () => {
  it('have names in lower case, and may be none at all', async () => {
    const { take, router, deliver } = await openRouter([
      { name: 'some', prepareHeaders: () => ({ 'X-Trace': 'ä', Host: 'x.example' }) },
      { name: 'none', prepareHeaders: () => ({}) },
    ]);
    take(chat('Hi'));
    await router.settled();
    expect((await deliver()).map(({ headers }) => headers)).toEqual([
      { 'x-trace': 'ä', host: 'x.example' },
      {},
    ]);
  });

  it('may be called whatever HTTP allows', async () => {
    const given = JSON.parse('{"__proto__":"1","constructor":"2"}') as Record<string, string>;
    const { take, router, deliver } = await openRouter([{ prepareHeaders: () => given }]);
    take(chat('Hi'));
    await router.settled();
    const [request] = await deliver();
    expect(JSON.stringify(request?.headers)).toBe('{"__proto__":"1","constructor":"2"}');
    expect(request?.headers['hasOwnProperty']).toBeUndefined();
  });

  it('are those of this event, be they the same as the last ones or not', async () => {
    const given: Record<string, string>[] = [
      { a: '1' },
      { a: '1' },
      { a: '2' },
      { b: '2' },
      { a: '1', b: '2' },
      { a: 'line\nbreak' },
      { a: '1', b: '2' },
      {},
      { a: '1' },
    ];
    let count = 0;
    const { take, router, deliver, failures } = await openRouter([{ prepareHeaders: () => given[count++]! }]);
    for (const { a } of given) take(chat(`${a}`));
    await router.settled();
    const fine = given.filter(({ a }) => a !== 'line\nbreak');
    expect((await deliver()).map(({ headers }) => headers)).toEqual(fine);
    expect(failures()).toEqual(['chats prepareHeaders']);
  });

  it('do not change when a callback uses its object again', async () => {
    const own: Record<string, string> = {};
    const { take, router, deliver } = await openRouter([
      {
        prepareHeaders: ({ message }) => {
          own['x-message'] = message;
          return own;
        },
      },
    ]);
    for (const text of ['one', 'two']) take(chat(text));
    await router.settled();
    expect((await deliver()).map(({ headers }) => headers)).toEqual([
      { 'x-message': 'one' },
      { 'x-message': 'two' },
    ]);
  });

  it('that frame the message or name the notification are left out', async () => {
    const reserved = {
      Connection: 'close',
      'Content-Length': '3',
      'keep-alive': '1',
      TE: 'trailers',
      Trailer: 'x',
      'Transfer-Encoding': 'chunked',
      upgrade: 'h2c',
      'Webhook-Id': 'mine',
    };
    const { take, router, deliver } = await openRouter([{ prepareHeaders: () => ({ ...reserved, a: 'b' }) }]);
    take(chat('Hi'));
    await router.settled();
    expect((await deliver()).map(({ headers }) => headers)).toEqual([{ a: 'b' }]);
  });
});

describe('a body', () => {
  it.each([
    ['empty', ''],
    ['a text', 'text ☺'],
    ['bytes', new Uint8Array([0, 255])],
    ['a Buffer', Buffer.from('buffer')],
  ])('may be %s', async (_what, body) => {
    const { take, router, deliver } = await openRouter([{ prepareBody: () => body }]);
    take(chat('Hi'));
    await router.settled();
    const [received = ''] = bodies(await deliver());
    expect(typeof received).toBe(typeof body);
    expect(Buffer.from(received)).toEqual(Buffer.from(body));
  });
});

describe('the order of one sender', () => {
  const names = ['one', 'two', 'three', 'four'];

  it.each(['shouldMakeReq', 'prepareHeaders', 'prepareBody'] as const)(
    'is kept for each backend while %s takes longer for the first than for the last',
    async (callback) => {
      const gate = openGates();
      const values = { shouldMakeReq: () => true, prepareHeaders: () => ({}), prepareBody: undefined };
      const { take, router, deliver } = await openRouter([
        {
          prepareBody: ({ message }) => message,
          [callback]: (event: StanzaEvent) =>
            gate(event.message).opened.then(() => values[callback]?.() ?? event.message),
        },
      ]);
      for (const name of names) take(chat(name));
      for (const name of names.toReversed()) {
        gate(name).open();
        await idle();
      }
      await router.settled();
      expect(bodies(await deliver())).toEqual(names);
    },
  );

  it('is kept while only the first takes long and the next are ready at once', async () => {
    const gate = openGates();
    const { take, router, deliver } = await openRouter([
      {
        prepareBody: ({ message }) => (message === 'one' ? gate('one').opened.then(() => message) : message),
      },
    ]);
    for (const name of names) take(chat(name));
    await idle();
    expect(await deliver()).toEqual([]);
    gate('one').open();
    await router.settled();
    take(chat('five'));
    await router.settled();
    expect(bodies(await deliver())).toEqual([...names, 'five']);
  });

  it('is kept around one that fails in between', async () => {
    const gate = openGates();
    const { take, router, deliver, failures } = await openRouter([
      {
        prepareBody: async ({ message }) => {
          if (message === 'two') throw new Error('boom');
          if (message === 'one') await gate('one').opened;
          return message;
        },
      },
    ]);
    for (const name of names) take(chat(name));
    await idle();
    gate('one').open();
    await router.settled();
    expect(bodies(await deliver())).toEqual(['one', 'three', 'four']);
    expect(failures()).toEqual(['chats prepareBody']);
  });

  it('holds up neither other senders nor other backends', async () => {
    const gate = openGates();
    const waitFor = (name: string) => async (event: StanzaEvent) => {
      if (event.message === name) await gate(name).opened;
      return `${event.sender} ${event.message}`;
    };
    const { take, router, deliver } = await openRouter([
      { name: 'slow', prepareBody: waitFor('one') },
      { name: 'quick', prepareBody: ({ sender, message }) => `quick ${sender} ${message}` },
    ]);
    take(chat('one'));
    take(chat('two'));
    take(chat('three', 'carol@example.com/Desk'));
    await idle();
    expect(new Set(bodies(await deliver()))).toEqual(
      new Set(['carol three', 'quick alice one', 'quick alice two', 'quick carol three']),
    );
    gate('one').open();
    await router.settled();
    expect(bodies(await deliver())).toEqual(['alice one', 'alice two']);
  });

  it('does not tell the resources of a sender apart', async () => {
    const gate = openGates();
    const { take, router, deliver } = await openRouter([
      { prepareBody: ({ message }) => gate(message).opened.then(() => message) },
    ]);
    take(chat('one', 'alice@example.com/Desk'));
    take(chat('two', 'Alice@example.com/Phone'));
    gate('two').open();
    await idle();
    expect(await deliver()).toEqual([]);
    gate('one').open();
    await router.settled();
    expect(bodies(await deliver())).toEqual(['one', 'two']);
  });
});

describe('settled', () => {
  it('resolves at once while nothing is under way', async () => {
    const { router } = await openRouter([{}]);
    await expect(router.settled()).resolves.toBeUndefined();
  });

  it('waits for what is slow, and for what begins meanwhile', async () => {
    const gate = openGates();
    const { take, router, deliver } = await openRouter([
      { prepareBody: ({ message }) => gate(message).opened.then(() => message) },
    ]);
    let isSettled = false;
    take(chat('one'));
    const settled = router.settled().then(() => (isSettled = true));
    take(chat('two'));
    gate('one').open();
    await idle();
    expect(isSettled).toBe(false);
    gate('two').open();
    await settled;
    expect(bodies(await deliver())).toEqual(['one', 'two']);
  });

  it('waits for a slow one even if a later one of that sender has failed', async () => {
    const gate = openGates();
    const { take, router, deliver } = await openRouter([
      {
        prepareBody: async ({ message }) => {
          if (message === 'bad') throw new Error('boom');
          await gate('slow').opened;
          return message;
        },
      },
    ]);
    take(chat('slow'));
    take(chat('bad'));
    await idle();
    let isSettled = false;
    const settled = router.settled().then(() => (isSettled = true));
    await idle();
    expect(isSettled).toBe(false);
    gate('slow').open();
    await settled;
    expect(bodies(await deliver())).toEqual(['slow']);
  });

  it('waits for the outbox', async () => {
    const gate = openGates();
    const { take, router, deliver } = await openRouter([{}], {
      wrap: (outbox) => slowOutbox(outbox, gate('disk').opened),
    });
    take(chat('Hi'));
    let isSettled = false;
    const settled = router.settled().then(() => (isSettled = true));
    await idle();
    expect(isSettled).toBe(false);
    gate('disk').open();
    await settled;
    expect(await deliver()).toHaveLength(1);
  });
});

/** An outbox that takes nothing until `ready`, as a durable one does that waits for its disk. */
function slowOutbox(outbox: Outbox, ready: Promise<void>): Outbox {
  const slow = Object.create(outbox) as Outbox;
  slow.put = async (notification) => {
    await ready;
    return outbox.put(notification);
  };
  return slow;
}

describe('the bound on what is under way', () => {
  const stanzaSize = 1024 * 1024;

  it('leaves room while callbacks and outboxes are quick', async () => {
    const { take, router, deliver } = await openRouter([{}]);
    for (let count = 0; count < 200; count += 1) {
      take(chat('Hi'), stanzaSize);
      await router.settled();
      expect(router.hasRoom()).toBe(true);
    }
    expect(await deliver()).toHaveLength(200);
  });

  it.each([
    [
      'callbacks',
      (ready: Promise<void>) => ({ backend: { prepareBody: () => ready.then(() => '') }, setting: {} }),
    ],
    [
      'outboxes',
      (ready: Promise<void>) => ({
        backend: { prepareBody: () => 'x'.repeat(stanzaSize) },
        setting: { wrap: (outbox: Outbox) => slowOutbox(outbox, ready) },
      }),
    ],
  ])('is 64 MiB for slow %s, and there is room again afterwards', async (_what, settingOf) => {
    const gate = openGates();
    const { backend, setting } = settingOf(gate('ready').opened);
    const { take, router, deliver } = await openRouter([backend], setting);
    let taken = 0;
    while (router.hasRoom() && taken < 100) {
      take(chat(`${taken}`, `user${taken}@example.com/x`), stanzaSize);
      taken += 1;
    }
    expect(taken).toBe(64);
    gate('ready').open();
    await router.settled();
    expect(router.hasRoom()).toBe(true);
    expect(await deliver()).toHaveLength(taken);
  });

  it('counts small stanzas with what they take in memory', async () => {
    const gate = openGates();
    const { take, router } = await openRouter([
      { shouldMakeReq: () => gate('ready').opened.then(() => false) },
    ]);
    const event = chat('Hi');
    let taken = 0;
    while (router.hasRoom() && taken < 100_000) {
      take(event, 1);
      taken += 1;
    }
    expect(taken).toBeLessThan(50_000);
    gate('ready').open();
    await router.settled();
    expect(router.hasRoom()).toBe(true);
  });

  it('does not count what is refused at once', async () => {
    const { take, router } = await openRouter([{ shouldMakeReq: () => false }]);
    for (let count = 0; count < 100; count += 1) take(chat('Hi'), stanzaSize);
    expect(router.hasRoom()).toBe(true);
  });

  it('has room again after callbacks that failed or hung', async () => {
    const { take, router, clock, failures } = await openRouter([
      { name: 'bad', ...always, prepareBody: () => Promise.reject(new Error('boom')) },
      { name: 'hangs', shouldMakeReq: () => new Promise(() => undefined) },
    ]);
    for (let count = 0; router.hasRoom() && count < 100; count += 1) take(chat(`${count}`), stanzaSize);
    expect(router.hasRoom()).toBe(false);
    await idle();
    clock.advance(5000);
    await router.settled();
    expect(router.hasRoom()).toBe(true);
    expect(new Set(failures())).toEqual(new Set(['bad prepareBody', 'hangs shouldMakeReq']));
  });

  it('of a backend that hangs is not taken from the others', async () => {
    const { take, router, deliver, failures } = await openRouter([
      { name: 'hangs', shouldMakeReq: () => new Promise(() => undefined) },
      { name: 'works' },
    ]);
    for (let count = 0; count < 100; count += 1) {
      expect(router.hasRoom()).toBe(true);
      take(chat(`${count}`, `user${count}@example.com/x`), stanzaSize);
      await idle();
    }
    expect(await deliver()).toHaveLength(100);
    expect(failures()).toHaveLength(100 - 32);
    expect(router.underWay).toBe(32);
  });

  it('is taken by what a stanza of many elements is in memory, not by its bytes', async () => {
    const { take, router } = await openRouter([{ shouldMakeReq: () => new Promise(() => undefined) }]);
    const bytes = 4 * 10_000;
    const event = eventOf(
      `<message from='alice@localhost' to='bob@localhost'>${'<a/>'.repeat(10_000)}<body>Hi</body></message>`,
    );
    let taken = 0;
    for (; router.hasRoom() && taken < 2000; taken += 1) take(event, bytes);
    expect(taken).toBeLessThan(40);
  });
});

it('a fault of ours at one backend is told as an internal error, and the other backends are asked', async () => {
  let ids = 0;
  const makeId = (): string => {
    ids += 1;
    if (ids === 1) throw new Error('no randomness');
    return `id-${ids}`;
  };
  const { offer, deliver, observed } = await openRouter([{ name: 'first' }, { name: 'second' }], { makeId });
  expect(await offer(chat('Hi'))).toBe('refused');
  expect((await deliver()).map(({ backend }) => backend)).toEqual(['second']);
  expect(observed.filter(({ kind }) => kind === 'internal-error')).toHaveLength(1);
});
