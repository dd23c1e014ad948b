import { describe, expect, it } from 'vitest';
import { Turns, type Waiting } from '../../src/outbox/turns.ts';

interface Item extends Waiting<Item> {
  readonly name: string;
}

let made = 0;

function item(sender: string, name: string): Item {
  made += 1;
  return {
    key: made,
    sender,
    name,
    dueAtMs: 0,
    heapIndex: -1,
    previous: undefined,
    next: undefined,
  };
}

describe('turns of more senders than are kept without use', () => {
  it('go on in order, while the queues of those that have nothing left are let go', () => {
    const turns = new Turns<Item>('sender');
    const out = item('slow', 'slow 1');
    turns.add(out);
    expect(turns.take()).toBe(out);
    turns.add(item('slow', 'slow 2'));
    for (let sender = 0; sender < 5000; sender += 1) {
      const only = item(`sender${sender}`, 'only');
      turns.add(only);
      expect(turns.take()).toBe(only);
      turns.end(only);
    }
    expect(turns.take(), 'the second one of a sender that has one out').toBeUndefined();
    for (const sender of ['sender1', 'sender2', 'sender1']) turns.add(item(sender, `${sender} again`));
    const [first, second] = [turns.take()!, turns.take()!];
    expect([first.sender, second.sender]).toEqual(['sender1', 'sender2']);
    expect(turns.take(), 'the second one of a sender that has one out').toBeUndefined();
    turns.end(first);
    expect(turns.take()?.sender).toBe('sender1');
    turns.end(out);
    expect(turns.take()?.name).toBe('slow 2');
  });
});

describe('those that waited aside and come due at once', () => {
  it('have their turns from the oldest to the youngest, be they hundreds of thousands of one sender', () => {
    const turns = new Turns<Item>('sender');
    const count = 200_000;
    const items = Array.from({ length: count }, (_, index) => item('alice', `${index}`));
    for (const [index, one] of items.entries()) turns.addAside(one, 1 + ((index * 7919) % 1000));
    for (const nowMs of [1, 300, 1000]) turns.comeDue(nowMs);
    for (const expected of items) {
      const taken = turns.take();
      if (taken !== expected) throw new Error(`${taken?.name} instead of ${expected.name}`);
      turns.end(taken);
    }
    expect(turns.take()).toBeUndefined();
  });

  it('come with those that are not due yet when all are released, and the sender with the oldest comes first', () => {
    const turns = new Turns<Item>('sender');
    const [a1, b1, a2, c1] = [item('a', 'a1'), item('b', 'b1'), item('a', 'a2'), item('c', 'c1')];
    turns.add(c1);
    turns.addAside(b1, 10);
    turns.addAside(a2, 5);
    turns.addAside(a1, 2000);
    turns.comeDue(10);
    turns.release();
    const names: string[] = [];
    for (let next = turns.take(); next !== undefined; next = turns.take()) {
      names.push(next.name);
      turns.end(next);
    }
    expect(names).toEqual(['a1', 'b1', 'c1', 'a2']);
  });
});

/** An item that counts how often it is compared with others. */
function counted(sender: string, onLook: () => void): Item {
  const made = item(sender, '');
  const { key } = made;
  return Object.defineProperty(made, 'key', {
    get: () => {
      onLook();
      return key;
    },
  });
}

describe('many that wait aside', () => {
  const count = 20_000;

  it.each([
    { how: 'come due at once', senders: 1 },
    { how: 'come due at once', senders: 100 },
    { how: 'are released', senders: 1 },
    { how: 'are released', senders: 100 },
  ])('$how in a time that grows as their number does (senders: $senders)', ({ how, senders }) => {
    const turns = new Turns<Item>('sender');
    let looks = 0;
    const items = Array.from({ length: count }, (_, index) =>
      counted(`sender${index % senders}`, () => (looks += 1)),
    );
    for (const [index, one] of items.entries()) turns.addAside(one, 1 + ((index * 7919) % count));
    looks = 0;
    if (how === 'are released') turns.release();
    else turns.comeDue(count / 2);
    const back = items.filter((one) => one.heapIndex === -1);
    expect(back.length).toBe(how === 'are released' ? count : count / 2);
    expect(looks / count, 'comparisons for each').toBeLessThan(6);
    for (let next = turns.take(); next !== undefined; next = turns.take()) {
      const expected = back.shift();
      if (senders === 1 || how === 'are released') expect(next).toBe(expected);
      turns.end(next);
    }
    turns.comeDue(count);
    let left = 0;
    for (let next = turns.take(); next !== undefined; next = turns.take()) {
      left += 1;
      turns.end(next);
    }
    expect(left).toBe(how === 'are released' ? 0 : count / 2);
  });
});
