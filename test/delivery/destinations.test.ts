import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Notification } from '../../src/core/delivery.ts';
import { notification } from '../support/notification.ts';
import { type Receiver, type ReceivedRequest, type Respond, startReceiver } from '../support/receiver.ts';
import { testReceiver } from './pool.ts';
import { openLane } from './lane.ts';

type Lane = Awaited<ReturnType<typeof openLane>>;

const slowAndFast = { backends: ['slow', 'fast'] };

const of = (backend: string, sender: string, number = 1): Notification =>
  notification({
    id: `${backend}-${sender}-${number}`,
    backend,
    path: `/${backend}`,
    sender: `${sender}@example.com`,
  });

const many = (backend: string, count: number, first = 0): Notification[] =>
  Array.from({ length: count }, (_, index) => of(backend, `user${first + index}`));

const idOf = (request: ReceivedRequest): string => String(request.headers['webhook-id']);
const deliveredOf = ({ ledger }: Lane, backend: string): number => ledger.entry(backend).delivered;

/** Until every request that is out has ended, so that nothing moves but by the clock. */
async function quiet({ outbox }: Lane): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (outbox.counts().inFlight > 0) {
    if (performance.now() > endMs) throw new Error('requests are still out');
    await nextTurn();
  }
}

/** Responds on every path except `/slow`. */
const hangsOnSlow: Respond = (request, response) => {
  if (request.path !== '/slow') response.writeHead(204).end();
};

describe('two backends of one pool when one of them hangs', () => {
  it('the other one gets half of the workers, whoever comes first', async () => {
    const receiver = await testReceiver({ respond: hangsOnSlow });
    const lane = await openLane(receiver.url, slowAndFast);
    await lane.put(...many('slow', 300), ...many('fast', 300));
    await lane.seen('notification-delivered', 300);
    expect(deliveredOf(lane, 'fast')).toBe(300);
    expect(lane.outbox.counts().inFlight).toBe(5);
  });

  it('the other one is not delayed though it sends seldom', async () => {
    const receiver = await testReceiver({ respond: hangsOnSlow });
    const lane = await openLane(receiver.url, slowAndFast);
    await lane.put(...many('slow', 300));
    await receiver.received(5);
    for (let count = 1; count <= 5; count += 1) {
      await lane.put(of('fast', `user${count}`));
      await lane.seen('notification-delivered', count);
    }
  });

  it('one that was well and alone has all workers, and when it hangs has half of them after the time limit', async () => {
    const receiver = await testReceiver();
    const lane = await openLane(receiver.url, slowAndFast);
    await lane.put(of('slow', 'first'));
    await lane.seen('notification-delivered');
    receiver.respondWith(hangsOnSlow);
    await lane.put(...many('slow', 30));
    await receiver.received(11);
    expect(lane.outbox.counts().inFlight).toBe(10);
    await lane.put(...many('fast', 3));
    lane.clock.advance(2000);
    await lane.seen('notification-delivered', 4);
    for (let count = 1; count <= 5; count += 1) {
      lane.clock.advance(800);
      expect(lane.outbox.counts().inFlight).toBeLessThanOrEqual(5);
      await lane.put(of('fast', `later${count}`));
      await lane.seen('notification-delivered', 4 + count);
    }
  });

  it('have turns if there is one worker', async () => {
    const receiver = await testReceiver({ respond: hangsOnSlow });
    const lane = await openLane(receiver.url, { ...slowAndFast, workers: 1 });
    await lane.put(...many('slow', 2), ...many('fast', 2));
    await receiver.received(1);
    lane.clock.advance(2000);
    await lane.seen('notification-delivered', 2);
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/slow', '/fast', '/fast']);
    lane.clock.advance(100);
    await receiver.received(4);
    expect(receiver.requests[3]?.path).toBe('/slow');
  });

  it('have turns in fairness while both are well, whoever has more waiting', async () => {
    const receiver = await testReceiver();
    const lane = await openLane(receiver.url, { ...slowAndFast, workers: 1 });
    await lane.put(...many('slow', 50), ...many('fast', 3));
    await lane.seen('notification-delivered', 53);
    const paths = receiver.requests.map(({ path }) => path);
    expect(paths.slice(0, 7).filter((path) => path === '/fast')).toHaveLength(3);
  });

  it.each(['sender', 'strict'] as const)(
    'a sender whose notification hangs in one is held up in that one only, with order: %s',
    async (order) => {
      const receiver = await testReceiver({ respond: hangsOnSlow });
      const lane = await openLane(receiver.url, { ...slowAndFast, retry: { order } });
      await lane.put(of('slow', 'alice', 1), of('slow', 'alice', 2));
      await receiver.received(1);
      await lane.put(...[1, 2, 3, 4].map((number) => of('fast', 'alice', number)));
      await lane.seen('notification-delivered', 4);
      expect(receiver.requests.map(idOf)).toEqual([
        'slow-alice-1',
        'fast-alice-1',
        'fast-alice-2',
        'fast-alice-3',
        'fast-alice-4',
      ]);
    },
  );

  it('one whose path resets every connection pauses alone', async () => {
    const receiver = await testReceiver({
      respond: (request, response) => {
        if (request.path === '/slow') response.socket!.resetAndDestroy();
        else response.writeHead(204).end();
      },
    });
    const lane = await openLane(receiver.url, { ...slowAndFast, workers: 2 });
    await lane.put(...many('slow', 50), ...many('fast', 50));
    await lane.seen('notification-delivered', 50);
    expect(lane.ledger.entry('fast').delivered).toBe(50);
  });
});

