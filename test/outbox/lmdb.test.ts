import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, it } from 'vitest';
import type { Notification } from '../../src/core/delivery.ts';
import { leaseOne, outboxOptions } from '../support/outbox.ts';
import { notification as anyNotification } from '../support/notification.ts';
import { openDatabase } from '../../src/outbox/lmdb/database.js';
import { own } from '../../src/outbox/lmdb/owner.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';
import {
  expectKept,
  idsIn,
  openFolder,
  operatorOf,
  readFolder,
  temporaryFolder,
} from '../support/outbox-folder.ts';
import { type Said, startPutter } from '../support/putter.ts';
import { seededRandom } from '../support/random.ts';
import { describeWithSmallDisk } from '../support/small-disk.ts';
import { once } from '../support/wait.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const notification = (id: string, fields: Partial<Notification> = {}): Notification =>
  anyNotification({ id, body: id, ...fields });

describe('what the engine lmdb has accepted', () => {
  it('is there after the process was killed, once each, and what was delivered is not', async () => {
    const folder = temporaryFolder();
    const random = seededRandom(20_261_124);
    const said: Said[] = [];
    for (let round = 1; round <= 6; round += 1) {
      const settledShare = round % 2 === 0 ? 0.7 : 0;
      const putter = startPutter({ folder, prefix: `round${round}`, settledShare });
      await putter.lines(1 + random(700));
      said.push(await putter.kill());
      const { surplus } = await expectKept(folder, said);
      // Each of the ten writers may have had a put under way at each kill.
      expect(surplus).toBeLessThanOrEqual(10 * round);
    }
  });

  it('balances in the ledger on disk after each kill', async () => {
    const folder = temporaryFolder();
    const random = seededRandom(20_261_125);
    for (let round = 1; round <= 4; round += 1) {
      const putter = startPutter({ folder, prefix: `round${round}`, settledShare: 0.8 });
      await putter.lines(1 + random(500));
      await putter.kill();
      const { stored, letters, ledger } = await readFolder(folder);
      const { accepted, delivered, dead, dropped } = ledger;
      expect(dead).toBe(letters.length);
      expect(dropped).toBe(0);
      expect(accepted).toBe(delivered + dead + stored.length);
    }
  });

  it('stays with its pool', async () => {
    const folder = temporaryFolder();
    const pools = ['a', 'a@example.com'];
    const first = await openFolder(folder, { pools });
    await first.outboxes[0]!.put(notification('alice1', { pool: 'a' }));
    await first.outboxes[1]!.put(notification('bob1', { pool: 'a@example.com' }));
    await first.outboxes[0]!.put(notification('alice2', { pool: 'a' }));
    await first.close();
    const again = await openFolder(folder, { pools });
    expect(await idsIn(again.outboxes[0]!)).toEqual(['alice1', 'alice2']);
    expect(await idsIn(again.outboxes[1]!)).toEqual(['bob1']);
  });

  it('waits, and is told of, while its pool is not configured', async () => {
    const folder = temporaryFolder();
    const acceptedAtMs = Date.now();
    const first = await openFolder(folder, { pools: ['a', 'b'] });
    await first.outboxes[0]!.put(notification('alice1', { pool: 'a', acceptedAtMs }));
    await first.outboxes[1]!.put(notification('bob1', { pool: 'b', acceptedAtMs }));
    await first.outboxes[1]!.put(notification('bob2', { pool: 'b', acceptedAtMs }));
    await first.close();
    const without = await openFolder(folder, { pools: ['a'] });
    expect(without.observed).toEqual([{ kind: 'outbox-orphaned', pool: 'b', depth: 2 }]);
    await without.outboxes[0]!.put(notification('alice2', { pool: 'a', acceptedAtMs }));
    await without.close();
    const again = await openFolder(folder, { pools: ['a', 'b'] });
    expect(again.kinds()).toEqual([]);
    expect(await idsIn(again.outboxes[0]!)).toEqual(['alice1', 'alice2']);
    expect(await idsIn(again.outboxes[1]!)).toEqual(['bob1', 'bob2']);
  });

  it('becomes dead letters, all of it, when it is too old, however large', async () => {
    const folder = temporaryFolder();
    const count = 6;
    const first = await openFolder(folder, { pools: ['b'] });
    for (let index = 1; index <= count; index += 1) {
      await first.outbox.put(notification(`${index}`, { pool: 'b', body: 'x'.repeat(1_000_000) }));
    }
    await first.close();
    const without = await openFolder(folder, { pools: ['a'] });
    await expect.poll(() => without.store.deadLetters(), { timeout: 20_000 }).toBe(count);
    await without.close();
    expect((await readFolder(folder)).ledger).toMatchObject({ accepted: count, dead: count, dropped: 0 });
    expect(without.ledger.entry('chats')).toMatchObject({ dead: count, dropped: 0 });
  });
});

