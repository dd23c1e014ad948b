import { rmSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Delivery, Verdict } from '../../src/core/delivery.ts';
import { judge } from '../../src/delivery/judge.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import { engines } from '../../src/outbox/engines/index.ts';
import { notification } from '../support/notification.ts';
import { leaseOne, outboxOptions } from '../support/outbox.ts';
import { temporaryFolder } from '../support/outbox-folder.ts';
import { SettableClock } from '../support/zoo.ts';

const DAY_MS = 86_400_000;
const { retry } = outboxOptions();

/** Runs of a sidecar on one folder, each with a clock of its own. */
function openRuns() {
  const folder = temporaryFolder();
  const run = async (clock: SettableClock) => {
    const ports = { clock, observe: () => undefined, ledger: new Ledger() };
    const store = await engines.lmdb.with({ folder }).open({ deadLetterCapacity: 10 }, ports);
    const outbox = store.outbox(outboxOptions());
    await store.start(() => Promise.resolve());
    let isOpen = true;
    const end = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      await outbox.close();
      await store.close();
    };
    onTestFinished(end);
    return { clock, outbox, end };
  };
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { run };
}

type Run = Awaited<ReturnType<ReturnType<typeof openRuns>['run']>>;

/** A clock that says so much more than the first run's did. */
function clockAt(afterMs: number): SettableClock {
  const clock = new SettableClock();
  clock.set(afterMs);
  return clock;
}

async function put({ outbox, clock }: Run, id: string): Promise<void> {
  await outbox.put(notification({ id, sender: `${id}@example.com`, acceptedAtMs: clock.now() }));
}

/** An attempt that fails, and what comes of it. */
async function fail({ outbox, clock }: Run): Promise<{ delivery: Delivery; verdict: Verdict }> {
  const delivery = (await leaseOne(outbox))!;
  const attempt = { outcome: '5xx', status: 503, durationSeconds: 0 } as const;
  const verdict = judge(retry, delivery, attempt, { nowMs: clock.now(), chance: 0 });
  await delivery.settle(verdict, attempt);
  return { delivery, verdict };
}

const ageMs = (outbox: Outbox, { now }: { now: () => number }): number =>
  now() - (outbox.counts().oldestAcceptedAtMs ?? Number.NaN);

describe("while a sidecar runs, the machine's clock", () => {
  it.each([
    ['on by two days', 2 * DAY_MS],
    ['back by ten days', -10 * DAY_MS],
  ])('set %s ends nothing that waits, holds nothing up and makes nothing older', async (_name, byMs) => {
    const sidecar = await openRuns().run(new SettableClock());
    const { clock, outbox } = sidecar;
    await put(sidecar, 'alice');
    clock.advance(60_000);
    clock.set(byMs);
    expect(ageMs(outbox, { now: () => clock.now() })).toBe(60_000);
    const { delivery, verdict } = await fail(sidecar);
    expect(delivery.ageMs).toBe(60_000);
    expect(verdict).toEqual({ kind: 'retry', afterMs: 500, cause: 'back-off' });
    const lease = leaseOne(outbox);
    clock.advance(500);
    expect((await lease)?.attempts).toBe(1);
  });

  it('set on by two days does not let what waits outlive its age by that', async () => {
    const sidecar = await openRuns().run(new SettableClock());
    await put(sidecar, 'alice');
    sidecar.clock.set(-2 * DAY_MS);
    sidecar.clock.advance(DAY_MS);
    expect((await fail(sidecar)).verdict).toMatchObject({ kind: 'dead', reason: 'expired' });
  });

  it('is known to the millisecond where nobody set it', async () => {
    const sidecar = await openRuns().run(new SettableClock());
    sidecar.clock.advance(700);
    await put(sidecar, 'alice');
    sidecar.clock.advance(1650);
    expect((await fail(sidecar)).delivery.ageMs).toBe(1650);
  });
});

describe("between two runs of a sidecar, the machine's clock", () => {
  it('is what ages and waits go by', async () => {
    const { run } = openRuns();
    const first = await run(new SettableClock());
    await put(first, 'alice');
    await fail(first);
    await first.end();
    const second = await run(clockAt(3000));
    expect(ageMs(second.outbox, { now: () => second.clock.now() })).toBe(3000);
    const { delivery } = await fail(second);
    expect([delivery.ageMs, delivery.attempts]).toEqual([3000, 1]);
  });

  it('set back by ten days does not let a retry stand still, nor make it younger than new', async () => {
    const { run } = openRuns();
    const first = await run(new SettableClock());
    await put(first, 'alice');
    await fail(first);
    await first.end();
    const second = await run(clockAt(-10 * DAY_MS));
    const lease = leaseOne(second.outbox);
    second.clock.advance(1000);
    const delivery = await lease;
    expect(delivery).toMatchObject({ attempts: 1, ageMs: 1000 });
    expect(ageMs(second.outbox, { now: () => second.clock.now() })).toBe(1000);
  });

  it('set right after it was wrong ends nothing that was tried again meanwhile', async () => {
    const { run } = openRuns();
    const first = await run(clockAt(-20 * DAY_MS));
    await put(first, 'alice');
    first.clock.set(20 * DAY_MS);
    await fail(first);
    await first.end();
    const second = await run(clockAt(5000));
    const { delivery, verdict } = await fail(second);
    expect(delivery.ageMs).toBe(5000);
    expect(verdict.kind).toBe('retry');
  });
});
