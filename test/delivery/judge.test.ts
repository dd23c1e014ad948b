import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attempt, Delivery, Outcome } from '../../src/core/delivery.ts';
import { notification as anyNotification } from '../support/notification.ts';
import { judge } from '../../src/delivery/judge.ts';
import { believableWaitMs, type RetryPolicy } from '../../src/core/retry-policy.ts';

const nowMs = Date.parse('Mon, 23 Nov 2026 12:00:00 GMT');
const policy: RetryPolicy = {
  firstDelayMs: 1000,
  maxDelayMs: 600_000,
  maxAgeMs: 86_400_000,
  order: 'sender',
  statuses: [401, 403, 404, 408, 425, 429, '5xx'],
};
const capMs = policy.maxDelayMs * 6;
const nearlyOne = 1 - Number.EPSILON / 2;

function delivery(attempts = 0, acceptedAtMs = nowMs): Delivery {
  return { notification: anyNotification({ acceptedAtMs }), attempts, ageMs: nowMs - acceptedAtMs };
}

function response(status: number, retryAfter?: string): Attempt {
  const outcome = ['other', '2xx', '3xx', '4xx', '5xx'][Math.floor(status / 100) - 1] ?? 'other';
  const attempt = { outcome: outcome as Outcome, status, durationSeconds: 0.1 };
  return retryAfter === undefined ? attempt : { ...attempt, retryAfter };
}

const noResponse = (outcome: Outcome): Attempt => ({ outcome, errorCode: 'ECODE', durationSeconds: 0.1 });

function waitAfter(attempt: Attempt, { attempts = 0, random = 0 } = {}): number {
  const verdict = judge(policy, delivery(attempts), attempt, { nowMs, chance: random });
  expect(verdict.kind).toBe('retry');
  return verdict.kind === 'retry' ? verdict.afterMs : Number.NaN;
}

describe('the verdict on an attempt', () => {
  const kindAfter = (attempt: Attempt): string =>
    judge(policy, delivery(), attempt, { nowMs, chance: 0 }).kind;

  it.each([200, 201, 202, 204, 206, 299])('is "delivered" for status %i', (status) => {
    expect(kindAfter(response(status))).toBe('delivered');
  });

  it.each([401, 403, 404, 408, 425, 429, 500, 502, 503, 504, 505, 507, 511, 599])(
    'is "retry" for status %i',
    (status) => {
      expect(kindAfter(response(status))).toBe('retry');
    },
  );

  it.each([
    101, 199, 300, 301, 302, 303, 304, 307, 308, 400, 402, 405, 409, 410, 413, 422, 424, 426, 428, 451, 499,
    501, 600, 999,
  ])('is "dead" at once, as rejected, for status %i', (status) => {
    const verdict = judge(policy, delivery(), response(status), { nowMs, chance: 0 });
    expect(verdict).toEqual({ kind: 'dead', reason: 'rejected' });
  });

  it.each(['timeout', 'refused', 'reset', 'dns', 'tls', 'other'] as const)(
    'is "retry" if there was no response (%s)',
    (outcome) => {
      expect(kindAfter(noResponse(outcome))).toBe('retry');
    },
  );

  it('is "delivered" for a 2xx however old the notification is', () => {
    const old = delivery(9, nowMs - 2 * policy.maxAgeMs);
    expect(judge(policy, old, response(200), { nowMs, chance: 0 })).toEqual({ kind: 'delivered' });
  });

  it('is "dead" as rejected, not as expired, for a final status at the end of its age', () => {
    const old = delivery(9, nowMs - 2 * policy.maxAgeMs);
    const verdict = judge(policy, old, response(410), { nowMs, chance: 0 });
    expect(verdict).toEqual({ kind: 'dead', reason: 'rejected' });
  });
});

