import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { apply, FORMAT, openDatabase } from '../../src/outbox/lmdb/database.js';
import { burial, encodeNotification, encodeSummary } from '../../src/outbox/lmdb/encoding.ts';
import { summaryOf } from '../../src/outbox/records.ts';
import { folderWith, good } from '../config/load-text.ts';
import { runCli } from '../support/cli.ts';
import { damaged } from '../support/damage.ts';
import { notification } from '../support/notification.ts';
import { temporaryFolder } from '../support/outbox-folder.ts';
import { once } from '../support/wait.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const DAMAGES = Number(process.env['SOAK_DAMAGES'] ?? 54);
/** What was once not noticed: a later transaction in a page's header, and texts that are no JSON any more. */
const KNOWN = [85, 187, 299, 419, 473, 595];
const AT_ONCE = 4;

const user = fileURLToPath(new URL('user.mjs', import.meta.url));

/** A data.mdb with records and letters of all sizes, and free pages between them. */
async function wellUsed(): Promise<Buffer> {
  const folder = temporaryFolder();
  const database = openDatabase(folder);
  database.meta.putSync('format', FORMAT);
  const ledger: [string, string] = ['http_pool', 'chats'];
  for (let key = 1; key <= 6000;) {
    database.root.transactionSync(() => {
      for (let count = 0; count < 150; count += 1, key += 1) {
        const record = notification({
          id: `id-${key}`,
          body: 'x'.repeat(key % 40 === 0 ? 5000 : 50 + (key % 300)),
        });
        apply(database, [
          {
            do: 'add',
            key,
            ledger,
            summary: encodeSummary('http_pool', summaryOf(record, key), 0),
            notification: encodeNotification(record),
          },
        ]);
        if (key % 3 === 0) apply(database, [{ do: 'remove', key: key - 1, ledger, end: 'delivered' }]);
        const letter = { notification: record, reason: 'rejected', diedAtMs: 1, attempts: 1 } as const;
        if (key % 8 === 0) apply(database, [burial(letter, { key, ledger, capacity: 400 })]);
      }
    });
  }
  await database.root.close();
  return readFileSync(join(folder, 'data.mdb'));
}

/** What becomes of a process that uses a folder once. */
async function use(folder: string) {
  const child = spawn(process.execPath, [user, folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, string | null]>,
  ]);
  return { code, signal, stdout, stderr };
}

describe('a damaged data.mdb', () => {
  it('is used to its end or refused in words and left as it is, and never ends the process with a signal', async () => {
    const whole = await wellUsed();
    const outcomes = { used: 0, refused: 0 };
    const faults: object[] = [];
    const look = async (seed: number): Promise<void> => {
      const folder = temporaryFolder();
      const file = join(folder, 'data.mdb');
      const { how, content } = damaged(whole, seed);
      writeFileSync(file, content);
      const { ctimeNs } = statSync(file, { bigint: true });
      const { code, signal, stdout, stderr } = await use(folder);
      const isUsed = code === 0 && /^used \d+\n$/.test(stdout);
      const isRefused =
        code === 1 && /^outbox\.options\.path: cannot open .*: data\.mdb (?:is|was) .*\n$/.test(stderr);
      const isLeft =
        readFileSync(file).equals(content) &&
        statSync(file, { bigint: true }).ctimeNs === ctimeNs &&
        !existsSync(join(folder, 'lock.mdb'));
      if (isUsed) outcomes.used += 1;
      else if (isRefused && isLeft) outcomes.refused += 1;
      else faults.push({ how, code, signal, stdout, stderr, isLeft });
    };
    const seeds = [...KNOWN, ...Array.from({ length: DAMAGES }, (_, index) => index)];
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) await look(seed);
      }),
    );
    expect(faults).toEqual([]);
    expect(outcomes.refused).toBeGreaterThan(DAMAGES / 4);
    expect(outcomes.used).toBeGreaterThan(DAMAGES / 8);
  }, 600_000);

  it('is refused by every command of the command line in words, with exit code 1', async () => {
    const home = await folderWith({ 'x.yaml': good });
    const folder = join(home, 'data');
    const file = join(folder, 'data.mdb');
    mkdirSync(folder);
    const { content } = damaged(await wellUsed(), 2);
    writeFileSync(file, content);
    for (const args of [
      ['run'],
      ['dead-letters', 'list'],
      ['dead-letters', 'show', 'id-8'],
      ['dead-letters', 'drop', '--all'],
    ]) {
      const { code, signal, stdout, stderr } = await runCli([...args, '-c', 'x.yaml'], { folder: home });
      expect({ args, code, signal }).toEqual({ args, code: 1, signal: null });
      expect(stdout + stderr).toContain('data.mdb is damaged: page ');
      expect(readFileSync(file).equals(content)).toBe(true);
      expect(readdirSync(folder)).toEqual(['data.mdb']);
    }
  });

  it('is whole as a test makes it', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'data.mdb'), await wellUsed());
    expect(await use(folder)).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(folder, 'lock.mdb'))).toBe(true);
  });
});