describe('dead letters of the engine lmdb', () => {
  it('are kept, the newest of them up to the capacity', async () => {
    const folder = temporaryFolder();
    const { outbox, close } = await openFolder(folder, { deadLetterCapacity: 3 });
    const attempt = { outcome: '4xx', status: 410, durationSeconds: 0.5 } as const;
    for (let index = 1; index <= 5; index += 1) {
      await outbox.put(notification(`alice${index}`));
      await (await leaseOne(outbox))!.settle({ kind: 'dead', reason: 'rejected' }, attempt);
    }
    await close();
    const { letters, ledger } = await readFolder(folder);
    expect(letters.map(({ notification: { id } }) => id)).toEqual(['alice3', 'alice4', 'alice5']);
    expect(letters[0]).toMatchObject({ reason: 'rejected', attempts: 1, attempt });
    expect(ledger).toEqual({ accepted: 5, delivered: 0, dead: 5, dropped: 0 });
  });

  it('are those of notifications that never were in an outbox, too', async () => {
    const folder = temporaryFolder();
    const { store, close } = await openFolder(folder);
    const letter = { notification: notification('1'), reason: 'no-pool', diedAtMs: 1, attempts: 0 } as const;
    await store.bury(letter);
    await close();
    const { letters, ledger } = await readFolder(folder);
    expect(letters).toEqual([letter]);
    expect(ledger).toEqual({ accepted: 1, delivered: 0, dead: 1, dropped: 0 });
  });
});

describe('a ledger on disk that is off', () => {
  it('is told of once, and corrected', async () => {
    const folder = temporaryFolder();
    const first = await openFolder(folder);
    await first.outbox.put(notification('alice1'));
    await first.close();
    const database = openDatabase(folder);
    database.ledger.putSync(['http_pool', 'chats'], { accepted: 7, delivered: 1, dead: 2, dropped: 1 });
    await database.root.close();
    const mismatch = { kind: 'ledger-mismatched', pool: 'http_pool', backend: 'chats', off: -2 };
    const second = await openFolder(folder);
    expect(second.observed).toEqual([mismatch]);
    await second.close();
    expect((await readFolder(folder)).ledger).toEqual({ accepted: 5, delivered: 1, dead: 2, dropped: 1 });
    const third = await openFolder(folder);
    expect(third.kinds()).toEqual([]);
  });
});

