import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DeadLetter } from '../../src/core/dead-letter.ts';
import type { Attempt, Notification, Verdict } from '../../src/core/delivery.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { OperatorPort, WaitingChoice } from '../../src/core/operator.ts';
import { type EngineName, engines } from '../../src/outbox/engines/index.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';
import { allow } from '../support/limits.ts';
import { notification } from '../support/notification.ts';
import { chosenFor, leaseOne, type OutboxChanges, outboxOptions } from '../support/outbox.ts';
import { temporaryFolder } from '../support/outbox-folder.ts';

allow('manyCases');

const busy: Attempt = { outcome: '5xx', status: 503, durationSeconds: 0.1 };
const refused: Attempt = { outcome: 'refused', errorCode: 'ECONNREFUSED', durationSeconds: 0.1 };
const retry = (afterMs: number, more: object = {}): Verdict => ({
  kind: 'retry',
  afterMs,
  cause: 'back-off',
  ...more,
});
const rejected: Verdict = { kind: 'dead', reason: 'rejected' };

/** A running store with one pool, and its operator port. */
async function running(name: EngineName, options: OutboxChanges = {}) {
  const folder = temporaryFolder();
  const clock = new ManualClock();
  const ledger = new Ledger();
  const redelivered: string[] = [];
  const engine = chosenFor(name, folder);
  const store = await engine.open({ deadLetterCapacity: 100 }, { clock, ledger, observe: () => undefined });
  const outbox = store.outbox(outboxOptions({ capacity: 5000, ...options }));
  await store.start(({ notification: { id } }) => {
    redelivered.push(id);
    return Promise.resolve();
  });
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await outbox.close();
    await store.close();
  };
  onTestFinished(close);
  const put = async (...ids: readonly string[]): Promise<void> => {
    for (const id of ids) await outbox.put(from(id, clock.now()));
  };
  /** Attempts the next one. */
  const attempt = async (verdict: Verdict, made: Attempt): Promise<string> => {
    const lease = (await leaseOne(outbox))!;
    await lease.settle(verdict, made);
    return lease.notification.id;
  };
  const check = () => expectLedgerBalanced(ledger, outbox.counts());
  const { operator } = store;
  return { engine, clock, ledger, store, outbox, operator, redelivered, put, attempt, check, close };
}

/** `alice1` is of Alice, to Bob. */
function from(id: string, acceptedAtMs = 0): Notification {
  const sender = `${id.replace(/\d+$/, '')}@example.com`;
  return notification({ id, sender, receiver: 'bob@example.com', body: `body of ${id}`, acceptedAtMs });
}

async function waiting(operator: OperatorPort, choice: WaitingChoice = {}) {
  return (await all(operator.waiting(choice))).flat();
}

async function dead(operator: OperatorPort, choice = {}): Promise<string[]> {
  return (await all(operator.dead(choice))).flat().map(({ notification: { id } }) => id);
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const page of pages) found.push(page);
  return found;
}

const ids = (found: readonly { readonly id: string }[]): string[] => found.map(({ id }) => id);

const engineNames = Object.keys(engines) as EngineName[];

