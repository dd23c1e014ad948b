import { describe, expect, it } from 'vitest';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import { Ages, Inventory } from '../../src/outbox/local/inventory.ts';
import { newEntry } from '../../src/outbox/local/life.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';
import { seededRandom } from '../support/random.ts';

interface Item {
  readonly number: number;
  state: 'queued' | 'gone';
}

/** Which of those that have not ended is the next to end: the place of one in their order. */
type Choice = (count: number) => number;

const isSeldom = ({ number }: Item): boolean => number % 1009 === 0;
const isOften = ({ number }: Item): boolean => number % 2 === 1;

const random = seededRandom(7);
const choices: readonly [string, Choice][] = [
  ['the oldest first', () => 0],
  ['the newest first', (count) => count - 1],
  ['all but the oldest first', (count) => Math.min(1, count - 1)],
  ['at random', (count) => random(count)],
];

it.each(choices)('tells the oldest and all the others in their order, ending %s', (_name, choose) => {
  const ages = new Ages<Item>();
  const left: Item[] = [];
  const check = (): void => {
    expect(ages.oldest()).toBe(left[0]);
    const seen: Item[] = [];
    ages.forEach((item) => seen.push(item));
    expect(seen).toEqual(left);
    for (const isOne of [isSeldom, isOften]) {
      expect(ages.oldest(isOne)).toBe(left.find(isOne));
      expect(ages.all(isOne)).toEqual(left.filter(isOne));
    }
  };
  const end = (): void => {
    const [item] = left.splice(choose(left.length), 1);
    item!.state = 'gone';
    ages.oneGone();
  };
  for (let number = 0; number < 6000; number += 1) {
    const item: Item = { number, state: 'queued' };
    ages.add(item);
    left.push(item);
    if (number % 3 === 2) end();
    if (number % 50 === 0) check();
  }
  while (left.length > 0) {
    end();
    if (left.length % 50 === 0) check();
  }
});

it('finds the oldest that suits without a search through all that have ended behind an old one that stays', () => {
  const ages = new Ages<Item>();
  let looks = 0;
  const add = (number: number): Item => {
    let state: Item['state'] = 'queued';
    const item = {
      number,
      get state() {
        looks += 1;
        return state;
      },
      set state(changed) {
        state = changed;
      },
    };
    ages.add(item);
    return item;
  };
  const count = 100_000;
  for (let number = 0; number < count; number += 1) add(number);
  const drops = 20_000;
  looks = 0;
  for (let drop = 1; drop <= drops; drop += 1) {
    const oldest = ages.oldest(({ number }) => number > 0)!;
    if (oldest.number !== drop) throw new Error(`${oldest.number} instead of ${drop}`);
    oldest.state = 'gone';
    ages.oneGone();
    add(count + drop);
  }
  expect(looks / drops, 'looks for each').toBeLessThan(3000);
  expect(ages.oldest()?.number).toBe(0);
});

describe('a step that the life of a record does not allow', () => {
  function open() {
    const ledger = new Ledger();
    const observed: Observation[] = [];
    const observe = (observation: Observation): void => void observed.push(observation);
    const inventory = new Inventory({ clock: new ManualClock(), ledger, observe });
    const entry = newEntry(
      { key: 1, backend: 'chats', sender: 'alice@example.com', acceptedAtSeconds: 1, attempts: 0 },
      0,
    );
    inventory.accept(entry);
    const errors = (): string[] =>
      observed.map((one) => (one.kind === 'internal-error' ? String(one.error) : one.kind));
    return { ledger, inventory, entry, errors };
  }

  it('is told as an internal error, and loses nothing', () => {
    const { ledger, inventory, entry, errors } = open();
    inventory.move(entry, 'aside');
    expect(errors()).toEqual(['PlainError: a record in the outbox went from queued to aside']);
    expectLedgerBalanced(ledger, inventory.counts());
    expect(inventory.oldestUntaken()).toBe(entry);
  });

  it('counts nothing twice', () => {
    const { ledger, inventory, entry, errors } = open();
    inventory.move(entry, 'leased');
    inventory.move(entry, 'leaving');
    inventory.end(entry, 'delivered');
    expect(errors()).toEqual([]);
    inventory.end(entry, 'dropped');
    inventory.move(entry, 'queued');
    expect(errors()).toHaveLength(2);
    expectLedgerBalanced(ledger, inventory.counts());
    expect(ledger.entry('chats')).toEqual({ accepted: 1, delivered: 1, dead: 0, dropped: 0 });
  });
});
