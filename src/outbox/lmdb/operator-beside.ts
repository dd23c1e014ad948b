import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { PlainError } from '../../core/errors.ts';
import type { OperatorAccess } from '../../core/operator.ts';
import { type Database, FORMAT, openDatabase } from './database.js';
import { DiskRoom } from './disk-room.js';
import { cannotOpen, prepareBeside } from './folder.ts';
import { StoredOperator } from './stored-operator.ts';
import { isChange, type Step, type StepResult, take } from './operator-steps.js';

/** The lock for writing is not fair: without a pause a running sidecar might never get it. */
const PAUSE_MS = 5;

/** Signals that end or stop a process and can be caught, except SIGUSR1: Node uses that itself. */
const allSignals = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGALRM',
  'SIGUSR2',
  'SIGVTALRM',
  'SIGXCPU',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGTSTP',
] as const satisfies readonly NodeJS.Signals[];

/** Ctrl-Z: a process that is stopped in a transaction would stop all that wait for it. */
const stopSignals = ['SIGTSTP'] as const satisfies readonly NodeJS.Signals[];

/**
 * Opens what a sidecar has stored in a folder, beside that sidecar or without it. Undefined: nothing is stored there yet.
 * @throws PlainError if it cannot be opened.
 */
export async function openBeside(
  folder: string,
  access: 'read' | 'write',
): Promise<OperatorAccess | undefined> {
  try {
    if (!(await prepareBeside(folder))) return undefined;
    const readOnly = access === 'read';
    // Opening to write waits for other writers, and an operator must be able to end that.
    const database = await undisturbed(readOnly ? allSignals : [], () => openDatabase(folder, { readOnly }));
    const { root, meta } = database;
    // Opened to read only, a database without our tables gets none.
    const format = await reading(database, () => (meta as Database['meta'] | undefined)?.get('format'));
    if (format !== undefined && format <= FORMAT)
      return new BesideOperator(database, new DiskRoom(folder, database));
    await root.close();
    if (format === undefined) return undefined;
    throw new PlainError(`it was written by a newer version (format ${format}, this one knows ${FORMAT})`);
  } catch (error) {
    throw cannotOpen(folder, error);
  }
}

class BesideOperator extends StoredOperator implements OperatorAccess {
  readonly #database: Database;
  readonly #room: DiskRoom;

  constructor(database: Database, room: DiskRoom) {
    super((step) =>
      isChange(step) ? changing(database, room, step) : reading(database, () => take(database, room, step)),
    );
    this.#database = database;
    this.#room = room;
  }

  close(): Promise<void> {
    this.#room.close();
    return this.#database.root.close();
  }
}

/** Reads what is there now, and releases the snapshot that it took for that. */
function reading<T>({ root }: Database, read: () => T): Promise<T> {
  return undisturbed(allSignals, () => {
    root.resetReadTxn();
    try {
      return read();
    } finally {
      root.resetReadTxn();
    }
  });
}

/** Ctrl-Z takes effect afterwards: the sidecar would wait for a process that is stopped in a transaction. */
async function changing(database: Database, room: DiskRoom, step: Step): Promise<StepResult> {
  const result = await undisturbed(stopSignals, () => take(database, room, step));
  await pause(PAUSE_MS);
  return result;
}

/**
 * Does something that these signals must not cut short. One that came meanwhile takes effect right afterwards. The signals
 * are not held any longer: an operator must be able to end a process that waits for a terminal or a lock.
 */
async function undisturbed<T>(signals: readonly NodeJS.Signals[], work: () => T): Promise<T> {
  const come = new Set<NodeJS.Signals>();
  const note = (signal: NodeJS.Signals): void => void come.add(signal);
  for (const signal of signals) process.on(signal, note);
  try {
    return work();
  } finally {
    // Node reports signals when it polls for input, which the first of these turns need not include.
    await nextTurn();
    await nextTurn();
    for (const signal of signals) process.off(signal, note);
    for (const signal of come) process.kill(process.pid, signal);
  }
}
