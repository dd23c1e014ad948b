import { describe, expect, it } from 'vitest';
import type { Attempt, Verdict } from '../../src/core/delivery.ts';
import { RequestLimit } from '../../src/outbox/local/request-limit.ts';

const WORKERS = 8;
const HALF = 4;

const success: Verdict = { kind: 'delivered' };
const again: Verdict = { kind: 'retry', afterMs: 1000, cause: 'back-off' };
const rejected: Verdict = { kind: 'dead', reason: 'rejected' };
const expired: Verdict = { kind: 'dead', reason: 'expired' };
const restFor = (restMs: number): Verdict => ({
  kind: 'retry',
  afterMs: restMs,
  cause: 'retry-after',
  restMs,
});
const refused: Attempt = { outcome: 'refused', errorCode: 'ECONNREFUSED', durationSeconds: 0 };
const answered: Attempt = { outcome: '5xx', status: 503, durationSeconds: 0 };
const flood: Attempt = { outcome: '2xx', status: 200, durationSeconds: 0, wasCut: true };

/** A destination whose requests begin and end when the test says so. */
class Bench {
  readonly limit = new RequestLimit(WORKERS);
  nowMs = 0;

  /** Begins so many requests. */
  begin(count = 1): void {
    for (let begun = 0; begun < count; begun += 1) this.limit.began(this.nowMs);
  }

  end(verdict: Verdict, attempt?: Attempt): boolean {
    return this.limit.ended(verdict, attempt, this.nowMs);
  }

  /** Makes a request. */
  try(verdict: Verdict, attempt?: Attempt): boolean {
    this.begin();
    return this.end(verdict, attempt);
  }

  /** How many places there are for requests, taken or not. */
  get places(): number {
    const share = this.limit.mayHang(this.nowMs) ? HALF : WORKERS;
    return this.limit.most(this.nowMs, share);
  }

  get taken(): number {
    return this.limit.taken(this.nowMs);
  }

  /** Every attempt fails for a second. */
  breakDown(attempt: Attempt = answered): void {
    for (const ms of [0, 500, 500]) {
      this.nowMs += ms;
      this.try(again, attempt);
    }
    expect(this.limit.state).toBe('down');
  }

  /** Until what stays taken after failures is free. */
  waitForPlaces(): void {
    this.nowMs += 1000;
  }
}

describe('how many requests may be out to a destination', () => {
  it('is half of the workers until there is a response, then all', () => {
    const bench = new Bench();
    expect(bench.places).toBe(HALF);
    bench.try(success);
    expect(bench.places).toBe(WORKERS);
  });

  it.each([
    ['a rejection', rejected, answered],
    ['a failure with a status', again, answered],
  ])('is all of them after %s, too, for that is a response', (_name, verdict, attempt) => {
    const bench = new Bench();
    bench.try(verdict, attempt);
    expect(bench.places).toBe(WORKERS);
  });

  it('is half of them after an attempt without response, until the next response', () => {
    const bench = new Bench();
    bench.try(success);
    bench.try(again, refused);
    expect(bench.places).toBe(HALF);
    bench.try(rejected, answered);
    expect(bench.places).toBe(WORKERS);
  });

  it('is half of them while all that is out has had no response for a second', () => {
    const bench = new Bench();
    bench.try(success);
    bench.nowMs = 5000;
    bench.begin(3);
    bench.nowMs += 999;
    expect(bench.places, 'before').toBe(WORKERS);
    bench.nowMs += 1;
    expect(bench.places, 'then').toBe(HALF);
    bench.end(success);
    expect(bench.places, 'after a response').toBe(WORKERS);
    bench.nowMs += 999;
    bench.end(success);
    bench.nowMs += 999;
    expect(bench.places, 'while responses come').toBe(WORKERS);
    bench.end(success);
    bench.nowMs += 60_000;
    expect(bench.places, 'with nothing out').toBe(WORKERS);
  });
});

