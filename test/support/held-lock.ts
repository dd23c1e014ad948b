import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

const database = new URL('../../dist/outbox/lmdb/database.js', import.meta.url).href;

/** Ends when its stdin does, so that it never outlives the test. */
const program = (folder: string): string => `
  import { readSync, writeSync } from 'node:fs';
  import { openDatabase } from ${JSON.stringify(database)};
  openDatabase(${JSON.stringify(folder)}).root.transactionSync(() => {
    writeSync(1, 'held');
    try { readSync(0, Buffer.alloc(1)); } catch {}
  });
  process.kill(process.pid, 'SIGKILL');
`;

/** Another process that holds the database's lock for writing, as a command does that was stopped in its transaction. */
export async function holdLock(folder: string): Promise<{ release(): Promise<void> }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program(folder)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const release = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  onTestFinished(release);
  await Promise.race([once(child.stdout, 'data'), ended.then(() => Promise.reject(new Error('it ended')))]);
  return { release };
}
