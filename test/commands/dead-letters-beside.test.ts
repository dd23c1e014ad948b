import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DeadLetter } from '../../src/core/dead-letter.ts';
import { type Database, openDatabase } from '../../src/outbox/lmdb/database.js';
import { good } from '../config/load-text.ts';
import { startCli } from '../support/cli.ts';
import { commandsFor, leftBehind, whatTheNextFinds } from '../support/dead-letters.ts';
import { notification } from '../support/notification.ts';
import { seededRandom } from '../support/random.ts';
import { once } from '../support/wait.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Starts a program as a container does: as the first of its processes, which has the number 1. */
const asFirst = ['unshare', '--pid', '--fork', '--kill-child'];
const canBeFirst = spawnSync(asFirst[0]!, [...asFirst.slice(1), 'true']).status === 0;

function letters(count: number, body = 'x'.repeat(300)): DeadLetter[] {
  return Array.from({ length: count }, (_, index) => ({
    notification: notification({ id: `id-${index}`, body }),
    reason: 'rejected',
    diedAtMs: 1,
    attempts: 1,
  }));
}

/** Opens the database beside a command, until the test is over. */
function openBeside(folder: string): Database {
  const database = openDatabase(folder);
  onTestFinished(() => database.root.close());
  return database;
}

/** The processes that hold a snapshot, so that LMDB may not use again what was free since. */
function holders({ root }: Database): number[] {
  root.resetReadTxn();
  const list = String(root.readerList());
  return [...list.matchAll(/^\s*(\d+) \S+ \d+$/gm)].map(([, pid]) => Number(pid));
}

describe('a command that is ended while it reads', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends by %s itself, and leaves no snapshot',
    async (signal) => {
      const { folder } = await leftBehind(letters(30_000));
      const home = join(folder, '..');
      const database = openBeside(folder);
      const random = seededRandom(signal.length * 1009);
      let ended = 0;
      for (let round = 0; round < 6; round += 1) {
        const output = join(home, `output-${round}`);
        // Into a file: nobody takes what it writes more slowly than it reads.
        const list = startCli(['dead-letters', 'list', '--json', '-c', 'x.yaml'], {
          folder: home,
          stdout: output,
        });
        await expect.poll(() => statSync(output).size, { interval: 1, timeout: 20_000 }).toBeGreaterThan(0);
        await pause(random(100));
        list.process.kill(signal);
        const result = await list.ended;
        if (result.code === 0) continue;
        ended += 1;
        expect(result).toMatchObject({ code: null, signal, stderr: '' });
        expect(holders(database)).not.toContain(list.process.pid);
      }
      expect(ended).toBeGreaterThan(0);
    },
  );

  it('does not have the file grow: what is delivered after it takes no more room', async () => {
    const { folder } = await leftBehind(letters(30_000));
    const home = join(folder, '..');
    const database = openBeside(folder);
    for (let round = 0; round < 4; round += 1) {
      const output = join(home, `output-${round}`);
      const list = startCli(['dead-letters', 'list', '-c', 'x.yaml'], { folder: home, stdout: output });
      await expect.poll(() => statSync(output).size, { interval: 1, timeout: 20_000 }).toBeGreaterThan(0);
      list.process.kill('SIGINT');
      await list.ended;
    }
    const file = join(folder, 'data.mdb');
    const text = 'x'.repeat(4000);
    const churn = (): void => {
      for (let count = 0; count < 500; count += 1) {
        database.notifications.putSync(1, text);
        database.notifications.removeSync(1);
      }
    };
    churn();
    const before = statSync(file).size;
    churn();
    expect(statSync(file).size).toBe(before);
  });
});

describe('a command that is stopped while it changes letters', () => {
  it('does not hold the lock for writing: Ctrl-Z waits for the end of a transaction', async () => {
    const { folder } = await leftBehind(letters(20_000));
    const { root, letters: table } = openBeside(folder);
    const count = (): number => {
      root.resetReadTxn();
      return (table.getStats() as { entryCount: number }).entryCount;
    };
    const home = join(folder, '..');
    const random = seededRandom(5);
    let stopped = 0;
    for (let round = 0; round < 5; round += 1) {
      const before = count();
      if (before < 5000) break;
      // As a job of a shell that lives: others do not stop at this signal.
      const command = `set -m; ${process.execPath} ${main} dead-letters redeliver --all -c x.yaml >output 2>&1 & echo $!; read`;
      const shell = spawn('bash', ['-c', command], { cwd: home, stdio: ['pipe', 'pipe', 'ignore'] });
      const closed = once(shell, 'close');
      const [line] = (await once(shell.stdout.setEncoding('utf8'), 'data')) as [string];
      const pid = Number(line);
      onTestFinished(() => void spawnSync('kill', ['-9', String(pid)]));
      await expect.poll(count, { interval: 1, timeout: 20_000 }).toBeLessThan(before);
      await pause(random(20));
      process.kill(pid, 'SIGTSTP');
      await expect.poll(() => stateOf(pid), { timeout: 20_000 }).toMatch(/[TZ-]/);
      if (stateOf(pid) === 'T') stopped += 1;
      expect(isLockFree(folder)).toBe(true);
      spawnSync('kill', ['-9', String(pid)]);
      shell.stdin.end();
      await closed;
    }
    expect(stopped).toBeGreaterThan(0);
  });
});