describe('a destination whose attempts fail', () => {
  it.each([2, 3, 10])('is not down after %i failures within less than a second', (count) => {
    const bench = new Bench();
    for (let index = 0; index < count; index += 1) bench.try(again, answered);
    bench.nowMs = 999;
    bench.try(again, answered);
    expect(bench.limit.state).toBe('healthy');
    expect(bench.try(success)).toBe(false);
  });

  it('is not down after two failures, however long', () => {
    const bench = new Bench();
    bench.try(again, refused);
    bench.nowMs = 100_000;
    bench.try(again, refused);
    expect(bench.limit.isAway).toBe(false);
  });

  it('is not down while there is a success between', () => {
    const bench = new Bench();
    for (let index = 0; index < 20; index += 1) {
      bench.nowMs += 700;
      bench.try(again, refused);
      bench.try(again, answered);
      bench.try(success);
    }
    expect(bench.limit.state).toBe('healthy');
  });

  it.each([
    ['no response', again, refused],
    ['a status that is tried again', again, answered],
    ['an end of their age', expired, answered],
  ])('is down after three failures over a second: %s', (_name, verdict, attempt) => {
    const bench = new Bench();
    bench.try(verdict, attempt);
    bench.nowMs = 500;
    bench.try(verdict, attempt);
    bench.nowMs = 1000;
    bench.try(verdict, attempt);
    expect(bench.limit.state).toBe('down');
    expect(bench.places).toBe(HALF);
    expect(bench.limit.isAway).toBe(true);
  });

  it('stays down after a rejection, which is no success, but keeps no place taken for it', () => {
    const bench = new Bench();
    bench.breakDown();
    bench.waitForPlaces();
    expect(bench.try(rejected, answered)).toBe(false);
    expect(bench.limit.state).toBe('down');
    expect(bench.taken).toBe(0);
  });

  it('keeps each place taken after a failure: 50 ms, twice as long each time, 800 ms at most', () => {
    const bench = new Bench();
    for (const pauseMs of [50, 100, 200, 400, 800, 800]) {
      bench.try(again, refused);
      expect(bench.limit.nextPlaceAtMs(bench.nowMs)).toBe(bench.nowMs + pauseMs);
      bench.nowMs += pauseMs - 1;
      expect(bench.taken, `before ${pauseMs} ms`).toBe(1);
      bench.nowMs += 1;
      expect(bench.taken, `after ${pauseMs} ms`).toBe(0);
    }
    bench.try(success);
    bench.try(again, refused);
    expect(bench.limit.nextPlaceAtMs(bench.nowMs), 'after a success').toBe(bench.nowMs + 50);
  });

  it('keeps places taken as long for failures side by side as for one', () => {
    const bench = new Bench();
    bench.begin(4);
    for (let index = 0; index < 4; index += 1) bench.end(again, refused);
    expect(bench.taken).toBe(4);
    bench.nowMs = 50;
    expect(bench.taken).toBe(0);
  });

  it('keeps a place taken after a response that was cut, and after a status only while it is down', () => {
    const bench = new Bench();
    bench.try(success, flood);
    expect(bench.taken).toBe(1);
    bench.waitForPlaces();
    bench.try(again, answered);
    expect(bench.taken).toBe(0);
    bench.breakDown(answered);
    bench.waitForPlaces();
    bench.try(again, answered);
    expect(bench.taken).toBe(1);
  });
});

