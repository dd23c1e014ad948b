import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import type { OperatorAccess } from '../../src/core/operator.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import type { DeadLetter } from '../../src/core/dead-letter.ts';
import { type Database, openDatabase } from '../../src/outbox/lmdb/database.js';
import { decodeLetter, decodeNotification } from '../../src/outbox/lmdb/encoding.ts';
import { engines } from '../../src/outbox/engines/index.ts';
import { ManualClock } from './clock.ts';
import { leaseOne, outboxOptions } from './outbox.ts';
import type { Said } from './putter.ts';

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface OpenOptions {
  readonly pools?: readonly string[];
  readonly deadLetterCapacity?: number;
}

/** Opens a folder with the engine lmdb, and closes it after the test if the test did not. */
export async function openFolder(folder: string, options: OpenOptions = {}) {
  const { pools = ['http_pool'], deadLetterCapacity = 1000 } = options;
  const ledger = new Ledger();
  // A minute from now, so that what another process has put aside is due.
  const clock = new ManualClock(Date.now() + 60_000);
  const observed: Observation[] = [];
  const store = await engines.lmdb
    .with({ folder })
    .open(
      { deadLetterCapacity },
      { clock, ledger, observe: (observation) => void observed.push(observation) },
    );
  const outboxes = pools.map((pool) =>
    store.outbox(outboxOptions({ pool, capacity: 1_000_000, retry: { order: 'none' } })),
  );
  await store.start(() => Promise.resolve());
  const close = async (): Promise<void> => {
    await Promise.all(outboxes.map((outbox) => outbox.close()));
    await store.close();
  };
  onTestFinished(close);
  return {
    store,
    clock,
    ledger,
    outbox: outboxes[0]!,
    outboxes,
    observed: observed as readonly Observation[],
    /** The kinds of what was observed so far. */
    kinds: () => observed.map(({ kind }) => kind),
    close,
  };
}

/** The operator port of a folder in which something is stored, beside whoever works on it. */
export async function operatorOf(folder: string): Promise<OperatorAccess> {
  return (await engines.lmdb.with({ folder }).openBeside('write'))!;
}

/** The ids of all that waits in an outbox and is due, handed out. */
export async function idsIn(outbox: Outbox): Promise<string[]> {
  const ids: string[] = [];
  for (let { waiting } = outbox.counts(); waiting > 0; waiting -= 1) {
    const { notification } = (await leaseOne(outbox))!;
    expect(notification.body.slice(0, notification.id.length)).toBe(notification.id);
    ids.push(notification.id);
  }
  return ids;
}

/** What a folder holds that no process works on. */
export interface Content {
  /** The ids of the notifications in it, in the order in which they were accepted. */
  readonly stored: readonly string[];
  readonly letters: readonly DeadLetter[];
  /** The sums of the ledger's rows. */
  readonly ledger: Record<'accepted' | 'delivered' | 'dead' | 'dropped', number>;
}

/** Reads a folder without the engine's own reading of it, and without changing it. */
export async function readFolder(folder: string): Promise<Content> {
  const database = openDatabase(folder, { readOnly: true });
  try {
    return contentOf(database);
  } finally {
    await database.root.close();
  }
}

function contentOf({ notifications, letters, ledger }: Database): Content {
  const sums = { accepted: 0, delivered: 0, dead: 0, dropped: 0 };
  for (const { value } of ledger.getRange()) {
    for (const state of Object.keys(sums) as (keyof typeof sums)[]) sums[state] += value[state];
  }
  return {
    stored: [...notifications.getRange()].map(({ value }) => decodeNotification(value).id),
    letters: [...letters.getRange()].map(({ value }) => decodeLetter(value)),
    ledger: sums,
  };
}

/** Opens a folder and asserts that it holds what putters said, at least and without contradiction. */
export async function expectKept(folder: string, said: readonly Said[]): Promise<{ surplus: number }> {
  const { outbox, close, kinds } = await openFolder(folder);
  expect(kinds().filter((kind) => /mismatched|error|dropped/.test(kind))).toEqual([]);
  const found = await idsIn(outbox);
  await close();
  const { letters } = await readFolder(folder);
  const dead = letters.map(({ notification }) => notification.id);
  const stored = new Set(found);
  const buried = new Set(dead);
  expect(stored.size, 'stored twice').toBe(found.length);
  expect(buried.size, 'dead twice').toBe(dead.length);
  expect(dead.filter((id) => stored.has(id))).toEqual([]);
  const union = (state: keyof Said): string[] => said.flatMap((each) => [...each[state]]);
  const settling = new Set(union('settling'));
  expect(
    union('accepted').filter((id) => !stored.has(id) && !settling.has(id)),
    'accepted, and not there',
  ).toEqual([]);
  expect(
    union('delivered').filter((id) => stored.has(id)),
    'delivered, and still there',
  ).toEqual([]);
  expect(
    union('dead').filter((id) => !buried.has(id)),
    'dead, and no dead letter',
  ).toEqual([]);
  const accepted = new Set(union('accepted'));
  return { surplus: found.filter((id) => !accepted.has(id)).length };
}