describe('a receiver that takes 20 a second and refuses the rest with 429 and Retry-After: 2', () => {
  it('gets what it takes, and few requests beside', async () => {
    const receiver = await testReceiver();
    const lane = await openLane(receiver.url);
    const taken = new Map<number, number>();
    let refused = 0;
    receiver.respondWith((_request, response) => {
      const second = Math.floor(lane.clock.monotonic() / 1000);
      const count = (taken.get(second) ?? 0) + 1;
      taken.set(second, count);
      if (count <= 20) return response.writeHead(204).end();
      refused += 1;
      return response.writeHead(429, { 'retry-after': '2' }).end();
    });
    await lane.put(...many('chats', 500));
    await quiet(lane);
    for (let step = 1; step < 120; step += 1) {
      lane.clock.advance(100);
      await quiet(lane);
    }
    const delivered = deliveredOf(lane, 'chats');
    expect(delivered).toBeGreaterThanOrEqual(6 * 20);
    expect(refused).toBeLessThan(delivered);
  });

  it('is left alone until then, whoever else has something for it, and then gets one request', async () => {
    const waiting: (() => void)[] = [];
    let status = 429;
    const receiver = await testReceiver({
      respond: (_request, response) => {
        const headers = status === 429 ? { 'retry-after': '2' } : {};
        if (status === 429) response.writeHead(status, headers).end();
        else waiting.push(() => response.writeHead(status).end());
      },
    });
    const lane = await openLane(receiver.url);
    await lane.put(of('chats', 'alice'));
    await lane.seen('notification-retried');
    status = 204;
    await lane.put(...many('chats', 30));
    lane.clock.advance(1999);
    expect(lane.outbox.counts()).toMatchObject({ waiting: 31, inFlight: 0 });
    lane.clock.advance(1);
    await receiver.received(2);
    expect(receiver.requests.map(idOf)).toEqual(['chats-alice-1', 'chats-alice-1']);
    for (const [index, expected] of [1, 1, 2, 4, 8, 10].entries()) {
      expect(lane.outbox.counts().inFlight, `step ${index}`).toBe(expected);
      if (index === 5) break;
      const before = deliveredOf(lane, 'chats');
      for (const respond of waiting.splice(0)) respond();
      await lane.seen('notification-delivered', before + expected);
      await receiver.received(1 + before + expected + ([1, 2, 4, 8, 10][index] ?? 0));
    }
    for (const respond of waiting.splice(0)) respond();
    receiver.respondWith(204);
    await lane.seen('notification-delivered', 31);
  });

  it('does not rest for another backend', async () => {
    const receiver = await testReceiver({
      respond: (request, response) => {
        if (request.path === '/fast') response.writeHead(204).end();
        else response.writeHead(503, { 'retry-after': '2' }).end();
      },
    });
    const lane = await openLane(receiver.url, slowAndFast);
    await lane.put(of('slow', 'alice'));
    await lane.seen('notification-retried');
    await lane.put(of('fast', 'alice'));
    await lane.seen('notification-delivered');
  });
});