describe('the statuses that a policy lists', () => {
  const kindWith = (statuses: RetryPolicy['statuses'], status: number): string =>
    judge({ ...policy, statuses }, delivery(), response(status), { nowMs, chance: 0 }).kind;

  it.each<[RetryPolicy['statuses'], number, string]>([
    [[], 503, 'dead'],
    [[], 204, 'delivered'],
    [[409], 409, 'retry'],
    [[409], 503, 'dead'],
    [['3xx'], 302, 'retry'],
    [['4xx'], 400, 'retry'],
    [['4xx'], 499, 'retry'],
    [['4xx'], 302, 'dead'],
    [['5xx'], 599, 'retry'],
    [['5xx'], 600, 'dead'],
  ])('are tried again, and no others: %j says of %i %s', (statuses, status, kind) => {
    expect(kindWith(statuses, status)).toBe(kind);
  });

  it.each<[RetryPolicy['statuses'], number, string]>([
    [['4xx'], 410, 'dead'],
    [['5xx'], 501, 'dead'],
    [['4xx', 410], 410, 'retry'],
    [['5xx', 501], 501, 'retry'],
  ])('have to name 410 and 501, which say "never": %j says of %i %s', (statuses, status, kind) => {
    expect(kindWith(statuses, status)).toBe(kind);
  });
});

describe('the wait before the next attempt', () => {
  it.each([
    { attempts: 0, least: 500, most: 1000 },
    { attempts: 1, least: 1000, most: 2000 },
    { attempts: 2, least: 2000, most: 4000 },
    { attempts: 9, least: 256_000, most: 512_000 },
    { attempts: 10, least: 300_000, most: 600_000 },
    { attempts: 60, least: 300_000, most: 600_000 },
    { attempts: 5000, least: 300_000, most: 600_000 },
  ])(
    'is between half of the doubled delay and all of it: $least to $most ms after $attempts more',
    ({ attempts, least, most }) => {
      expect(waitAfter(response(503), { attempts, random: 0 })).toBe(least);
      const longest = waitAfter(response(503), { attempts, random: nearlyOne });
      expect(longest).toBeGreaterThan(most * 0.999);
      expect(longest).toBeLessThanOrEqual(most);
    },
  );

  it('is at most max_delay, even if first_delay is longer', () => {
    const odd: RetryPolicy = { ...policy, firstDelayMs: 5000, maxDelayMs: 100 };
    const verdict = judge(odd, delivery(), response(503), { nowMs, chance: nearlyOne });
    expect(verdict.kind === 'retry' && verdict.afterMs).toBeLessThanOrEqual(100);
  });
});

describe('Retry-After', () => {
  const backOff = waitAfter(response(503));

  it.each([
    { says: '7', waitsMs: 7000 },
    { says: '007', waitsMs: 7000 },
    { says: '3600', waitsMs: 3_600_000 },
    { says: 'Mon, 23 Nov 2026 12:02:00 GMT', waitsMs: 120_000 },
    { says: 'Monday, 23-Nov-26 12:02:00 GMT', waitsMs: 120_000 },
    { says: 'Mon Nov 23 12:02:00 2026', waitsMs: 120_000 },
  ])('is honoured: $says', ({ says, waitsMs }) => {
    expect(waitAfter(response(503, says))).toBe(waitsMs);
    expect(waitAfter(response(429, says), { attempts: 9, random: nearlyOne })).toBe(waitsMs);
  });

  it.each([
    '3601',
    '999999999',
    '9'.repeat(400),
    'Tue, 24 Nov 2026 11:00:00 GMT',
    'Fri, 31 Dec 9999 23:59:59 GMT',
  ])('"%s" is cut down to max_delay times six', (says) => {
    expect(waitAfter(response(503, says))).toBe(capMs);
  });

  it.each([
    '0',
    '-5',
    '1.5',
    '+7',
    '0x10',
    '1e3',
    '',
    'soon',
    'in 3600',
    'after 2099',
    '120 seconds',
    '7, 9',
    '2099-01-01',
    'Mon, 23 Nov 2026 11:59:59 GMT',
    'Thu, 01 Jan 1970 00:00:00 GMT',
    'Mon, 99 Foo 2026 12:02:00 GMT',
  ])('"%s" says nothing: back-off', (says) => {
    expect(waitAfter(response(503, says))).toBe(backOff);
  });

  it('means the same moment in every time zone', () => {
    const before = process.env['TZ'];
    try {
      for (const zone of ['UTC', 'Asia/Tokyo', 'America/New_York']) {
        process.env['TZ'] = zone;
        expect(waitAfter(response(503, 'Mon Nov 23 12:02:00 2026')), zone).toBe(120_000);
        expect(waitAfter(response(503, 'Mon, 23 Nov 2026 12:02:00 GMT')), zone).toBe(120_000);
      }
    } finally {
      if (before === undefined) delete process.env['TZ'];
      else process.env['TZ'] = before;
    }
  });

  it('does not revive what the receiver has rejected for good', () => {
    expect(judge(policy, delivery(), response(410, '7'), { nowMs, chance: 0 }).kind).toBe('dead');
  });
});

