import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import { engines } from '../../src/outbox/engines/index.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';
import { notification } from '../support/notification.ts';
import { leaseOne, outboxOptions } from '../support/outbox.ts';
import { readFolder, temporaryFolder } from '../support/outbox-folder.ts';
import { Watchers } from '../support/wait.ts';

const MAX_AGE_MS = 3_600_000;

/** A run with these pools on a folder. */
async function openRun(folder: string, pools: readonly string[], clock: ManualClock) {
  const ledger = new Ledger();
  const observed: Observation[] = [];
  const watchers = new Watchers();
  const observe = (observation: Observation): void => {
    observed.push(observation);
    watchers.tell();
  };
  const store = await engines.lmdb
    .with({ folder })
    .open({ deadLetterCapacity: 1000 }, { clock, observe, ledger });
  const outboxes = pools.map((pool) =>
    store.outbox(outboxOptions({ pool, retry: { maxAgeMs: MAX_AGE_MS } })),
  );
  await store.start(() => Promise.resolve());
  let isOpen = true;
  const end = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await Promise.all(outboxes.map((outbox) => outbox.close()));
    await store.close();
  };
  onTestFinished(end);
  return {
    store,
    outboxes,
    end,
    observed,
    orphans: () => {
      const orphans = [...store.orphans()];
      const counts = [...orphans.map(([, each]) => each), ...outboxes.map((outbox) => outbox.counts())];
      expectLedgerBalanced(ledger, ...counts);
      return Object.fromEntries(orphans.map(([pool, { waiting }]) => [pool, waiting]));
    },
    /** Resolves once so many notifications are dead. */
    dead: (count: number) =>
      watchers.until(
        `${count} dead notifications`,
        () => observed.filter(({ kind }) => kind === 'notification-dead').length >= count || undefined,
        () => observed.slice(-10),
      ),
    entry: () => ledger.entry('chats'),
  };
}

/** A folder in which so many notifications wait for the pool `gone`, a second after each other. */
async function folderWith(count: number, clock: ManualClock): Promise<string> {
  const folder = temporaryFolder();
  const first = await openRun(folder, ['gone', 'stays'], clock);
  for (let number = 1; number <= count; number += 1) {
    const acceptedAtMs = clock.now();
    await first.outboxes[0]!.put(notification({ id: `n${number}`, pool: 'gone', acceptedAtMs }));
    clock.advance(1000);
  }
  await first.end();
  return folder;
}

describe('notifications of a pool that is not configured any more', () => {
  it('are counted, told, and as old as they are', async () => {
    const clock = new ManualClock();
    const folder = await folderWith(3, clock);
    const run = await openRun(folder, ['stays'], clock);
    expect(run.orphans()).toEqual({ gone: 3 });
    expect(run.observed).toEqual([{ kind: 'outbox-orphaned', pool: 'gone', depth: 3 }]);
    expect(run.entry().accepted).toBe(3);
    const oldest = [...run.store.orphans()].map(([, { oldestAcceptedAtMs = NaN }]) => oldestAcceptedAtMs);
    expect(oldest.map((atMs) => clock.now() - atMs)).toEqual([3000]);
  });

  it('become dead letters one by one as they come to max_age, and then nothing is told of the pool any more', async () => {
    const clock = new ManualClock();
    const folder = await folderWith(3, clock);
    const run = await openRun(folder, ['stays'], clock);
    clock.advance(MAX_AGE_MS - 3001);
    expect(run.orphans()).toEqual({ gone: 3 });
    clock.advance(1);
    await run.dead(1);
    await nextTurn();
    expect(run.orphans()).toEqual({ gone: 2 });
    clock.advance(2000);
    await run.dead(3);
    expect(run.orphans()).toEqual({});
    expect(run.entry()).toEqual({ accepted: 3, delivered: 0, dead: 3, dropped: 0 });
    await run.end();
    const { stored, letters, ledger } = await readFolder(folder);
    expect(stored).toEqual([]);
    expect(letters.map(({ notification: { id }, reason, attempts }) => ({ id, reason, attempts }))).toEqual(
      ['n1', 'n2', 'n3'].map((id) => ({ id, reason: 'expired', attempts: 0 })),
    );
    expect(ledger).toEqual({ accepted: 3, delivered: 0, dead: 3, dropped: 0 });
  });

  it('end at the next start, all of them, if their age came while nothing ran', async () => {
    const clock = new ManualClock();
    const folder = await folderWith(250, clock);
    clock.advance(2 * MAX_AGE_MS);
    const run = await openRun(folder, ['stays'], clock);
    await run.dead(250);
    expect(run.orphans()).toEqual({});
  });

  it('go on waiting for their pool when it is configured again', async () => {
    const clock = new ManualClock();
    const folder = await folderWith(2, clock);
    await (await openRun(folder, ['stays'], clock)).end();
    const run = await openRun(folder, ['gone'], clock);
    expect(run.orphans()).toEqual({});
    expect((await leaseOne(run.outboxes[0]!))?.notification.id).toBe('n1');
  });

  it('leave no timer behind', async () => {
    const clock = new ManualClock();
    const folder = await folderWith(2, clock);
    const run = await openRun(folder, ['stays'], clock);
    await run.end();
    expect(clock.timers).toBe(0);
  });
});
