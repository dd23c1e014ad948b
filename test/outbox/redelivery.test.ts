import { describe, expect, it, onTestFinished } from 'vitest';
import type { DeadLetter } from '../../src/core/dead-letter.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { OutboxStore } from '../../src/core/outbox-store.ts';
import { engines } from '../../src/outbox/engines/index.ts';
import { ManualClock } from '../support/clock.ts';
import { store as storeIn } from '../support/dead-letters.ts';
import { notification } from '../support/notification.ts';
import { operatorOf, temporaryFolder } from '../support/outbox-folder.ts';
import { leaseOne, outboxOptions } from '../support/outbox.ts';
import { describeWithSmallDisk } from '../support/small-disk.ts';

const letterOf = (id: string, body = id): DeadLetter => ({
  notification: notification({ id, body }),
  reason: 'rejected',
  diedAtMs: 0,
  attempts: 1,
});

/** A store whose operator wants these letters delivered again. */
async function storeToRedeliver(folder: string, letters: readonly DeadLetter[]) {
  await storeIn(folder, letters, []);
  const operator = await operatorOf(folder);
  await operator.redeliver({ choice: {} });
  await operator.close();
  const clock = new ManualClock();
  const store = await engines.lmdb
    .with({ folder })
    .open({ deadLetterCapacity: 1_000_000 }, { clock, observe: () => undefined, ledger: new Ledger() });
  const outbox = store.outbox(outboxOptions());
  onTestFinished(async () => {
    await outbox.close();
    await store.close();
  });
  return { clock, store, outbox };
}

/** Has the store look until that is so. */
async function lookUntil(clock: ManualClock, isSo: () => boolean): Promise<void> {
  await expect
    .poll(
      () => {
        clock.advance(500);
        return isSo();
      },
      { timeout: 30_000, interval: 20 },
    )
    .toBe(true);
}

describe('letters that are to be delivered again', () => {
  it('are handed over though more than are handed over at a time find no room', async () => {
    const stuck = Array.from({ length: 1200 }, (_, index) => letterOf(`a${String(index).padStart(4, '0')}`));
    const { clock, store } = await storeToRedeliver(temporaryFolder(), [...stuck, letterOf('z')]);
    const redelivered: string[] = [];
    await store.start(({ notification: { id } }) => {
      if (id !== 'z') return Promise.reject(new Error('the outbox of its pool is full'));
      redelivered.push(id);
      return Promise.resolve();
    });
    await lookUntil(clock, () => redelivered.length > 0);
  });

  it('are handed over repeatedly while they find no room', async () => {
    const { clock, store } = await storeToRedeliver(
      temporaryFolder(),
      ['1', '2'].map((id) => letterOf(id)),
    );
    const asked = new Map<string, number>();
    await store.start(({ notification: { id } }) => {
      asked.set(id, (asked.get(id) ?? 0) + 1);
      return Promise.reject(new Error('the outbox of its pool is full'));
    });
    await lookUntil(clock, () => asked.get('1')! > 2 && asked.get('2')! > 2);
  });
});

describeWithSmallDisk('a letter that is to be delivered again', (makeDisk) => {
  it('is not lost though the disk is full when it should be accepted: it is handed over when there is room', async () => {
    const disk = makeDisk(16 * 1024 ** 2);
    const letter = letterOf('large', 'x'.repeat(1_000_000));
    const { clock, store, outbox } = await storeToRedeliver(disk.folder, [letter]);
    let asked = 0;
    const redeliver: Parameters<OutboxStore['start']>[0] = async ({ notification: again }) => {
      asked += 1;
      if (asked === 1) disk.fill();
      await outbox.put(again);
    };
    await store.start(redeliver);
    await lookUntil(clock, () => store.whyUnready() !== undefined);
    expect(outbox.counts().waiting).toBe(0);
    disk.unfill();
    await lookUntil(clock, () => outbox.counts().waiting === 1);
    expect((await leaseOne(outbox))?.notification.id).toBe('large');
  });
});