/** Of a process: R, S, T (stopped), Z; - if there is none. */
function stateOf(pid: number): string {
  try {
    return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '-';
  } catch {
    return '-';
  }
}

/** Whether another process can write. */
function isLockFree(folder: string): boolean {
  const database = fileURLToPath(new URL('../../src/outbox/lmdb/database.js', import.meta.url));
  const program = `
    const { openDatabase } = await import(${JSON.stringify(database)});
    const { root, meta } = openDatabase(${JSON.stringify(folder)});
    root.transactionSync(() => meta.putSync('probe', 1));
    await root.close();`;
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  return status === 0;
}

describe('a command that changes many letters', () => {
  it.each([
    ['redeliver', 'will be delivered again'],
    ['drop', 'dropped'],
  ])('%s: by ids and with --all, changes at most 500 in a transaction', async (command, what) => {
    const { folder, run, ids } = await leftBehind(letters(3400));
    const database = openBeside(folder);
    const named = Array.from({ length: 1700 }, (_, index) => `id-${index * 2}`);
    const before = transactionsOf(database);
    expect(await run(command, ...named)).toMatchObject({ code: 0, stdout: `1700 dead letters ${what}\n` });
    const between = transactionsOf(database);
    expect(between - before).toBeGreaterThanOrEqual(4);
    expect(await run(command, '--all')).toMatchObject({ code: 0, stdout: `1700 dead letters ${what}\n` });
    expect(transactionsOf(database) - between).toBeGreaterThanOrEqual(4);
    expect(await ids()).toEqual([]);
    await database.root.close();
    const { redelivered, mismatches } = await whatTheNextFinds(folder);
    expect(mismatches).toEqual([]);
    expect(redelivered).toHaveLength(command === 'drop' ? 0 : 1000);
  });

  it('changes nothing if one of many ids is unknown', async () => {
    const { folder, run } = await leftBehind(letters(1200));
    const named = Array.from({ length: 1200 }, (_, index) => `id-${index}`);
    const { code, stdout, stderr } = await run('drop', ...named, 'nobody');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^there is no dead letter nobody .*\n$/);
    const { ids } = commandsFor(join(folder, '..'));
    expect(await ids()).toHaveLength(1200);
  });
});

/** How many transactions were committed so far. */
function transactionsOf({ root }: Database): number {
  root.resetReadTxn();
  return Number((root.getStats() as { lastTxnId: number }).lastTxnId);
}

describe('letters whose text is damaged', () => {
  it('are told of, hide no others, and can be dropped', async () => {
    const { folder, run, ids } = await leftBehind(letters(5));
    const database = openDatabase(folder);
    const text = database.letters.get(3)!;
    database.letters.putSync(3, text.replace('"reason"', '"rea\u0000son'));
    await database.root.close();
    const list = await run('list');
    expect(list).toMatchObject({ code: 1, stderr: expect.stringMatching(/^1 more cannot be read/) });
    expect(list.stdout.split('\n')).toHaveLength(5);
    expect(await ids()).toEqual(['id-0', 'id-1', 'id-3', 'id-4']);
    expect(await run('show', 'id-2')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^the dead letter id-2 cannot be read: its text is damaged\n/),
    });
    expect(await run('show', 'id-3')).toMatchObject({ code: 0 });
    expect(await run('redeliver', '--all')).toMatchObject({
      code: 1,
      stdout: '4 dead letters will be delivered again\n',
    });
    expect(await run('drop', '--all')).toMatchObject({ code: 0, stdout: '1 dead letter dropped\n' });
    expect(await run('list')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });
});

describe.skipIf(!canBeFirst)('a command in another container than the sidecar', () => {
  it.each(['list', 'drop --all'])(
    'whose process has the same number says where to run it: %s',
    async (command) => {
      const { folder } = await leftBehind(letters(3));
      const home = join(folder, '..');
      const file = join(home, 'sidecar.yaml');
      writeFileSync(file, `${good}telemetry: { listen: 127.0.0.1:0 }\n`);
      const sidecar = spawn(asFirst[0]!, [...asFirst.slice(1), process.execPath, main, 'run', '-c', file], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      onTestFinished(() => void sidecar.kill('SIGKILL'));
      for await (const line of createInterface(sidecar.stdout))
        if (line.includes('telemetry-listening')) break;
      const options = [...command.split(' '), '-c', 'x.yaml'];
      const [program = '', ...rest] = [...asFirst, process.execPath, main, 'dead-letters', ...options];
      const child = spawn(program, rest, { cwd: home, stdio: ['ignore', 'ignore', 'pipe'] });
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      const [code] = (await once(child, 'close')) as [number];
      expect(stderr).toMatch(/cannot open .*another container; run this in that container/);
      expect(stderr).not.toContain('TypeError');
      expect(code).toBe(1);
    },
    60_000,
  );
});
