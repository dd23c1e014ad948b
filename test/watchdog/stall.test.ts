import { describe, expect, it } from 'vitest';
import { StallJudge } from '../../src/watchdog/stall.ts';

const LIMIT = 10_000;
const INTERVAL = 1000;

/** Looks at each of these times; gives the times at which the thread was found to stand still for too long. */
function found(judge: StallJudge, looks: readonly (readonly [atMs: number, turns: number])[]): number[] {
  return looks.filter(([atMs, turns]) => judge.look(atMs, turns)).map(([atMs]) => atMs);
}

/** Looks once each interval, at a thread that does not turn any more. */
function still(fromMs: number, toMs: number, turns = 1): [number, number][] {
  return Array.from({ length: (toMs - fromMs) / INTERVAL + 1 }, (_, index) => [
    fromMs + index * INTERVAL,
    turns,
  ]);
}

describe('a thread that is watched', () => {
  it('is stalled once it has not turned for the limit', () => {
    expect(found(new StallJudge(LIMIT, INTERVAL), still(0, 12_000))).toEqual([10_000, 11_000, 12_000]);
  });

  it('is not stalled while it turns, however slowly', () => {
    const looks = still(0, 100_000).map(([atMs]) => [atMs, 1 + Math.floor(atMs / 9000)] as const);
    expect(found(new StallJudge(LIMIT, INTERVAL), looks)).toEqual([]);
  });

  it('is not stalled after a pause of the whole machine: it gets one more interval', () => {
    const judge = new StallJudge(LIMIT, INTERVAL);
    expect(found(judge, [...still(0, 9000), [70_000, 1], ...still(70_100, 70_100, 2)])).toEqual([]);
    expect(found(judge, still(71_100, 79_100, 2))).toEqual([]);
    expect(found(judge, still(80_100, 80_100, 2))).toEqual([80_100]);
  });

  it('is stalled if it does not turn after such a pause either', () => {
    const judge = new StallJudge(LIMIT, INTERVAL);
    expect(found(judge, [...still(0, 9000), ...still(70_000, 79_000)])).toEqual([]);
    expect(found(judge, still(80_000, 80_000))).toEqual([80_000]);
  });

  it('is stalled although each check is a little late', () => {
    const looks = Array.from({ length: 8 }, (_, index) => [index * 1900, 1] as const);
    expect(found(new StallJudge(LIMIT, INTERVAL), looks)).toEqual([1900 * 6, 1900 * 7]);
  });

  it('is no longer stalled once it was forgiven', () => {
    const judge = new StallJudge(LIMIT, INTERVAL);
    expect(found(judge, still(0, 9000))).toEqual([]);
    judge.forgive();
    expect(found(judge, still(10_000, 18_000))).toEqual([]);
    expect(found(judge, still(19_000, 19_000))).toEqual([19_000]);
  });
});
