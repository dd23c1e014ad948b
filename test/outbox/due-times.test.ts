import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DueTimes } from '../../src/outbox/local/due-times.ts';

interface Item {
  dueAtMs: number;
  heapIndex: number;
}

it('gives what is due, the earliest first, and never what was removed', () => {
  const anyAction = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), atMs: fc.nat(1000) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), nth: fc.nat(100) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('take' as const), nowMs: fc.nat(1000) }) },
  );
  fc.assert(
    fc.property(fc.array(anyAction, { minLength: 50, maxLength: 150 }), (actions) => {
      const dueTimes = new DueTimes<Item>();
      const known: Item[] = [];
      const model = new Set<Item>();
      const earliest = (): number | undefined =>
        model.size === 0 ? undefined : Math.min(...[...model].map(({ dueAtMs }) => dueAtMs));
      for (const action of actions) {
        if (action.kind === 'add') {
          const item = { dueAtMs: -1, heapIndex: -1 };
          known.push(item);
          model.add(item);
          dueTimes.add(action.atMs, item);
        } else if (action.kind === 'remove') {
          const item = known[action.nth % known.length];
          if (item !== undefined) expect(dueTimes.remove(item)).toBe(model.delete(item));
        } else {
          const expectedAtMs = earliest();
          const taken = dueTimes.takeDue(action.nowMs);
          const isDue = expectedAtMs !== undefined && expectedAtMs <= action.nowMs;
          expect(taken?.dueAtMs).toBe(isDue ? expectedAtMs : undefined);
          if (taken !== undefined) expect(model.delete(taken)).toBe(true);
        }
        expect(dueTimes.nextAtMs).toBe(earliest());
      }
      const left = [...model].map(({ dueAtMs }) => dueAtMs).toSorted((a, b) => a - b);
      expect(left.map(() => dueTimes.takeDue(1000)?.dueAtMs)).toEqual(left);
      expect(dueTimes.takeDue(1000)).toBeUndefined();
    }),
  );
});

it('gives all that are due at once, be they few or most of a thousand, and keeps the rest in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { minLength: 1000, maxLength: 1200 }),
      fc.nat(1000),
      (times, nowMs) => {
        const dueTimes = new DueTimes<Item>();
        const items = times.map((atMs) => {
          const item = { dueAtMs: -1, heapIndex: -1 };
          dueTimes.add(atMs, item);
          return item;
        });
        const due = dueTimes.takeAllDue(nowMs);
        const isDue = ({ dueAtMs }: Item): boolean => dueAtMs <= nowMs;
        expect(new Set(due)).toEqual(new Set(items.filter(isDue)));
        expect(due.every(({ heapIndex }) => heapIndex === -1)).toBe(true);
        const [removed, ...later] = items.filter((item) => !isDue(item));
        if (removed !== undefined) expect(dueTimes.remove(removed)).toBe(true);
        const expected = later.map(({ dueAtMs }) => dueAtMs).toSorted((a, b) => a - b);
        expect(expected.map(() => dueTimes.takeDue(1000)?.dueAtMs)).toEqual(expected);
        expect(dueTimes.nextAtMs).toBeUndefined();
      },
    ),
    { numRuns: 30 },
  );
});