describe('what set the wait', () => {
  const causeOf = (attempt: Attempt, ageMs = 0): string | undefined => {
    const verdict = judge(policy, delivery(0, nowMs - ageMs), attempt, { nowMs, chance: 0 });
    return verdict.kind === 'retry' ? verdict.cause : verdict.kind;
  };

  it.each<[string, Attempt]>([
    ['retry-after', response(503, '7')],
    ['retry-after', response(500, '7')],
    ['retry-after', response(429, 'Mon, 23 Nov 2026 12:02:00 GMT')],
    ['retry-after', response(503, '999999999')],
    ['back-off', response(503)],
    ['back-off', response(503, 'soon')],
    ['back-off', response(503, '0')],
    ['back-off', noResponse('timeout')],
  ])('is said: %s for %j', (cause, attempt) => {
    expect(causeOf(attempt)).toBe(cause);
  });

  it('is still the cause where max_age ends the wait earlier', () => {
    expect(causeOf(response(503, '3600'), policy.maxAgeMs - 1)).toBe('retry-after');
    expect(causeOf(response(503), policy.maxAgeMs - 1)).toBe('back-off');
  });
});

describe('expiry', () => {
  const verdictAt = (ageMs: number, attempt = response(503)) =>
    judge(policy, delivery(3, nowMs - ageMs), attempt, { nowMs, chance: 0 });

  it('comes exactly when max_age is reached', () => {
    expect(verdictAt(policy.maxAgeMs - 1)).toEqual({ kind: 'retry', afterMs: 1, cause: 'back-off' });
    expect(verdictAt(policy.maxAgeMs)).toEqual({ kind: 'dead', reason: 'expired' });
  });

  it('lets the last attempt be made at its end, whatever Retry-After says', () => {
    expect(verdictAt(policy.maxAgeMs - 60_000, response(503, '3600'))).toMatchObject({
      kind: 'retry',
      afterMs: 60_000,
    });
  });

  it('lets max_age 0 mean one attempt', () => {
    const once = { ...policy, maxAgeMs: 0 };
    expect(judge(once, delivery(), noResponse('refused'), { nowMs, chance: 0 })).toEqual({
      kind: 'dead',
      reason: 'expired',
    });
  });
});

describe("a receiver's Retry-After", () => {
  const restAfter = (attempt: Attempt, ageMs = 0): number | undefined => {
    const verdict = judge(policy, delivery(0, nowMs - ageMs), attempt, { nowMs, chance: 0 });
    return verdict.kind === 'delivered' ? undefined : verdict.restMs;
  };

  it.each([429, 503])('with status %i is a rest for the whole destination', (status) => {
    expect(restAfter(response(status, '7'))).toBe(7000);
    expect(restAfter(response(status, 'Mon, 23 Nov 2026 12:00:09 GMT'))).toBe(9000);
    expect(restAfter(response(status, '999999999'))).toBe(capMs);
    expect(restAfter(response(status, 'soon'))).toBeUndefined();
    expect(restAfter(response(status))).toBeUndefined();
  });

  it('is a rest even where the notification itself has come to its end', () => {
    expect(restAfter(response(429, '7'), 2 * policy.maxAgeMs)).toBe(7000);
  });

  it.each([408, 425, 500, 502, 504])('with status %i speaks of one notification only', (status) => {
    expect(waitAfter(response(status, '7'))).toBe(7000);
    expect(restAfter(response(status, '7'))).toBeUndefined();
  });
});