describe('a folder of the engine lmdb', () => {
  it('is made for this user alone', async () => {
    const folder = join(temporaryFolder(), 'outbox');
    await (await openFolder(folder)).close();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  const ANOTHER = 'another sidecar works on it';

  it('has one owner in a process', async () => {
    const folder = temporaryFolder();
    const { close } = await openFolder(folder);
    await expect(openFolder(folder)).rejects.toThrow(`cannot open ${folder}: ${ANOTHER}`);
    await close();
    await openFolder(folder);
  });

  it('has one owner among processes', async () => {
    const folder = temporaryFolder();
    const putter = startPutter({ folder, prefix: 'first' });
    await putter.lines(1);
    await expect(openFolder(folder)).rejects.toThrow(`cannot open ${folder}: ${ANOTHER}`);
    const said = await putter.kill();
    expect(readdirSync(folder).filter((name) => name.endsWith('.sock'))).toHaveLength(1);
    await expectKept(folder, [said]);
  });

  it('has one owner when several take it over from a killed one at once', async () => {
    const folder = temporaryFolder();
    const putter = startPutter({ folder, prefix: 'first' });
    await putter.lines(1);
    await putter.kill();
    const tries = await Promise.allSettled([1, 2, 3, 4].map(() => own(folder)));
    const owners = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(owners).toHaveLength(1);
    await expect(own(folder)).rejects.toThrow(ANOTHER);
    await owners[0]!.release();
    await openFolder(folder);
  });

  it('is refused if a newer version wrote it', async () => {
    const folder = temporaryFolder();
    const root = open({ path: folder, noSubdir: false });
    await root.openDB<number, string>('meta', {}).put('format', 2);
    await root.close();
    await expect(openFolder(folder)).rejects.toThrow(
      `cannot open ${folder}: it was written by a newer version (format 2, this one knows 1)`,
    );
    // It was let go of: the newer version can be started.
    await expect(openFolder(folder)).rejects.toThrow('newer version');
  });

  it('may hold an empty data.mdb', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'data.mdb'), '');
    const { outbox, close } = await openFolder(folder);
    await outbox.put(notification('alice1'));
    await close();
    expect((await readFolder(folder)).stored).toEqual(['alice1']);
  });

  it.each([
    ['a text', 'a letter to my aunt '.repeat(1000)],
    ['short', 'x'],
    ['zeros', '\0'.repeat(40_960)],
  ])('is refused if its data.mdb is not of LMDB, and left as it is: %s', async (_what, content) => {
    const folder = temporaryFolder();
    const file = join(folder, 'data.mdb');
    writeFileSync(file, content);
    await expect(openFolder(folder)).rejects.toThrow(`cannot open ${folder}: data.mdb is no LMDB file`);
    expect(readFileSync(file, 'utf8')).toBe(content);
  });

  it('is refused if its path is that of a file', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    await expect(openFolder(file)).rejects.toThrow(
      `cannot open ${file}: it is not a folder; set another path`,
    );
    const below = join(file, 'folder');
    await expect(openFolder(below)).rejects.toThrow(`cannot open ${below}: it is not a folder`);
  });

  it('is refused if it cannot be made', async () => {
    const folder = join(temporaryFolder(), 'dangling');
    symlinkSync(join(temporaryFolder(), 'nowhere'), folder);
    await expect(openFolder(folder)).rejects.toThrow(
      /ENOENT.*; set this path to a folder that can be written$/,
    );
  });

  it('is refused if this user may not write there', async () => {
    const folder = temporaryFolder();
    const { outbox, close } = await openFolder(folder);
    await outbox.put(notification('alice1'));
    await close();
    const uid = isRoot ? NOBODY : process.getuid!();
    if (isRoot) {
      chmodSync(folder, 0o755);
      for (const name of ['data.mdb', 'lock.mdb']) chmodSync(join(folder, name), 0o644);
    } else {
      chmodSync(folder, 0o555);
      for (const name of ['data.mdb', 'lock.mdb']) chmodSync(join(folder, name), 0o444);
    }
    const complaint = await complaintOfOpening(folder, uid);
    chmodSync(folder, 0o755);
    expect(complaint).toMatch(/^outbox\.options\.path: cannot open .*: EACCES.*; give it the folder/);
    expect(complaint).toContain(`this user (${uid}) may not write there`);
  });

  it('is refused if this user may not make the files in it', async () => {
    const folder = temporaryFolder();
    const uid = isRoot ? NOBODY : process.getuid!();
    if (isRoot) chownSync(folder, 0, 0);
    chmodSync(folder, isRoot ? 0o755 : 0o555);
    const complaint = await complaintOfOpening(folder, uid);
    chmodSync(folder, 0o755);
    expect(complaint).toContain(`this user (${uid}) may not write there; give it the folder`);
  });
});