describe('a destination that comes back', () => {
  it('has what waits made due by its first success, and gets 1, 2, 4 … requests up to all workers', () => {
    const bench = new Bench();
    bench.breakDown();
    expect(bench.try(success)).toBe(true);
    expect(bench.limit.isAway).toBe(false);
    const places: number[] = [];
    for (let done = 0; bench.limit.state === 'recovering' && done < 100;) {
      places.push(bench.places);
      const { places: now } = bench;
      bench.begin(now);
      for (let index = 0; index < now; index += 1) expect(bench.end(success), 'due once').toBe(false);
      done += now;
    }
    expect(places).toEqual([1, 2, 4]);
    expect(bench.places).toBe(WORKERS);
  });

  it('has the places free at once that were kept taken after failures', () => {
    const bench = new Bench();
    bench.breakDown(refused);
    bench.begin();
    bench.end(again, refused);
    bench.try(success);
    expect(bench.taken).toBe(0);
  });

  it('goes on with as many as before after a failure, and is down again after three in a row', () => {
    const bench = new Bench();
    bench.breakDown();
    for (let index = 0; index < 2; index += 1) bench.try(success);
    expect(bench.places).toBe(2);
    bench.try(again, answered);
    bench.try(again, answered);
    expect(bench.places).toBe(2);
    bench.try(success);
    bench.begin(3);
    for (let index = 0; index < 3; index += 1) bench.end(again, refused);
    expect(bench.limit.state).toBe('down');
    bench.waitForPlaces();
    bench.try(success);
    expect(bench.places).toBe(1);
  });

  it('is not made to take everything again with each success, while it fails again and again', () => {
    const bench = new Bench();
    let releases = 0;
    bench.breakDown();
    const startMs = bench.nowMs;
    for (; bench.nowMs < startMs + 3_600_000; bench.nowMs += 500) {
      if (bench.try(success)) releases += 1;
      for (let index = 0; index < 3; index += 1) bench.try(again, answered);
    }
    expect(releases).toBeGreaterThan(5);
    expect(releases).toBeLessThan(20);
  });

  it('is made to take all at once after each of two outages that are an hour apart', () => {
    const bench = new Bench();
    for (let outage = 0; outage < 2; outage += 1) {
      bench.breakDown();
      expect(bench.try(success)).toBe(true);
      for (let index = 0; index < 20; index += 1) bench.try(success);
      bench.nowMs += 3_600_000;
    }
  });
});

describe('a destination that asks for a rest', () => {
  it('gets nothing until then, and then one request', () => {
    const bench = new Bench();
    bench.try(success);
    bench.try(restFor(2000), answered);
    expect(bench.places).toBe(0);
    expect(bench.limit.isAway).toBe(true);
    expect(bench.limit.nextPlaceAtMs(bench.nowMs)).toBe(2000);
    bench.nowMs = 1999;
    expect(bench.places).toBe(0);
    bench.nowMs = 2000;
    expect(bench.places).toBe(1);
    expect(bench.limit.nextPlaceAtMs(bench.nowMs)).toBeUndefined();
  });

  it('gets 1, 2, 4 … requests after a success of that one', () => {
    const bench = new Bench();
    bench.try(restFor(2000), answered);
    bench.nowMs = 2000;
    bench.try(success);
    expect([bench.limit.state, bench.places]).toEqual(['recovering', 1]);
  });

  it('rests on after a success of what was out before', () => {
    const bench = new Bench();
    bench.begin(3);
    bench.end(restFor(2000), answered);
    bench.end(success);
    bench.end(again, answered);
    expect([bench.limit.state, bench.places]).toEqual(['resting', 0]);
  });

  it('rests as long as the longest of those says that were out', () => {
    const bench = new Bench();
    bench.begin(3);
    for (const ms of [2000, 5000, 1000]) bench.end(restFor(ms), answered);
    bench.nowMs = 4999;
    expect(bench.places).toBe(0);
    bench.nowMs = 5000;
    expect(bench.places).toBe(1);
  });

  it('rests again if it says so again, and is down if the one request fails without', () => {
    const bench = new Bench();
    bench.try(restFor(2000), answered);
    bench.nowMs = 2000;
    bench.try(restFor(3000), answered);
    expect(bench.places).toBe(0);
    bench.nowMs = 5000;
    bench.try(again, refused);
    expect(bench.limit.state).toBe('down');
    bench.waitForPlaces();
    expect(bench.try(success), 'what waits is due then').toBe(true);
  });
});
