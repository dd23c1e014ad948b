import { describe, expect, it } from 'vitest';
import type { Notification } from '../../src/core/delivery.ts';
import type { Batch } from '../../src/delivery/dispatcher.ts';
import { notification } from '../support/notification.ts';
import type { ReceivedRequest, Respond } from '../support/receiver.ts';
import { openLane } from './lane.ts';
import { testReceiver } from './pool.ts';

/** One request of up to three notifications: their ids are its body. */
const batch: Batch = {
  most: 3,
  combine: (notifications) => ({
    ...notifications[0]!,
    id: `batch-of-${notifications.map(({ id }) => id).join('+')}`,
    path: '/batches',
    body: notifications.map(({ id }) => id).join(' '),
  }),
};

const from = (sender: string): Notification => notification({ id: sender, sender: `${sender}@example.com` });

/**
 * A lane of one worker with alice's, bob's and carol's notifications in one POST, which the receiver holds; how long bob's
 * has waited already may be given.
 */
async function threeInOnePost({ retry = {}, headStartMs = 0 } = {}) {
  const held: (() => void)[] = [];
  let status = 204;
  const hold: Respond = (_request, response) => held.push(() => response.writeHead(status).end());
  const receiver = await testReceiver({ respond: hold });
  const lane = await openLane(receiver.url, { workers: 1, retry, batch });
  // While the only worker is busy, the three wait together.
  await lane.put(from('first'));
  await receiver.received(1);
  await lane.put(from('bob'));
  lane.clock.advance(headStartMs);
  await lane.put(from('alice'), from('carol'));
  const respond = (next: number): void => {
    status = next;
    held.shift()!();
  };
  respond(204);
  await receiver.received(2);
  return { lane, receiver, respond };
}

const idsOf = ({ body }: ReceivedRequest): string[] => body.split(' ').toSorted();
const three = ['alice', 'bob', 'carol'];

describe('one POST that carries three notifications', () => {
  it('is one request with one webhook-id, and takes the place of one worker', async () => {
    const { lane, receiver, respond } = await threeInOnePost();
    const { headers, path, ...request } = receiver.requests[1]!;
    expect(idsOf(request as ReceivedRequest)).toEqual(three);
    expect(path).toBe('/batches');
    expect(headers['webhook-id']).toMatch(/^batch-of-/);
    expect(lane.outbox.counts()).toMatchObject({ inFlight: 3, waiting: 0 });
    respond(204);
    await lane.seen('notification-delivered', 4);
    expect(receiver.requests).toHaveLength(2);
    expect(lane.observations.filter(({ kind }) => kind === 'attempt-made')).toHaveLength(2);
  });

  it('gives each its verdict: after a retry all come again together, and all are delivered', async () => {
    const { lane, receiver, respond } = await threeInOnePost();
    respond(503);
    const retried = await lane.seenAll('notification-retried', 3);
    expect(retried.map(({ notification: { id } }) => id).toSorted()).toEqual(three);
    for (const each of retried) {
      expect(each).toMatchObject({ afterMs: 500, cause: 'back-off', facts: { number: 1 } });
    }
    lane.clock.advance(500);
    await receiver.received(3);
    expect(idsOf(receiver.requests[2]!)).toEqual(three);
    respond(204);
    await lane.seen('notification-delivered', 4);
    expect(lane.ledger.entry('chats')).toEqual({ accepted: 4, delivered: 4, dead: 0, dropped: 0 });
  });

  it('gives each its verdict: what the receiver rejects is dead, each by itself', async () => {
    const { lane, respond } = await threeInOnePost();
    respond(410);
    const dead = await lane.seenAll('notification-dead', 3);
    expect(dead.map(({ notification: { id } }) => id).toSorted()).toEqual(three);
    for (const each of dead) expect(each).toMatchObject({ reason: 'rejected', facts: { number: 1 } });
    expect(lane.ledger.entry('chats')).toEqual({ accepted: 4, delivered: 1, dead: 3, dropped: 0 });
  });

  it('gives each its verdict: the one that is too old is dead, and the others are tried again', async () => {
    const { lane, receiver, respond } = await threeInOnePost({
      retry: { maxAgeMs: 1000 },
      headStartMs: 1000,
    });
    respond(503);
    expect(await lane.seen('notification-dead')).toMatchObject({
      notification: { id: 'bob' },
      reason: 'expired',
      facts: { ageMs: 1000 },
    });
    await lane.seen('notification-retried', 2);
    lane.clock.advance(500);
    await receiver.received(3);
    expect(idsOf(receiver.requests[2]!)).toEqual(['alice', 'carol']);
    respond(204);
    await lane.seen('notification-delivered', 3);
    expect(lane.ledger.entry('chats')).toEqual({ accepted: 4, delivered: 3, dead: 1, dropped: 0 });
  });
});