describe('a folder whose files are not there any more', () => {
  const GONE = 'its data.mdb or lock.mdb was removed, moved or replaced while the sidecar runs';

  it.each([
    ['the folder is removed', (folder: string) => rmSync(folder, { recursive: true })],
    ['the folder is moved', (folder: string) => renameSync(folder, `${folder}-moved`)],
    ['data.mdb is removed', (folder: string) => rmSync(join(folder, 'data.mdb'))],
    ['lock.mdb is removed', (folder: string) => rmSync(join(folder, 'lock.mdb'))],
    [
      'data.mdb is replaced by a copy',
      (folder: string) => {
        copyFileSync(join(folder, 'data.mdb'), join(folder, 'copy'));
        renameSync(join(folder, 'copy'), join(folder, 'data.mdb'));
      },
    ],
  ])('is a problem at once, and nothing counts as accepted: %s', async (_what, change) => {
    const folder = join(temporaryFolder(), 'outbox');
    const opened = await openFolder(folder);
    const { outbox, store, clock, ledger, observed } = opened;
    await outbox.put(notification('before'));
    change(folder);
    clock.advance(500);
    await expect.poll(() => store.whyUnready(), { timeout: 20_000 }).toContain(GONE);
    expect(store.whyUnready()).toContain('restart the sidecar');
    await outbox.put(notification('after'));
    expect(ledger.entry('chats')).toMatchObject({ accepted: 2, dropped: 1 });
    expect(observed).toContainEqual(
      expect.objectContaining({ kind: 'notification-dropped', reason: 'unwritable' }),
    );
    // What was accepted before is in memory or in the file that is open still.
    expect((await leaseOne(outbox))?.notification.id).toBe('before');
  });

  it('is noticed by the first write, without a look', async () => {
    const folder = join(temporaryFolder(), 'outbox');
    const { outbox, store, ledger } = await openFolder(folder);
    rmSync(folder, { recursive: true });
    await outbox.put(notification('after'));
    expect(ledger.entry('chats')).toMatchObject({ accepted: 1, dropped: 1 });
    expect(store.whyUnready()).toContain(GONE);
  });

  it('is no problem any more when they are back', async () => {
    const folder = join(temporaryFolder(), 'outbox');
    const { outbox, store, clock, ledger } = await openFolder(folder);
    const problemAtLook = (): string => {
      clock.advance(500);
      return store.whyUnready() ?? '';
    };
    renameSync(folder, `${folder}-moved`);
    await expect.poll(problemAtLook, { timeout: 20_000 }).toContain(GONE);
    renameSync(`${folder}-moved`, folder);
    await expect.poll(problemAtLook, { timeout: 20_000 }).toBe('');
    await outbox.put(notification('after'));
    expect(ledger.entry('chats')).toMatchObject({ accepted: 1, dropped: 0 });
  });
});

describe('data.mdb', () => {
  it('does not grow without end because a process was killed while it read', async () => {
    const folder = temporaryFolder();
    const { outbox } = await openFolder(folder);
    const size = (): number => statSync(join(folder, 'data.mdb')).size;
    const deliver = async (count: number): Promise<void> => {
      for (let index = 1; index <= count; index += 1) {
        await outbox.put(notification(`${index}`, { body: 'x'.repeat(1000) }));
        await (await leaseOne(outbox))!.settle({ kind: 'delivered' });
      }
    };
    await deliver(100);
    const before = size();
    await killReader(folder);
    await deliver(2000);
    // Each would take a page of 4096 bytes and more that are not used again.
    expect(size() - before).toBeLessThan(3 * 1024 ** 2);
  });
});

describe('the count of dead letters', () => {
  it('is right at every moment: from the start, after deaths, after commands, beyond the capacity', async () => {
    const folder = temporaryFolder();
    const first = await openFolder(folder, { deadLetterCapacity: 4 });
    expect(first.store.deadLetters()).toBe(0);
    for (let index = 1; index <= 3; index += 1) {
      await first.outbox.put(notification(`alice${index}`));
      await (await leaseOne(first.outbox))!.settle({ kind: 'dead', reason: 'rejected' });
      expect(first.store.deadLetters()).toBe(index);
    }
    for (const id of ['4', '5']) {
      const end = { reason: 'no-pool', diedAtMs: 1, attempts: 0 } as const;
      await first.store.bury({ notification: notification(id), ...end });
      expect(first.store.deadLetters()).toBe(4);
    }
    const operator = await operatorOf(folder);
    await operator.dropDead({ ids: ['alice2'] });
    await operator.close();
    first.clock.advance(500);
    await expect.poll(() => first.store.deadLetters(), { timeout: 20_000 }).toBe(3);
    await first.close();
    expect((await openFolder(folder)).store.deadLetters()).toBe(3);
  });
});

