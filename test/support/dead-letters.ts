import { join } from 'node:path';
import type { DeadLetter } from '../../src/core/dead-letter.ts';
import type { Notification } from '../../src/core/delivery.ts';
import { Ledger } from '../../src/core/ledger.ts';
import type { Observation } from '../../src/core/observation.ts';
import { engines } from '../../src/outbox/engines/index.ts';
import { apply, FORMAT, lastKey, openDatabase } from '../../src/outbox/lmdb/database.js';
import { encodeLetter, encodeNotification, encodeSummary } from '../../src/outbox/lmdb/encoding.ts';
import { summaryOf } from '../../src/outbox/records.ts';
import { folderWith, good } from '../config/load-text.ts';
import { type CliOptions, type CliResult, runCli } from './cli.ts';
import { ManualClock } from './clock.ts';
import { leaseOne, outboxOptions } from './outbox.ts';

/** What a sidecar left behind, and the command for it. */
export interface LeftBehind {
  /** Of the outbox. */
  readonly folder: string;
  /** Runs `dead-letters …` on it. */
  run(...args: readonly string[]): Promise<CliResult>;
  /** The webhook-ids that `list` shows, in its order. */
  ids(...filters: readonly string[]): Promise<readonly string[]>;
}

/** A configuration file and, unless there is nothing to store, an outbox folder as a sidecar leaves it. */
export async function leftBehind(
  letters: readonly DeadLetter[] = [],
  waiting: readonly Notification[] = [],
): Promise<LeftBehind> {
  const home = await folderWith({ 'x.yaml': good });
  const folder = join(home, 'data');
  if (letters.length + waiting.length > 0) await store(folder, letters, waiting);
  return { folder, ...commandsFor(home) };
}

/** The commands for a folder with a configuration file `x.yaml`. */
export function commandsFor(home: string, options: CliOptions = {}): Pick<LeftBehind, 'run' | 'ids'> {
  const run = ([name = '', ...args]: readonly string[]): Promise<CliResult> =>
    runCli(['dead-letters', name, '-c', 'x.yaml', ...args], { folder: home, ...options });
  return {
    run: (...args) => run(args),
    ids: async (...filters) => {
      const { stdout } = await run(['list', '--json', ...filters]);
      return jsonLines(stdout).map((line) => String(line['webhook_id']));
    },
  };
}

export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Adds to an outbox folder, at once; resolves when the folder is closed again. */
export async function store(
  folder: string,
  letters: readonly DeadLetter[],
  waiting: readonly Notification[],
): Promise<void> {
  const database = openDatabase(folder);
  database.root.transactionSync(() => {
    database.meta.putSync('format', FORMAT);
    for (const letter of letters) {
      const { id, pool, backend } = letter.notification;
      apply(database, [
        {
          do: 'bury',
          key: undefined,
          ledger: [pool, backend],
          id,
          letter: encodeLetter(letter),
          capacity: 1_000_000,
        },
      ]);
    }
    for (const notification of waiting) {
      const { pool, backend } = notification;
      const key = lastKey(database.summaries) + 1;
      apply(database, [
        {
          do: 'add',
          key,
          ledger: [pool, backend],
          summary: encodeSummary(pool, summaryOf(notification, key), 0),
          notification: encodeNotification(notification),
        },
      ]);
    }
  });
  await database.root.close();
}

/** What the next sidecar finds in a folder. */
export interface Found {
  /** What its self-test has to say of the ledger. */
  readonly mismatches: readonly Observation[];
  /** Of the notifications that wait, in their order. */
  readonly waiting: readonly string[];
  /** Of the letters that it is to deliver again. */
  readonly redelivered: readonly string[];
  /** How many notifications were dropped since the folder was made. */
  readonly dropped: number;
}

/** Opens the folder as a sidecar does, with one pool `http_pool`. */
export async function whatTheNextFinds(folder: string): Promise<Found> {
  const observations: Observation[] = [];
  const redelivered: string[] = [];
  const store = await engines.lmdb.with({ folder }).open(
    { deadLetterCapacity: 1_000_000 },
    {
      clock: new ManualClock(),
      observe: (observation) => observations.push(observation),
      ledger: new Ledger(),
    },
  );
  const outbox = store.outbox(outboxOptions({ capacity: 1_000_000, retry: { order: 'none' } }));
  await store.start(({ notification }) => {
    redelivered.push(notification.id);
    // Not kept, so that they are there for the one after.
    return new Promise(() => undefined);
  });
  const waiting: string[] = [];
  for (let left = outbox.counts().waiting; left > 0; left -= 1) {
    const delivery = await leaseOne(outbox);
    if (delivery !== undefined) waiting.push(delivery.notification.id);
  }
  await outbox.close();
  await store.close();
  const database = openDatabase(folder);
  const dropped = [...database.ledger.getRange()].reduce((sum, { value }) => sum + value.dropped, 0);
  await database.root.close();
  return {
    mismatches: observations.filter(({ kind }) => kind === 'ledger-mismatched' || kind === 'internal-error'),
    waiting,
    redelivered,
    dropped,
  };
}
