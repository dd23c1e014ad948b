import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Ledger } from '../../src/core/ledger.ts';
import { engines } from '../../src/outbox/engines/index.ts';
import { ManualClock } from '../support/clock.ts';
import { expectLedgerBalanced } from '../support/ledger.ts';

const putter = new URL('putter.mjs', import.meta.url).pathname;

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function openOutbox(folder: string, pool = 'http_pool') {
  const ledger = new Ledger();
  const outbox = await engines.lmdb(
    { pool, folder, capacity: 1_000_000, whenFull: 'drop_newest', order: 'none' },
    { clock: new ManualClock(), observe: () => undefined, ledger },
  );
  onTestFinished(() => outbox.close());
  return { outbox, ledger };
}

/** Runs a process that puts, kills it after so many puts, and gives the ids of those that were safe. */
async function putUntilKilled(folder: string, round: number, puts: number): Promise<string[]> {
  const child = spawn(process.execPath, [putter, folder, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  let lines = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    lines += text.split('\n').length - 1;
    if (lines >= puts) child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  return said.split('\n').slice(0, -1);
}

describe('the outbox engine lmdb', () => {
  it('has everything after a kill whose put had resolved, once each', async () => {
    const folder = temporaryFolder();
    const safe: string[] = [];
    let random = 20_261_123;
    for (let round = 1; round <= 5; round += 1) {
      random = (random * 48_271) % 2_147_483_647;
      safe.push(...(await putUntilKilled(folder, round, 1 + (random % 700))));
      const { outbox, ledger } = await openOutbox(folder);
      expectLedgerBalanced(ledger, outbox.counts());
      const { waiting } = outbox.counts();
      const found: string[] = [];
      for (let index = 0; index < waiting; index += 1) {
        const { notification, attempts } = (await outbox.lease())!;
        expect(notification.body).toBe(notification.id);
        expect(attempts).toBe(0);
        found.push(notification.id);
      }
      await outbox.close();
      expect(new Set(found).size).toBe(found.length);
      const there = new Set(found);
      expect(safe.filter((id) => !there.has(id))).toEqual([]);
      // At most what each of the ten writers had under way at each kill.
      expect(found.length - safe.length).toBeLessThanOrEqual(20 * round);
    }
  });

  it('keeps the pools of one folder apart', async () => {
    const folder = temporaryFolder();
    const notification = {
      id: 'alice1',
      backend: 'chats',
      pool: 'a',
      sender: 'alice@example.com',
      host: 'example.com',
      path: '',
      headers: {},
      body: '',
      acceptedAtMs: 0,
    };
    const [first, second] = [await openOutbox(folder, 'a'), await openOutbox(folder, 'b')];
    await first.outbox.put(notification);
    await first.outbox.close();
    await second.outbox.put({ ...notification, id: 'bob1', pool: 'b' });
    await second.outbox.close();
    const again = await openOutbox(folder, 'a');
    expect(again.outbox.counts().waiting).toBe(1);
    expect((await again.outbox.lease())?.notification.id).toBe('alice1');
  });

  it('refuses a folder of a newer version, and says so', async () => {
    const folder = temporaryFolder();
    const root = open({ path: folder, noSubdir: false });
    await root.openDB<number, string>('meta', {}).put('format', 2);
    await root.close();
    await expect(openOutbox(folder)).rejects.toThrow(`${folder} was written by a newer version (format 2`);
  });

  it('refuses a file that is not its own, and leaves it as it is', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'data.mdb'), 'a letter to my aunt '.repeat(1000));
    await expect(openOutbox(folder)).rejects.toThrow('data.mdb is no LMDB file');
  });

  it('says which folder cannot be made', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    await expect(openOutbox(join(file, 'folder'))).rejects.toThrow(`cannot open ${join(file, 'folder')}: `);
  });
});
