import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Router } from '../../src/backends/router.ts';
import type { DeadLetter } from '../../src/core/dead-letter.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import type { OutboxPorts } from '../../src/core/outbox-store.ts';
import { SAFE } from '../../src/core/event-sink.ts';
import { type EngineName, engines } from '../../src/outbox/engines/index.ts';
import { notification } from '../support/notification.ts';
import { readFolder, temporaryFolder } from '../support/outbox-folder.ts';
import { chosenFor } from '../support/outbox.ts';
import { type BackendSetting, chat, openRouter } from '../support/router.ts';
import { describeWithSmallDisk } from '../support/small-disk.ts';
import { eventOf } from '../support/stanza.ts';

type Setting = NonNullable<Parameters<typeof openRouter>[1]>;

/** A router over real outboxes of an engine; `folder` is where lmdb keeps its files. */
async function openWith(engine: EngineName, backends: readonly BackendSetting[], setting: Setting = {}) {
  const folder = temporaryFolder();
  const opened = await openRouter(backends, { openStore: storeIn(engine, folder), ...setting });
  const close = async (): Promise<void> => {
    await Promise.all([...opened.outboxes.values()].map((outbox) => outbox.close()));
    await opened.store.close();
  };
  onTestFinished(close);
  return { ...opened, folder: join(folder, 'data'), close };
}

function storeIn(engine: EngineName, folder: string) {
  return (ports: OutboxPorts) => chosenFor(engine, folder).open({ deadLetterCapacity: 1000 }, ports);
}

const presence = eventOf("<presence from='alice@example.com' to='bob@example.com'/>");
const boom = (): never => {
  throw new Error('boom');
};

describe.each(Object.keys(engines) as EngineName[])('an event taken with the engine %s', (engine) => {
  it('that no backend wants is safe at once, without a promise of its own', async () => {
    const { offer } = await openWith(engine, [{ name: 'a' }, { name: 'b', shouldMakeReq: () => false }]);
    expect(offer(presence)).toBe(SAFE);
    expect(await offer(presence)).toBe('safe');
  });

  it('is safe where there are no backends', async () => {
    const { offer } = await openWith(engine, []);
    expect(await offer(chat('Hi'))).toBe('safe');
  });

  it('that no backend wants after it has thought about it is safe', async () => {
    const { offer } = await openWith(engine, [{ shouldMakeReq: () => Promise.resolve(false) }]);
    expect(await offer(chat('Hi'))).toBe('safe');
  });

  it.each([
    ['one backend', [{}]],
    ['several backends', [{ name: 'a' }, { name: 'b' }, { name: 'c', shouldMakeReq: () => false }]],
    ['a backend whose callback takes time', [{ prepareBody: () => Promise.resolve('slow') }]],
  ])('is safe once all its notifications are accepted: %s', async (_what, backends: BackendSetting[]) => {
    const { offer, ledger, folder, close } = await openWith(engine, backends);
    const wanting = backends.filter(({ shouldMakeReq }) => shouldMakeReq === undefined).length;
    expect(await offer(chat('Hi'))).toBe('safe');
    const accepted = [...ledger.entries().values()].reduce((sum, entry) => sum + entry.accepted, 0);
    expect(accepted).toBe(wanting);
    if (engine === 'memory') return;
    await close();
    expect((await readFolder(folder)).stored).toHaveLength(wanting);
  });

  it('is safe only when the last of its notifications is accepted', async () => {
    const waiting: (() => void)[] = [];
    const { offer } = await openWith(engine, [{ name: 'a' }, { name: 'b' }], {
      wrap: (outbox) => ({
        ...bound(outbox),
        put: (notification) =>
          new Promise((resolve) => waiting.push(() => resolve(outbox.put(notification)))),
      }),
    });
    let acceptance = 'not known yet';
    const known = offer(chat('Hi')).then((there) => (acceptance = there));
    for (const write of waiting) {
      await turn();
      expect(acceptance).toBe('not known yet');
      write();
    }
    expect(await known).toBe('safe');
  });

  it('is safe as a dead letter, if a callback failed', async () => {
    const { offer, folder, letters, close } = await openWith(engine, [
      { name: 'throws', shouldMakeReq: boom },
      { name: 'rejects', prepareBody: () => Promise.reject(new Error('boom')) },
    ]);
    expect(await offer(chat('Hi'))).toBe('safe');
    expect(letters().map(({ notification: { backend } }) => backend)).toEqual(['throws', 'rejects']);
    if (engine === 'memory') return;
    await close();
    expect((await readFolder(folder)).letters).toHaveLength(2);
  });

  it('is safe as a dead letter, if its backend has no pool', async () => {
    const { offer, letters } = await openWith(engine, [{ pool: 'nowhere' }]);
    expect(await offer(chat('Hi'))).toBe('safe');
    expect(letters()).toMatchObject([{ reason: 'no-pool' }]);
  });

  it('is refused by a full outbox that drops what comes', async () => {
    const { offer } = await openWith(engine, [{}], { outbox: { capacity: 1, whenFull: 'drop_newest' } });
    expect(await offer(chat('one'))).toBe('safe');
    expect(await offer(chat('two'))).toBe('refused');
  });

  it('is safe in a full outbox that drops the oldest', async () => {
    const { offer } = await openWith(engine, [{}], { outbox: { capacity: 1, whenFull: 'drop_oldest' } });
    expect(await offer(chat('one'))).toBe('safe');
    expect(await offer(chat('two'))).toBe('safe');
  });

  it.each([
    ['first', ['full', 'fine']],
    ['last', ['fine', 'full']],
  ])('is refused if the %s of its backends could not have it kept', async (_which, pools) => {
    const backends = pools.map((pool) => ({ name: pool, pool }));
    const { offer, outboxes, deliver } = await openWith(engine, backends, { pools });
    await outboxes.get('full')!.close();
    expect(await offer(chat('Hi'))).toBe('refused');
    expect(await deliver('fine')).toHaveLength(1);
  });

  it('is refused by an outbox that fails', async () => {
    const { offer, observed } = await openWith(engine, [{ name: 'a' }, { name: 'b', pool: 'other' }], {
      pools: ['http_pool', 'other'],
      wrap: (outbox) => ({ ...bound(outbox), put: engine === 'memory' ? boom : () => Promise.reject(boom) }),
    });
    expect(await offer(chat('Hi'))).toBe('refused');
    expect(observed.map(({ kind }) => kind)).toEqual(['internal-error', 'internal-error']);
  });

  it('is refused while too much waits for callbacks', async () => {
    const { offer, router, clock } = await openWith(engine, [
      { name: 'hangs', shouldMakeReq: () => new Promise(() => undefined) },
      { name: 'fine', shouldMakeReq: () => false },
    ]);
    const stanzaSize = 64 * 1024 * 1024;
    const hanging = offer(chat('one'), stanzaSize);
    expect(await offer(chat('two'), stanzaSize)).toBe('refused');
    clock.advance(5000);
    expect(await hanging).toBe('safe');
    expect(router.hasRoom()).toBe(true);
  });
});

