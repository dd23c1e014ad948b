import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeliveryOrder } from '../../src/core/retry-policy.ts';
import { allow } from '../support/limits.ts';
import { Turns, type Waiting } from '../../src/outbox/local/turns.ts';

allow('manyCases');

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

/** Turns whose steps in the life of a record are of no concern. */
function openTurns(): Turns<Item> {
  return new Turns<Item>('sender', () => undefined);
}

describe('turns of more senders than are kept without use', () => {
  it('go on in order, while the queues of those that have nothing left are let go', () => {
    const turns = openTurns();
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
    const turns = openTurns();
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
    const turns = openTurns();
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
    const turns = openTurns();
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

const orders = ['sender', 'strict', 'none'] as const satisfies readonly DeliveryOrder[];

/** What the model knows of an item. */
interface Known {
  readonly item: Item;
  state: 'queued' | 'aside' | 'out' | 'gone';
  dueAtMs: number;
}

const byKey = (a: Known, b: Known): number => a.item.key - b.item.key;

/** The rules as plainly as they can be said, for a handful of items: every question is a search through all of them. */
class Model {
  readonly known: Known[] = [];
  readonly #order: DeliveryOrder;
  /** With order `none`: what waits, in the order in which it goes out. */
  #row: Known[] = [];
  /** Of those who may send next: the lowest goes first, and among equals either. */
  #ranks = new Map<string, number>();
  #steps = 0;
  /** Senders whose last turn was their oldest one's, though it was not due. */
  readonly #hadOldest = new Set<string>();

  constructor(order: DeliveryOrder) {
    this.#order = order;
  }

  of(state: Known['state'], sender?: string): Known[] {
    const isOne = (one: Known): boolean =>
      one.state === state && (sender === undefined || one.item.sender === sender);
    return this.known.filter(isOne).sort(byKey);
  }

  isReady(): boolean {
    return this.#order === 'none' ? this.#row.length > 0 : this.#ranks.size > 0;
  }

  nextDueAtMs(): number | undefined {
    const due = this.of('aside').map(({ dueAtMs }) => dueAtMs);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  add(item: Item, isAway: boolean): void {
    const one: Known = { item, state: 'queued', dueAtMs: 0 };
    this.known.push(one);
    this.#row.push(one);
    const held = this.of('aside', item.sender)[0];
    if (isAway && held !== undefined && this.#isHeld(item.sender)) held.state = 'queued';
    this.#rank();
  }

  addAside(item: Item, dueAtMs: number): void {
    this.known.push({ item, state: 'aside', dueAtMs });
    this.#rank();
  }

  comeDue(nowMs: number, isResting: boolean): void {
    const back = this.of('aside').filter(({ dueAtMs }) => dueAtMs <= nowMs);
    for (const one of back) one.state = 'queued';
    this.#row = [...back, ...this.#row];
    this.#rank();
    if (!isResting) return;
    const senders = [...new Set(back.map(({ item }) => item.sender))].filter((sender) =>
      this.#ranks.has(sender),
    );
    this.#rankFirst(senders.sort((a, b) => this.#nextKey(a) - this.#nextKey(b)));
  }

  /** What may be taken now, of each sender who may be next. */
  candidates(isAway: boolean): Known[] {
    if (this.#order === 'none') return this.#row.slice(0, 1);
    const first = Math.min(...this.#ranks.values());
    const senders = [...this.#ranks].filter(([, rank]) => rank === first).map(([sender]) => sender);
    return senders.map((sender) => this.#oldestTried(sender, isAway) ?? this.of('queued', sender)[0]!);
  }

  take(one: Known, isAway: boolean): void {
    const { sender } = one.item;
    if (this.#order !== 'none' && this.#oldestTried(sender, isAway) === one) this.#hadOldest.add(sender);
    else this.#hadOldest.delete(sender);
    this.#row = this.#row.filter((other) => other !== one);
    // One that was tried before it was due waits aside again if it is given back.
    if (one.state === 'queued') one.dueAtMs = 0;
    one.state = 'out';
    this.#rank();
  }

  end(one: Known): void {
    one.state = 'gone';
    this.#rank();
  }

  putAside(one: Known, dueAtMs: number): void {
    one.state = 'aside';
    one.dueAtMs = dueAtMs;
    this.#rank();
  }

  giveBack(one: Known): void {
    const { sender } = one.item;
    one.state = one.dueAtMs > 0 ? 'aside' : 'queued';
    if (one.state === 'aside') {
      this.#hadOldest.delete(sender);
      return this.#rank();
    }
    this.#row.unshift(one);
    this.#rank();
    if (this.#ranks.has(sender)) this.#rankFirst([sender]);
  }

  remove(one: Known): void {
    this.#row = this.#row.filter((other) => other !== one);
    this.end(one);
  }

  release(): void {
    for (const one of this.of('aside')) {
      one.state = 'queued';
      const place = this.#row.findIndex((other) => other.item.key > one.item.key);
      this.#row.splice(place === -1 ? this.#row.length : place, 0, one);
    }
    this.#rank();
    for (const sender of this.#ranks.keys()) this.#ranks.set(sender, this.#nextKey(sender));
    this.#steps = made;
  }

  #oldestTried(sender: string, isAway: boolean): Known | undefined {
    if (!isAway || this.#order !== 'sender' || this.#hadOldest.has(sender)) return undefined;
    const [oldest] = this.of('aside', sender);
    return oldest !== undefined && oldest.item.key < this.#nextKey(sender) ? oldest : undefined;
  }

  #nextKey(sender: string): number {
    return this.of('queued', sender)[0]?.item.key ?? Infinity;
  }

  #isHeld(sender: string): boolean {
    const [oldest] = this.of('aside', sender);
    return this.#order === 'strict' && oldest !== undefined && oldest.item.key < this.#nextKey(sender);
  }

  /** Who may send now and could not before comes behind all others. */
  #rank(): void {
    this.#steps += 1;
    const senders = new Set(this.of('queued').map(({ item }) => item.sender));
    const ready = [...senders].filter((one) => this.of('out', one).length === 0 && !this.#isHeld(one));
    this.#ranks = new Map(ready.map((sender) => [sender, this.#ranks.get(sender) ?? this.#steps]));
  }

  #rankFirst(senders: readonly string[]): void {
    const first = Math.min(...this.#ranks.values());
    for (const [index, sender] of senders.entries()) this.#ranks.set(sender, first - senders.length + index);
  }
}

const anySender = fc.constantFrom('alice', 'bob', 'carol');
const anyMs = fc.integer({ min: 1, max: 50 });
const anyStep = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('add' as const), sender: anySender, isAway: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('addAside' as const), sender: anySender, ms: anyMs }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('take' as const), isAway: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), nth: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('putAside' as const), nth: fc.nat(9), ms: anyMs }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('giveBack' as const), nth: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), nth: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('comeDue' as const), ms: anyMs, isResting: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
);

type Step = typeof anyStep extends fc.Arbitrary<infer One> ? One : never;

/** Turns beside the model of them. */
class Compared {
  readonly #model: Model;
  readonly #turns: Turns<Item>;
  readonly #told = new Map<Item, string>();
  #nowMs = 0;

  constructor(order: DeliveryOrder) {
    this.#model = new Model(order);
    this.#turns = new Turns<Item>(order, (one, to) => void this.#told.set(one, to));
  }

  do(step: Step): void {
    this.#do(step);
    expect(this.#turns.isReady, "whether it is anybody's turn").toBe(this.#model.isReady());
    expect(this.#turns.nextDueAtMs, 'when the next one is due').toBe(this.#model.nextDueAtMs());
    for (const { item: one, state } of this.#model.known) {
      if (state === 'queued' || state === 'aside') expect(this.#told.get(one), one.name).toBe(state);
    }
  }

  /** Everything that is left goes out, in the order of the model. */
  finish(): void {
    for (const one of this.#model.of('out')) this.#end(one);
    for (let left = this.#model.known.length; left > 0; left -= 1) {
      this.do({ do: 'comeDue', ms: 1000, isResting: false });
      this.do({ do: 'take', isAway: false });
      for (const one of this.#model.of('out')) this.#end(one);
    }
    expect(
      this.#model.known.filter(({ state }) => state !== 'gone').map(({ item: { name } }) => name),
    ).toEqual([]);
  }

  #end(one: Known): void {
    this.#turns.end(one.item);
    this.#model.end(one);
  }

  #do(step: Step): void {
    if (step.do === 'add') return this.#add(step.sender, step.isAway);
    if (step.do === 'take') return this.#take(step.isAway);
    if (step.do === 'addAside') {
      const one = item(step.sender, `${step.sender} ${made + 1}`);
      this.#told.set(one, 'aside');
      this.#turns.addAside(one, this.#nowMs + step.ms);
      return this.#model.addAside(one, this.#nowMs + step.ms);
    }
    if (step.do === 'comeDue') {
      this.#nowMs += step.ms;
      this.#turns.comeDue(this.#nowMs, step.isResting);
      return this.#model.comeDue(this.#nowMs, step.isResting);
    }
    if (step.do === 'release') {
      this.#turns.release();
      return this.#model.release();
    }
    return this.#withOne(step);
  }

  #add(sender: string, isAway: boolean): void {
    const one = item(sender, `${sender} ${made + 1}`);
    this.#told.set(one, 'queued');
    this.#turns.add(one, isAway);
    this.#model.add(one, isAway);
  }

  #take(isAway: boolean): void {
    const taken = this.#turns.take(isAway);
    const candidates = this.#model.isReady() ? this.#model.candidates(isAway) : [];
    const one = candidates.find(({ item: { name } }) => name === taken?.name);
    expect(taken?.name, `one of ${candidates.map(({ item: { name } }) => name).join(', ')}`).toBe(
      one?.item.name ?? candidates[0]?.item.name,
    );
    if (one === undefined) return;
    this.#model.take(one, isAway);
    const upcoming = [...this.#turns.upcoming(one.item)];
    const waiting = this.#model.of('queued').map(({ item: known }) => known);
    expect(new Set(upcoming).size, 'nothing is upcoming twice').toBe(upcoming.length);
    expect(waiting, 'what is upcoming waits').toEqual(expect.arrayContaining(upcoming));
  }

  #withOne(step: Extract<Step, { readonly nth: number }>): void {
    const many =
      step.do === 'remove'
        ? [...this.#model.of('queued'), ...this.#model.of('aside')]
        : this.#model.of('out');
    const one = many[step.nth % many.length];
    if (one === undefined) return;
    if (step.do === 'putAside') {
      this.#turns.putAside(one.item, this.#nowMs + step.ms);
      this.#model.putAside(one, this.#nowMs + step.ms);
    } else {
      this.#turns[step.do](one.item);
      this.#model[step.do](one);
    }
  }
}

describe.each(orders)('turns with order: %s', (order) => {
  it('are those of the rules, in every sequence of steps', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
        const compared = new Compared(order);
        for (const step of steps) compared.do(step);
        compared.finish();
      }),
      { numRuns: 1000 },
    );
  });
});