/** One that refuses connections until it comes back at the same port. */
async function receiverThatIsDown(): Promise<{ port: number; comeBack: () => Promise<Receiver> }> {
  const before = await startReceiver();
  await before.stop();
  const { port } = before;
  return {
    port,
    comeBack: async () => {
      const receiver = await startReceiver({ port });
      onTestFinished(() => receiver.stop());
      return receiver;
    },
  };
}

/** A second each time: a notification of one sender comes. */
async function sendEachSecond(lane: Lane, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number += 1) {
    await lane.put(of('chats', 'alice', number));
    await quiet(lane);
    lane.clock.advance(1000);
    await quiet(lane);
  }
}

const numbersOf = (requests: readonly ReceivedRequest[]): number[] =>
  requests.map((request) => Number(idOf(request).split('-')[2]));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('a receiver that was down for 45 seconds, with one sender and one notification a second', () => {
  it.each(['sender', 'strict'] as const)(
    'gets all of them in order as soon as it is back, if it refused connections (order: %s)',
    async (order) => {
      const { port, comeBack } = await receiverThatIsDown();
      const lane = await openLane(`http://127.0.0.1:${port}`, { retry: { order } });
      await sendEachSecond(lane, 1, 45);
      const receiver = await comeBack();
      await lane.put(of('chats', 'alice', 46));
      lane.clock.advance(800);
      await lane.seen('notification-delivered', 46);
      expect(numbersOf(receiver.requests)).toEqual(upTo(46));
    },
  );

  it.each(['sender', 'strict'] as const)(
    'gets all of them in order as soon as it is well, if it responded with 503 (order: %s)',
    async (order) => {
      const receiver = await testReceiver({ respond: 503 });
      const lane = await openLane(receiver.url, { retry: { order } });
      await sendEachSecond(lane, 1, 45);
      const before = receiver.requests.length;
      // Each of the ten workers pauses for 0.8 s after a failure.
      expect(before).toBeLessThan(45 * 13);
      receiver.respondWith(204);
      await lane.put(of('chats', 'alice', 46));
      lane.clock.advance(800);
      await lane.seen('notification-delivered', 46);
      expect(numbersOf(receiver.requests.slice(before))).toEqual(upTo(46));
    },
  );

  it('gets what it can take though the oldest one is never taken', async () => {
    const receiver = await testReceiver({ respond: 503 });
    const lane = await openLane(receiver.url);
    await sendEachSecond(lane, 1, 20);
    receiver.respondWith((request, response) => {
      response.writeHead(idOf(request) === 'chats-alice-1' ? 500 : 204).end();
    });
    await lane.put(of('chats', 'alice', 21));
    lane.clock.advance(800);
    await lane.seen('notification-delivered', 20);
    expect(lane.outbox.counts()).toMatchObject({ waiting: 1, inFlight: 0 });
  });
});

describe('a receiver that was down while hundreds of senders had something for it', () => {
  it('gets all of it as soon as it is back, without another wait, the oldest first', async () => {
    const { port, comeBack } = await receiverThatIsDown();
    const lane = await openLane(`http://127.0.0.1:${port}`);
    for (let second = 0; second < 30; second += 1) {
      await lane.put(...many('chats', 10, 10 * second));
      await quiet(lane);
      lane.clock.advance(1000);
      await quiet(lane);
    }
    const receiver = await comeBack();
    await lane.put(of('chats', 'last'));
    lane.clock.advance(800);
    await lane.seen('notification-delivered', 301);
    // Ten at a time at most may change places on their way.
    const users = receiver.requests.map((request) => Number(/user(\d+)/.exec(idOf(request))?.[1] ?? 300));
    const misplaced = users.slice(1).filter((user, index) => Math.abs(user - index) > 20);
    expect(misplaced.length, `${users.join(' ')}`).toBeLessThan(10);
  });
});