describe.each(engineNames)('the operator port of a running store: %s', (name) => {
  it('lists what waits, oldest first, with what an operator asks of it', async () => {
    const { operator, clock, put } = await running(name);
    await put('alice1');
    clock.advance(1000);
    await put('carol1');
    expect(await waiting(operator)).toEqual([
      {
        id: 'alice1',
        backend: 'chats',
        pool: 'http_pool',
        sender: 'alice@example.com',
        receiver: 'bob@example.com',
        host: 'example.com',
        acceptedAtMs: clock.now() - 1000,
        attempts: 0,
        next: { setBy: 'first' },
      },
      expect.objectContaining({ id: 'carol1', acceptedAtMs: clock.now() }),
    ]);
  });

  it('says of one that failed how, when it is attempted next, and what set that', async () => {
    const { operator, clock, put, attempt } = await running(name);
    await put('alice1', 'carol1');
    await attempt(retry(3000), refused);
    await attempt(retry(7000, { cause: 'retry-after' }), busy);
    expect(await waiting(operator)).toEqual([
      expect.objectContaining({
        id: 'alice1',
        attempts: 1,
        last: { outcome: 'refused' },
        next: { setBy: 'back-off', atMs: clock.now() + 3000 },
      }),
      expect.objectContaining({
        id: 'carol1',
        attempts: 1,
        last: { outcome: '5xx', status: 503 },
        next: { setBy: 'retry-after', atMs: clock.now() + 7000 },
      }),
    ]);
    clock.advance(3000);
    expect((await waiting(operator))[0]?.next.setBy).toBe('back-off');
  });

  it('says whom its sender keeps waiting: an earlier one is out, or comes before', async () => {
    const { operator, outbox, put } = await running(name);
    await put('alice1', 'alice2', 'alice3', 'carol1');
    await leaseOne(outbox);
    expect((await waiting(operator)).map(({ id, next }) => [id, next.setBy])).toEqual([
      ['alice2', 'sender-turn'],
      ['alice3', 'sender-turn'],
      ['carol1', 'first'],
    ]);
  });

  it('with order strict says so of what waits behind one that failed', async () => {
    const { operator, put, attempt } = await running(name, { retry: { order: 'strict' } });
    await put('alice1', 'alice2');
    await attempt(retry(3000), busy);
    expect((await waiting(operator)).map(({ next }) => next.setBy)).toEqual(['back-off', 'sender-turn']);
  });

  it('says of a destination at rest until when', async () => {
    const { operator, clock, put, attempt } = await running(name);
    await put('alice1', 'carol1');
    await attempt(retry(60_000, { cause: 'retry-after', restMs: 60_000 }), busy);
    const atMs = clock.now() + 60_000;
    expect((await waiting(operator)).map(({ id, next }) => [id, next])).toEqual([
      ['alice1', { setBy: 'retry-after', atMs }],
      ['carol1', { setBy: 'destination-at-rest', atMs }],
    ]);
    clock.advance(60_000);
    expect((await waiting(operator)).map(({ next: { setBy } }) => setBy)).not.toContain(
      'destination-at-rest',
    );
  });

  it('lists what the choice means: pool, backend, person, receiver, time, last outcome', async () => {
    const { operator, outbox, clock, put, attempt } = await running(name);
    await put('alice1');
    await attempt(retry(60_000), busy);
    clock.advance(1000);
    await put('carol1');
    await outbox.put({ ...from('eve1', clock.now()), backend: 'alerts', receiver: 'alice@example.com' });
    const chosen = async (choice: WaitingChoice): Promise<string[]> => ids(await waiting(operator, choice));
    expect(await chosen({ pool: 'other' })).toEqual([]);
    expect(await chosen({ pool: 'http_pool', backend: 'alerts' })).toEqual(['eve1']);
    expect(await chosen({ jid: 'alice@example.com' })).toEqual(['alice1', 'eve1']);
    expect(await chosen({ receiver: { jid: 'bob', local: 'bob' } })).toEqual(['alice1', 'carol1']);
    expect(await chosen({ sinceMs: clock.now() })).toEqual(['carol1', 'eve1']);
    expect(await chosen({ last: 503 })).toEqual(['alice1']);
    expect(await chosen({ last: '5xx', backend: 'alerts' })).toEqual([]);
    expect(await chosen({ host: 'elsewhere.example' })).toEqual([]);
  });

  it('lists thousands some at a time, and stops when nobody asks further', async () => {
    const { operator, outbox } = await running(name);
    await Promise.all(Array.from({ length: 1200 }, (_, index) => outbox.put(from(`alice${index}`))));
    const sizes = (await all(operator.waiting({}))).map(({ length }) => length);
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThan(1000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(1200);
    for await (const page of operator.waiting({})) {
      expect(page[0]?.id).toBe('alice0');
      break;
    }
  });

  it('shows one that waits with its request', async () => {
    const { operator, put } = await running(name);
    await put('alice1', 'carol1');
    const whole = await operator.findWaiting('carol1');
    expect(whole?.facts.id).toBe('carol1');
    expect(whole?.notification).toEqual(from('carol1', whole?.facts.acceptedAtMs));
    expect(await operator.findWaiting('nobody1')).toBeUndefined();
  });

  it('drops what waits, which counts as dropped; none if one of the ids is unknown', async () => {
    const { operator, outbox, ledger, put, attempt, check } = await running(name);
    await put('alice1', 'carol1', 'eve1', 'mallory1');
    await attempt(retry(60_000), busy);
    expect(await operator.dropWaiting({ ids: ['alice1', 'nobody1'] })).toEqual({
      count: 0,
      unknown: ['nobody1'],
    });
    expect(await operator.dropWaiting({ ids: ['alice1', 'carol1'] })).toEqual({ count: 2, unknown: [] });
    check();
    expect(ledger.entry('chats').dropped).toBe(2);
    expect(await operator.dropWaiting({ choice: { jid: 'eve@example.com' } })).toEqual({
      count: 1,
      unknown: [],
    });
    check();
    expect(ids(await waiting(operator))).toEqual(['mallory1']);
    expect((await leaseOne(outbox))?.notification.id).toBe('mallory1');
  });

  it('lets others have their turn while it goes through thousands, also of another backend', async () => {
    const { operator, outbox } = await running(name);
    await Promise.all(Array.from({ length: 1200 }, (_, index) => outbox.put(from(`alice${index}`))));
    for (const choice of [{}, { backend: 'alerts' }]) {
      let isDone = false;
      const listed = waiting(operator, choice).then(() => (isDone = true));
      await nextTurn();
      expect(isDone).toBe(false);
      await listed;
    }
  });

  it('knows an id no more that ended while the others were looked for', async () => {
    const { operator, outbox, attempt } = await running(name);
    await Promise.all(Array.from({ length: 1200 }, (_, index) => outbox.put(from(`alice${index}`))));
    const dropped = operator.dropWaiting({ ids: ['alice0', 'alice1'] });
    await nextTurn();
    expect(await attempt({ kind: 'delivered' }, busy)).toBe('alice0');
    expect(await dropped).toEqual({ count: 0, unknown: ['alice0'] });
  });

  it('erases a person: what waits as sender or receiver, and what is out is not attempted again', async () => {
    const { operator, outbox, clock, ledger, put, check } = await running(name);
    await put('alice1');
    const lease = (await leaseOne(outbox))!;
    await put('alice2', 'carol1');
    await outbox.put({ ...from('eve1', clock.now()), receiver: 'alice@example.com' });
    expect(await operator.erase('alice@example.com')).toMatchObject({ notifications: 3 });
    check();
    expect(ids(await waiting(operator))).toEqual(['carol1']);
    await lease.settle(retry(1000), busy);
    clock.advance(1000);
    expect((await leaseOne(outbox))?.notification.id).toBe('carol1');
    const nobody = outbox.lease(1);
    await expect.poll(() => outbox.counts().waiting).toBe(0);
    check();
    expect(ledger.entry('chats')).toMatchObject({ accepted: 4, dropped: 3 });
    outbox.stopLeasing();
    expect(await nobody).toEqual([]);
  });
});

const keepingLetters = engineNames.filter((name) => engines[name].keepsDeadLetters);

describe.each(keepingLetters)('the operator port of a running store that keeps dead letters: %s', (name) => {
  const letterOf = (id: string, more: Partial<DeadLetter> = {}): DeadLetter => ({
    notification: from(id),
    reason: 'rejected',
    diedAtMs: 0,
    attempts: 1,
    attempt: { outcome: '4xx', status: 410, durationSeconds: 0.1 },
    ...more,
  });

  it('lists, shows and drops dead letters', async () => {
    const { operator, store, put, attempt } = await running(name);
    await put('alice1');
    await attempt(rejected, { outcome: '4xx', status: 400, durationSeconds: 0.1 });
    await store.bury(letterOf('carol1', { diedAtMs: 5 }));
    await store.bury(letterOf('eve1', { reason: 'expired' }));
    expect(await dead(operator)).toEqual(['alice1', 'carol1', 'eve1']);
    expect(await dead(operator, { reason: 'expired' })).toEqual(['eve1']);
    expect(await dead(operator, { last: 400 })).toEqual(['alice1']);
    expect(await operator.findDead('carol1')).toEqual(letterOf('carol1', { diedAtMs: 5 }));
    expect(await operator.findDead('nobody1')).toBeUndefined();
    expect(await operator.dropDead({ ids: ['carol1', 'nobody1'] })).toEqual({
      count: 0,
      unknown: ['nobody1'],
    });
    expect(await operator.dropDead({ choice: { reason: 'expired' } })).toEqual({ count: 1, unknown: [] });
    expect(await operator.dropDead({ ids: ['alice1'] })).toEqual({ count: 1, unknown: [] });
    expect(await dead(operator)).toEqual(['carol1']);
    expect(store.deadLetters()).toBe(1);
  });

  it('has dead letters delivered again', async () => {
    const { operator, store, clock, redelivered } = await running(name);
    await store.bury(letterOf('alice1'));
    expect(await operator.redeliver({ ids: ['alice1'] })).toEqual({ count: 1, unknown: [] });
    expect(await dead(operator)).toEqual([]);
    await expect
      .poll(() => {
        clock.advance(500);
        return redelivered;
      })
      .toEqual(['alice1']);
  });

  it('erases a person among dead letters, too', async () => {
    const { operator, store } = await running(name);
    await store.bury(letterOf('alice1'));
    await store.bury(letterOf('carol1'));
    expect(await operator.erase('alice@example.com')).toEqual({
      notifications: 0,
      redeliveries: 0,
      deadLetters: 1,
    });
    expect(await dead(operator)).toEqual(['carol1']);
  });

  it('beside the running process says what the records say, and changes what the process then finds', async () => {
    const { engine, outbox, clock, put, attempt } = await running(name);
    await put('alice1', 'alice2', 'carol1');
    await attempt(retry(3000, { cause: 'retry-after' }), busy);
    const beside = (await engine.openBeside('write'))!;
    onTestFinished(() => beside.close());
    expect(
      (await waiting(beside)).map(({ id, attempts, last, next }) => ({ id, attempts, last, next })),
    ).toEqual([
      {
        id: 'alice1',
        attempts: 1,
        last: { outcome: '5xx', status: 503 },
        next: { setBy: 'retry-after', atMs: clock.now() + 3000 },
      },
      { id: 'alice2', attempts: 0, last: undefined, next: { setBy: 'first' } },
      { id: 'carol1', attempts: 0, last: undefined, next: { setBy: 'first' } },
    ]);
    expect((await beside.findWaiting('carol1'))?.notification.body).toBe('body of carol1');
    expect(await beside.dropWaiting({ ids: ['alice2', 'nobody1'] })).toEqual({
      count: 0,
      unknown: ['nobody1'],
    });
    expect(await beside.dropWaiting({ ids: ['alice2'] })).toEqual({ count: 1, unknown: [] });
    expect(ids(await waiting(beside))).toEqual(['alice1', 'carol1']);
    clock.advance(500);
    await expect.poll(async () => outbox.counts().waiting).toBe(3);
    expect(await beside.dropWaiting({ choice: { jid: 'carol@example.com' } })).toEqual({
      count: 1,
      unknown: [],
    });
    expect(ids(await waiting(beside))).toEqual(['alice1']);
  });
});
