import { describe, expect, it } from 'vitest';
import type { Notification } from '../../src/core/delivery.ts';
import { ManualClock } from '../support/clock.ts';
import { closedPort } from '../support/closed-port.ts';
import type { ReceivedRequest, Respond } from '../support/receiver.ts';
import { notification } from '../support/notification.ts';
import { testReceiver } from './pool.ts';
import { openLane } from './lane.ts';

const from = (sender: string, number = 1): Notification =>
  notification({ id: `${sender}${number}`, sender: `${sender}@example.com` });
const idOf = (request: ReceivedRequest): string => String(request.headers['webhook-id']);

/** Does not respond until it is told to. */
function held() {
  const waiting = new Map<string, () => void>();
  const respond: Respond = (request, response) => {
    waiting.set(idOf(request), () => response.writeHead(204).end());
  };
  const release = (id: string): void => {
    waiting.get(id)?.();
    waiting.delete(id);
  };
  return { respond, release, waiting };
}

describe('the dispatcher', () => {
  it('delivers everything, each once, and counts it', async () => {
    const receiver = await testReceiver();
    const lane = await openLane(receiver.url, { workers: 4 });
    const ids = ['alice', 'bob', 'carol'].flatMap((sender) =>
      [1, 2, 3, 4, 5].map((number) => from(sender, number)),
    );
    await lane.put(...ids);
    await lane.outbox.drained();
    await lane.seen('notification-delivered', ids.length);
    expect(receiver.requests.map(idOf).toSorted()).toEqual(ids.map(({ id }) => id).toSorted());
    expect(lane.ledger.entry('chats')).toEqual({ accepted: 15, delivered: 15, dead: 0, dropped: 0 });
    const senders = (sender: string): string[] =>
      receiver.requests.map(idOf).filter((id) => id.startsWith(sender));
    expect(senders('alice')).toEqual(['alice1', 'alice2', 'alice3', 'alice4', 'alice5']);
  });

  it('tries again what was not taken, when it is due, under the same webhook-id', async () => {
    const receiver = await testReceiver({ respond: 503 });
    const lane = await openLane(receiver.url);
    await lane.put(from('alice'));
    const facts = { receiver: `127.0.0.1:${receiver.port}`, number: 1, ageMs: 0 };
    expect(await lane.seen('notification-retried')).toMatchObject({
      afterMs: 500,
      attempt: { status: 503 },
      facts,
    });
    lane.clock.advance(500);
    expect(await lane.seen('notification-retried', 2)).toMatchObject({
      afterMs: 1000,
      facts: { ...facts, number: 2, ageMs: 500 },
    });
    receiver.respondWith(204);
    lane.clock.advance(1000);
    await lane.seen('notification-delivered');
    expect(receiver.requests.map(idOf)).toEqual(['alice1', 'alice1', 'alice1']);
    expect(new Set(receiver.requests.map(({ body }) => body)).size).toBe(1);
    expect(lane.ledger.entry('chats')).toEqual({ accepted: 1, delivered: 1, dead: 0, dropped: 0 });
  });

  it('keeps the place of an attempt that got no response taken for a while, and none after a response', async () => {
    const responses = [204, 500, 404, 'reset', 204] as const;
    let count = 0;
    const receiver = await testReceiver({
      respond: (_request, response) => {
        const next = responses[count++]!;
        if (next === 'reset') response.socket!.resetAndDestroy();
        else response.writeHead(next).end();
      },
    });
    const lane = await openLane(receiver.url, { workers: 1, retry: { order: 'none' } });
    await lane.put(...[1, 2, 3, 4].map((number) => from('alice', number)));
    // The last one's kept connection is reset, so it is sent once more at once, and gets a response.
    await lane.seen('attempt-made', 5);
    const dead = await openLane(`http://127.0.0.1:${await closedPort()}`, { workers: 1 });
    await dead.put(from('alice'), from('bob'));
    await dead.seen('notification-retried');
    expect(dead.outbox.counts()).toMatchObject({ waiting: 2, inFlight: 0 });
    dead.clock.advance(49);
    expect(dead.outbox.counts()).toMatchObject({ waiting: 2, inFlight: 0 });
    dead.clock.advance(1);
    expect(dead.outbox.counts()).toMatchObject({ waiting: 1, inFlight: 1 });
    await dead.seen('notification-retried', 2);
  });

  it('keeps a place taken twice as long each time while responses are larger than what is read, and then 50 ms again', async () => {
    const sizes = [1, 1, 1, 1, 1, 1, 0, 1, 0].map((more) => 64 * 1024 + more);
    let count = 0;
    const receiver = await testReceiver({
      respond: (_request, response) => response.writeHead(200).end(Buffer.alloc(sizes[count++]!)),
    });
    const lane = await openLane(receiver.url, { workers: 1 });
    await lane.put(...sizes.map((_, number) => from('alice', number)));
    const pauses = [50, 100, 200, 400, 800, 800, 0, 50];
    for (const [index, pauseMs] of pauses.entries()) {
      await lane.seen('notification-delivered', index + 1);
      if (pauseMs === 0) continue;
      lane.clock.advance(pauseMs - 1);
      expect(lane.outbox.counts().inFlight, `before ${pauseMs} ms are over`).toBe(0);
      lane.clock.advance(1);
      expect(lane.outbox.counts().inFlight, `after ${pauseMs} ms`).toBe(1);
    }
    await lane.seen('notification-delivered', sizes.length);
  });

  it('waits as long as the receiver asks for', async () => {
    const receiver = await testReceiver({
      respond: (_request, response) => response.writeHead(429, { 'retry-after': '77' }).end(),
    });
    const lane = await openLane(receiver.url);
    await lane.put(from('alice'));
    expect(await lane.seen('notification-retried')).toMatchObject({ afterMs: 77_000, cause: 'retry-after' });
  });

  it('gives up at once what the receiver rejects', async () => {
    const receiver = await testReceiver({ respond: 410 });
    const lane = await openLane(receiver.url);
    await lane.put(from('alice'));
    expect(await lane.seen('notification-dead')).toMatchObject({
      reason: 'rejected',
      attempt: { status: 410 },
      facts: { receiver: `127.0.0.1:${receiver.port}`, number: 1, ageMs: 0 },
    });
    await lane.outbox.drained();
    expect(lane.ledger.entry('chats')).toEqual({ accepted: 1, delivered: 0, dead: 1, dropped: 0 });
    expect(receiver.requests).toHaveLength(1);
  });

  it('gives up at max_age, with a last attempt then', async () => {
    const lane = await openLane(`http://127.0.0.1:${await closedPort()}`, { retry: { maxAgeMs: 1200 } });
    await lane.put(from('alice'));
    const waits: number[] = [];
    for (let count = 1; count <= 2; count += 1) {
      const { afterMs } = await lane.seen('notification-retried', count);
      waits.push(afterMs);
      lane.clock.advance(afterMs);
    }
    expect(await lane.seen('notification-dead')).toMatchObject({
      reason: 'expired',
      attempt: { outcome: 'refused' },
    });
    expect(waits).toEqual([500, 700]);
    expect(lane.ledger.entry('chats')).toEqual({ accepted: 1, delivered: 0, dead: 1, dropped: 0 });
  });

  it("keeps a sender's next back until the one before has a response, and others not", async () => {
    const { respond, release } = held();
    const receiver = await testReceiver({ respond });
    const lane = await openLane(receiver.url);
    await lane.put(from('alice', 1), from('alice', 2), from('bob', 1), from('carol', 1));
    await receiver.received(3);
    expect(receiver.requests.map(idOf).toSorted()).toEqual(['alice1', 'bob1', 'carol1']);
    release('bob1');
    release('carol1');
    await lane.seen('notification-delivered', 2);
    await lane.put(from('dave', 1));
    await receiver.received(4);
    expect(receiver.requests.map(idOf)).not.toContain('alice2');
    release('alice1');
    await receiver.received(5);
    expect(idOf(receiver.requests[4]!)).toBe('alice2');
  });

  it('has never more under way than the pool has workers', async () => {
    const { respond, release, waiting } = held();
    const receiver = await testReceiver({ respond });
    const lane = await openLane(receiver.url, { workers: 3 });
    const senders = Array.from({ length: 9 }, (_, index) => `sender${index}x`);
    await lane.put(...senders.map((sender) => from(sender)));
    for (let count = 3; count <= 9; count += 1) {
      await receiver.received(count);
      expect(lane.outbox.counts()).toMatchObject({ inFlight: 3, waiting: 9 - count });
      expect(waiting.size).toBe(3);
      const [first] = waiting.keys();
      release(first!);
    }
    expect(receiver.mostConnections).toBe(3);
  });

  it('ends when leasing is stopped, once what is in flight has its response', async () => {
    const { respond, release } = held();
    const receiver = await testReceiver({ respond });
    const lane = await openLane(receiver.url, { workers: 2 });
    await lane.put(from('alice'), from('bob'), from('carol'));
    await receiver.received(2);
    const events: string[] = [];
    const ended = lane.ended.then(() => events.push('ended'));
    lane.outbox.stopLeasing();
    events.push('stopped');
    release('alice1');
    await lane.seen('notification-delivered', 1);
    events.push('one delivered');
    release('bob1');
    await ended;
    expect(events).toEqual(['stopped', 'one delivered', 'ended']);
    expect(lane.outbox.counts()).toMatchObject({ waiting: 1, inFlight: 0 });
    expect(lane.ledger.entry('chats')).toEqual({ accepted: 3, delivered: 2, dead: 0, dropped: 0 });
  });
});

