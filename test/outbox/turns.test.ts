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