describe('a wait that an earlier run began', () => {
  it('goes on as it was, if we may have given it', () => {
    for (const waitMs of [-5000, 0, 1, 30_000, capMs])
      expect(believableWaitMs(policy, 1, waitMs)).toBe(waitMs);
  });

  it('is no longer than the back-off after so many attempts, if the clock was set back since', () => {
    const waits = [1, 2, 5, 30].map((attempts) => believableWaitMs(policy, attempts, 10 * 86_400_000));
    expect(waits).toEqual([1000, 2000, 16_000, 600_000]);
    expect(believableWaitMs(policy, 1, capMs + 1)).toBe(1000);
  });
});

describe('for every policy, receiver and chance', () => {
  const anyPolicy = fc.record({
    firstDelayMs: fc.integer({ min: 1, max: 345_600_000 }),
    maxDelayMs: fc.integer({ min: 1, max: 345_600_000 }),
    maxAgeMs: fc.integer({ min: 0, max: 10_000_000_000 }),
    order: fc.constant('sender' as const),
    statuses: fc.constant(policy.statuses),
  });
  const anyFailure = fc.record({
    status: fc.constantFrom(408, 425, 429, 500, 503, 599),
    retryAfter: fc.option(
      fc.oneof(
        fc.nat().map(String),
        fc.string(),
        fc
          .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
          .map((date) => date.toUTCString()),
      ),
      { nil: undefined },
    ),
  });
  const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  it('the wait is above 0, never above its cap, and never reaches beyond max_age', () => {
    fc.assert(
      fc.property(
        anyPolicy,
        anyFailure,
        fc.nat(2000),
        fc.integer({ min: -1000, max: 10_000_000_000 }),
        anyRandom,
        (anyOne, failure, attempts, ageMs, random) => {
          const { status, retryAfter } = failure;
          const verdict = judge(anyOne, delivery(attempts, nowMs - ageMs), response(status, retryAfter), {
            nowMs,
            chance: random,
          });
          if (ageMs >= anyOne.maxAgeMs) expect(verdict).toMatchObject({ kind: 'dead', reason: 'expired' });
          else {
            const afterMs = verdict.kind === 'retry' ? verdict.afterMs : Number.NaN;
            const cap = retryAfter === undefined ? anyOne.maxDelayMs : anyOne.maxDelayMs * 6;
            expect(afterMs).toBeGreaterThan(0);
            expect(afterMs).toBeLessThanOrEqual(Math.min(cap, anyOne.maxAgeMs - ageMs));
          }
        },
      ),
    );
  });

  it('a receiver that never responds well sees the end: one attempt is made at max_age, and it is the last', () => {
    fc.assert(
      fc.property(
        fc.record({
          firstDelayMs: fc.integer({ min: 100, max: 10_000 }),
          maxDelayMs: fc.integer({ min: 1000, max: 100_000 }),
          maxAgeMs: fc.integer({ min: 0, max: 1_000_000 }),
          order: fc.constant('sender' as const),
          statuses: fc.constant(policy.statuses),
        }),
        anyFailure,
        anyRandom,
        (anyOne, { status, retryAfter }, random) => {
          let atMs = nowMs;
          let verdict = judge(anyOne, delivery(0), response(status, retryAfter), {
            nowMs: atMs,
            chance: random,
          });
          for (let attempts = 1; verdict.kind === 'retry' && attempts < 100_000; attempts += 1) {
            atMs += verdict.afterMs;
            verdict = judge(anyOne, delivery(attempts, 2 * nowMs - atMs), response(status, retryAfter), {
              nowMs: atMs,
              chance: random,
            });
          }
          expect(verdict).toMatchObject({ kind: 'dead', reason: 'expired' });
          expect(atMs - nowMs).toBeCloseTo(anyOne.maxAgeMs, 3);
        },
      ),
    );
  });
});