describe('two pools', () => {
  it('one that does not respond does not delay the other', async () => {
    const { respond, release, waiting } = held();
    const slow = await testReceiver({ respond });
    const quick = await testReceiver();
    const slowLane = await openLane(slow.url, { workers: 2 });
    const quickLane = await openLane(quick.url, { workers: 2 });
    const senders = Array.from({ length: 20 }, (_, index) => `sender${index}x`);
    await slowLane.put(...senders.map((sender) => from(sender)));
    await slow.received(2);
    await quickLane.put(...senders.map((sender) => from(sender)));
    await quickLane.seen('notification-delivered', 20);
    expect(slowLane.observations.filter(({ kind }) => kind !== 'notification-accepted')).toEqual([]);
    expect(slowLane.outbox.counts()).toMatchObject({ inFlight: 2, waiting: 18 });
    for (const id of waiting.keys()) release(id);
    await slowLane.seen('notification-delivered', 2);
  });

  it('one whose receiver is dead does not delay the other', async () => {
    const clock = new ManualClock();
    const quick = await testReceiver();
    const deadLane = await openLane(`http://127.0.0.1:${await closedPort()}`, { clock });
    const quickLane = await openLane(quick.url, { clock });
    const senders = Array.from({ length: 20 }, (_, index) => `sender${index}x`);
    await deadLane.put(...senders.map((sender) => from(sender)));
    await deadLane.seen('notification-retried', 10);
    clock.advance(50);
    await deadLane.seen('notification-retried', 20);
    await quickLane.put(...senders.map((sender) => from(sender)));
    await quickLane.seen('notification-delivered', 20);
    expect(deadLane.outbox.counts()).toMatchObject({ inFlight: 0, waiting: 20 });
    clock.advance(800);
    await deadLane.seen('notification-retried', 30);
    clock.advance(800);
    await deadLane.seen('notification-retried', 40);
    await quickLane.put(from('erin'));
    await quickLane.seen('notification-delivered', 21);
  });
});