describe.each([
  ['its request', undefined],
  ['its stanza, for a callback had failed', 'a callback made no request'],
])('a dead letter delivered again with %s', (_what, stanza) => {
  const event = chat('Hi');
  const letter: DeadLetter = {
    notification: notification({ id: 'again' }),
    reason: stanza === undefined ? 'rejected' : 'callback',
    diedAtMs: 0,
    attempts: 1,
  };
  const again = ({ router }: { readonly router: Router }): Promise<void> =>
    stanza === undefined ? router.putAgain(letter) : router.redeliver(event, letter);

  it('is accepted under its id', async () => {
    const opened = await openRouter([{}]);
    await again(opened);
    expect((await opened.deliver()).map(({ id }) => id)).toEqual(['again']);
  });

  it('stays where it is while the outbox is full: nothing is dropped or counted', async () => {
    const opened = await openRouter([{}], { outbox: { capacity: 1, whenFull: 'drop_newest' } });
    await opened.offer(chat('one'));
    await expect(again(opened)).rejects.toThrow('the outbox of http_pool is full');
    expect(opened.ledger.entry('chats')).toMatchObject({ accepted: 1, dropped: 0 });
    await opened.deliver();
    await again(opened);
    expect(await opened.deliver()).toHaveLength(1);
  });

  it('stays where it is if the outbox drops it, though there seemed to be room', async () => {
    const opened = await openRouter([{}], {
      wrap: (outbox) => ({ ...bound(outbox), hasRoom: () => true }),
      outbox: { capacity: 1 },
    });
    await opened.offer(chat('one'));
    await expect(again(opened)).rejects.toThrow('the outbox of http_pool has not taken it');
  });

  it('is dead again, if there is no pool for it any more', async () => {
    const opened = await openRouter([{ pool: 'nowhere' }]);
    await again(opened);
    expect(opened.letters()).toMatchObject([{ reason: 'no-pool', notification: { id: 'again' } }]);
  });
});

it('a dead letter with a stanza is dead again, if its backend is not configured any more', async () => {
  const { router, letters } = await openRouter([{ name: 'another' }]);
  const dead = {
    notification: notification({ id: 'again' }),
    reason: 'callback',
    diedAtMs: 0,
    attempts: 0,
  } as const;
  await router.redeliver(chat('Hi'), dead);
  expect(letters()).toEqual([dead]);
});

/** An outbox whose functions can be spread. */
function bound(outbox: Outbox): Outbox {
  return {
    hasRoom: () => outbox.hasRoom(),
    put: (notification) => outbox.put(notification),
    lease: (most) => outbox.lease(most),
    counts: () => outbox.counts(),
    drained: () => outbox.drained(),
    stopLeasing: () => outbox.stopLeasing(),
    close: () => outbox.close(),
  };
}

describeWithSmallDisk('an event taken while the disk is full', (makeDisk) => {
  const backends: BackendSetting[] = [
    { name: 'chats', prepareBody: ({ message }) => message.padEnd(1_000_000, '.') },
  ];

  it('is refused, and safe again when there is room', async () => {
    const disk = makeDisk(16 * 1024 ** 2);
    const { offer, clock, store } = await openWith('lmdb', backends, {
      openStore: storeIn('lmdb', disk.folder),
    });
    expect(await offer(chat('before'))).toBe('safe');
    disk.fill();
    const results = new Set<string>();
    while (store.whyUnready() === undefined) results.add(await offer(chat('full')));
    expect(await offer(chat('full'))).toBe('refused');
    expect(results).toContain('refused');
    disk.unfill();
    await expect
      .poll(() => {
        clock.advance(500);
        return store.whyUnready();
      })
      .toBeUndefined();
    expect(await offer(chat('after'))).toBe('safe');
  });

  it('is refused if its dead letter could not be written', async () => {
    const disk = makeDisk(16 * 1024 ** 2);
    const { offer, store } = await openWith('lmdb', [{ prepareBody: boom }], {
      openStore: storeIn('lmdb', disk.folder),
    });
    const large = chat('x'.repeat(1_000_000));
    expect(await offer(large)).toBe('safe');
    disk.fill();
    while (store.whyUnready() === undefined) await offer(large);
    expect(await offer(large)).toBe('refused');
  });
});