/** Has a process begin to read the database, and kills it in the middle of that. */
async function killReader(folder: string): Promise<void> {
  const program = `
    const { openDatabase } = await import(${JSON.stringify(new URL('../../dist/outbox/lmdb/database.js', import.meta.url).href)});
    const { root, ledger } = openDatabase(${JSON.stringify(folder)}, { readOnly: true });
    const transaction = root.useReadTransaction();
    ledger.get(['http_pool', 'chats'], { transaction });
    process.stdout.write('reads');
    setInterval(() => undefined, 1e6);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), ended]);
  child.kill('SIGKILL');
  await ended;
}

describe('a data.mdb that was cut off', () => {
  it('is refused, and left as it is, and a whole one is not', async () => {
    const folder = temporaryFolder();
    const putter = startPutter({ folder, prefix: 'cut' });
    await putter.lines(300);
    const said = await putter.kill();
    const database = openDatabase(folder, { readOnly: true });
    const { lastPageNumber, pageSize } = database.root.getStats() as Record<string, number>;
    await database.root.close();
    const content = readFileSync(join(folder, 'data.mdb')).subarray(0, (lastPageNumber! + 1) * pageSize!);
    for (const share of [0.95, 0.5, 0.1, 0.01]) {
      const other = temporaryFolder();
      const file = join(other, 'data.mdb');
      const cut = content.subarray(0, Math.max(100, Math.floor(content.length * share)));
      writeFileSync(file, cut);
      // In a process of its own: LMDB maps the file, and reading beyond its end is no error but a signal.
      const complaint = await complaintOfOpening(other, process.getuid!());
      expect(complaint, `cut to ${share}`).toMatch(/cannot open .*: data\.mdb /);
      expect(readFileSync(file).equals(cut)).toBe(true);
    }
    await expectKept(folder, [said]);
  });

  // LMDB does not write pages that one transaction takes and gives back, also at the end of the file.
  it.each([1000, 600])('is not one whose last pages were never written: %d ended at once', async (count) => {
    const folder = temporaryFolder();
    const first = await openFolder(folder);
    await Promise.all(
      Array.from({ length: count }, (_, index) => first.outbox.put(notification(`${index}`))),
    );
    await first.close();
    const second = await openFolder(folder);
    const ends: Promise<boolean>[] = [];
    for (let index = 1; index < count; index += 1) {
      ends.push((await leaseOne(second.outbox))!.settle({ kind: 'delivered' }));
    }
    await Promise.all(ends);
    await second.close();
    const third = await openFolder(folder);
    expect(await idsIn(third.outbox)).toEqual([`${count - 1}`]);
  });
});

/** What a process of a user says who cannot open a folder; rejects if it could, or was ended by a signal. */
async function complaintOfOpening(folder: string, uid: number): Promise<string> {
  const program = `
    const { engines } = await import(${JSON.stringify(new URL('../../dist/outbox/engines/index.js', import.meta.url).href)});
    const { Ledger } = await import(${JSON.stringify(new URL('../../dist/core/ledger.js', import.meta.url).href)});
    const { systemClock: clock } = await import(${JSON.stringify(new URL('../../dist/node/clock.js', import.meta.url).href)});
    process.setgid?.(${uid === 0 ? 0 : NOBODY});
    process.setuid?.(${uid});
    try {
      const store = await engines.lmdb.with({ folder: ${JSON.stringify(folder)} }).open(
    { deadLetterCapacity: 10 },
        { clock, observe: () => undefined, ledger: new Ledger() },
      );
      store.outbox(${JSON.stringify(outboxOptions({ workers: 1 }))});
      await store.start(() => Promise.resolve());
      await store.close();
      console.log('opened');
    } catch (error) {
      console.log(error.message);
    }
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect({ code, signal, said }).toMatchObject({ code: 0, signal: null });
  return said.trim();
}

describeWithSmallDisk('on a full disk the engine lmdb', (makeDisk) => {
  const large = (id: string, length = 20_000) => notification(id, { body: id.padEnd(length, '.') });

  it.each([
    [20_000, 4],
    [1_000_000, 12],
  ])(
    'responds to every put, drops and counts what it cannot write, loses nothing else, and recovers: bodies of %d bytes',
    async (length, megabytes) => {
      const disk = makeDisk(megabytes * 1024 ** 2);
      const { folder } = disk;
      const opened = await openFolder(folder);
      const { outbox, store, ledger, clock, observed } = opened;
      expect(store.whyUnready()).toBeUndefined();
      const put = (id: string) => outbox.put(large(id, length));
      for (let index = 0; store.whyUnready() === undefined; index += 1) {
        await Promise.all([put(`${index}a`), put(`${index}b`), put(`${index}c`)]);
        expectLedgerBalanced(ledger, outbox.counts());
      }
      expect(store.whyUnready()).toMatch(
        new RegExp(`^the outbox cannot write to ${folder}: .* \\(the disk is full: make room\\)$`),
      );
      const dropped = new Set<string>();
      for (const observation of observed) {
        if (observation.kind !== 'notification-dropped') continue;
        expect(observation.reason).toBe('unwritable');
        dropped.add(observation.notification.id);
      }
      expect(dropped.size).toBeGreaterThan(0);
      expect(ledger.entry('chats').dropped).toBe(dropped.size);
      expect(opened.kinds()).toContain('internal-error');
      const kept = ledger.entry('chats').accepted - dropped.size;
      expect(outbox.counts().waiting).toBe(kept);

      // It looks by itself whether there is room again, and takes what comes then.
      disk.grow();
      clock.advance(500);
      await expect.poll(() => store.whyUnready(), { timeout: 20_000 }).toBeUndefined();
      await put('after');
      await opened.close();
      const again = await openFolder(folder);
      expect(again.kinds()).toEqual([]);
      const ids = await idsIn(again.outbox);
      expect(ids).toHaveLength(kept + 1);
      expect(ids.at(-1)).toBe('after');
      expect(ids.filter((id) => dropped.has(id))).toEqual([]);
      expectLedgerBalanced(again.ledger, again.outbox.counts());
    },
  );

  it('says so until it has written as much as it could not: what takes no room, or less, shows nothing', async () => {
    const disk = makeDisk(4 * 1024 ** 2);
    const { outbox, store, ledger } = await openFolder(disk.folder);
    for (let index = 0; store.whyUnready() === undefined; index += 1) await outbox.put(large(`${index}`));
    const retried = (await leaseOne(outbox))!;
    await retried.settle({ kind: 'retry', afterMs: 1000, cause: 'back-off' });
    expect(store.whyUnready()).toContain('the disk is full');
    for (let left = outbox.counts().waiting - 1; left > 0; left -= 1) {
      await (await leaseOne(outbox))!.settle({ kind: 'delivered' });
      expect(store.whyUnready()).toContain('the disk is full');
    }
    const { dropped } = ledger.entry('chats');
    await outbox.put(large('small', 100));
    expect(store.whyUnready()).toContain('the disk is full');
    await outbox.put(large('as large'));
    expect(store.whyUnready()).toBeUndefined();
    expect(ledger.entry('chats').dropped).toBe(dropped);
  });

  it('takes of what comes at once as much as of what comes one by one', async () => {
    const oneByOne = await openFolder(makeDisk(4 * 1024 ** 2).folder);
    for (let index = 1; oneByOne.store.whyUnready() === undefined; index += 1) {
      await oneByOne.outbox.put(large(`${index}`));
    }
    const atOnce = await openFolder(makeDisk(4 * 1024 ** 2).folder);
    await Promise.all(Array.from({ length: 500 }, (_, index) => atOnce.outbox.put(large(`${index}`))));
    expectLedgerBalanced(atOnce.ledger, atOnce.outbox.counts());
    const { waiting } = atOnce.outbox.counts();
    expect(waiting).toBeGreaterThan(0.7 * oneByOne.outbox.counts().waiting);
    expect(waiting).toBeLessThan(500);
    expect(await idsIn(atOnce.outbox)).toEqual(Array.from({ length: waiting }, (_, index) => `${index}`));
  });

  it('says so before anything is dropped, by looking for itself whether there is room', async () => {
    const disk = makeDisk(4 * 1024 ** 2);
    const { outbox, store, clock, ledger, observed } = await openFolder(disk.folder);
    await outbox.put(large('1'));
    disk.fill();
    for (let index = 1; store.whyUnready() === undefined; index += 1) {
      clock.advance(500);
      // Written after the look.
      await outbox.put(large(`${index}`));
    }
    expect(ledger.entry('chats').dropped).toBe(0);
    clock.advance(500);
    expect(observed).toContainEqual({ kind: 'outbox-unwritable', problem: store.whyUnready() });
    disk.unfill();
    const lastToldAtLook = (): unknown => {
      clock.advance(500);
      return observed.at(-1);
    };
    await expect.poll(lastToldAtLook, { timeout: 20_000 }).toEqual({ kind: 'outbox-writable' });
    expect(store.whyUnready()).toBeUndefined();
  });

  it('can still end what it has, so that room is made', async () => {
    const disk = makeDisk(4 * 1024 ** 2);
    const opened = await openFolder(disk.folder);
    const { outbox, store, ledger } = opened;
    for (let index = 0; store.whyUnready() === undefined; index += 1) {
      await outbox.put(large(`${index}`));
    }
    const { waiting } = outbox.counts();
    for (let left = waiting; left > 0; left -= 1) {
      await (await leaseOne(outbox))!.settle({ kind: 'delivered' });
    }
    expect(ledger.entry('chats').delivered).toBe(waiting);
    const before = ledger.entry('chats').dropped;
    await outbox.put(large('after'));
    expect(ledger.entry('chats').dropped).toBe(before);
    expect(store.whyUnready()).toBeUndefined();
    await opened.close();
    const again = await openFolder(disk.folder);
    expect(again.kinds()).toEqual([]);
    expect(await idsIn(again.outbox)).toEqual(['after']);
  });

  it.each([500, 20_000, 1_000_000])(
    'refuses puts, but writes ends, when somebody else takes what is free between two writes: bodies of %d bytes',
    async (length) => {
      const disk = makeDisk(32 * 1024 ** 2);
      const opened = await openFolder(disk.folder);
      const { outbox, store, ledger, clock } = opened;
      const put = (id: string) => outbox.put(large(id, length));
      const kept: string[] = [];
      for (let round = 1; round <= 3; round += 1) {
        for (let index = 1; index <= 5; index += 1) {
          await Promise.all([put(`${round}:${index}a`), put(`${round}:${index}b`)]);
        }
        disk.fill();
        for (let index = 1; store.whyUnready() === undefined; index += 1) await put(`${round}:full${index}`);
        expect(store.whyUnready()).toMatch(/\(the disk is full: make room\)$/);
        expectLedgerBalanced(ledger, outbox.counts());
        // All that is due: one put off, some ended one by one, some together.
        const due = outbox.counts().waiting - (round - 1);
        const leases = await Promise.all(Array.from({ length: due }, () => leaseOne(outbox)));
        const [first, ...others] = leases.map((lease) => lease!);
        kept.push(first!.notification.id);
        await first!.settle({ kind: 'retry', afterMs: 1e9, cause: 'back-off' });
        const together = others.splice(0, others.length / 2);
        for (const other of others) expect(await other.settle({ kind: 'delivered' })).toBe(true);
        const settled = await Promise.all(together.map((each) => each.settle({ kind: 'delivered' })));
        expect(settled).not.toContain(false);
        expectLedgerBalanced(ledger, outbox.counts());

        disk.unfill();
        clock.advance(500);
        await expect.poll(() => store.whyUnready(), { timeout: 20_000 }).toBeUndefined();
      }
      await put('after');
      const { accepted, delivered, dropped } = ledger.entry('chats');
      await opened.close();
      const content = await readFolder(disk.folder);
      expect(content.ledger).toMatchObject({ delivered, dead: 0 });
      expect(content.stored).toHaveLength(accepted - delivered - dropped);
      expect(content.stored).toEqual(expect.arrayContaining([...kept, 'after']));
    },
  );

  it('lets dead letters be dropped, and says if there is no room to redeliver them', async () => {
    const disk = makeDisk(32 * 1024 ** 2);
    const opened = await openFolder(disk.folder);
    const { outbox, store } = opened;
    for (let index = 1; index <= 200; index += 1) {
      await outbox.put(large(`${index}`));
      await (await leaseOne(outbox))!.settle({ kind: 'dead', reason: 'rejected' });
    }
    disk.fill();
    for (let index = 1; store.whyUnready() === undefined; index += 1) await outbox.put(large(`full${index}`));
    const operator = await operatorOf(disk.folder);
    await expect(operator.redeliver({ choice: {} })).rejects.toThrow('the disk is full: make room');
    const ids: string[] = [];
    for await (const page of operator.dead({})) ids.push(...page.map(({ notification: { id } }) => id));
    await expect(operator.redeliver({ ids })).rejects.toThrow('the disk is full: make room');
    expect(await operator.dropDead({ ids: ids.slice(0, 20) })).toEqual({ count: 20, unknown: [] });
    expect(await operator.dropDead({ choice: {} })).toEqual({ count: ids.length - 20, unknown: [] });
    expect(await operator.erase('bob@example.com')).toMatchObject({ deadLetters: 0 });
    await operator.close();
    await opened.close();
    const { letters } = await readFolder(disk.folder);
    expect(letters).toEqual([]);
  });
});
