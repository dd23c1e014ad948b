import { closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Database, open as openLmdb, RootDatabase } from 'lmdb';
import type { Notification } from '../../core/delivery.ts';
import { PlainError } from '../../core/errors.ts';
import type { OutboxEngine } from '../engine.ts';
import { GroupCommit } from '../group-commit.ts';
import { LocalOutbox } from '../local-outbox.ts';
import type { Left, Records } from '../records.ts';

/** The form in which records are stored; counted up when an older version could not read it. */
const FORMAT = 1;
const MOST_POOLS = 1000;

/** One LMDB environment for the outboxes of all pools, so that they share the flushes to disk. */
interface Store {
  readonly root: RootDatabase;
  readonly commit: GroupCommit;
  users: number;
}

interface Stored {
  readonly notification: Notification;
  readonly attempts: number;
  readonly dueAtMs?: number;
}

const stores = new Map<string, Store>();

/** Keeps deliveries on disk: what was put is there after a crash of the process or of the machine. */
export const lmdb: OutboxEngine = async (options, surroundings) => {
  if (options.folder === undefined) throw new PlainError('outbox: the engine lmdb needs a folder');
  const { open } = await import('lmdb');
  const folder = resolve(options.folder);
  const store = stores.get(folder) ?? openStore(folder, open);
  stores.set(folder, store);
  store.users += 1;
  const close = async (): Promise<void> => {
    store.users -= 1;
    if (store.users > 0) return;
    stores.delete(folder);
    await store.root.close();
  };
  const database = store.root.openDB<Stored, number>(`pool:${options.pool}`, {});
  return new LocalOutbox(new LmdbRecords(database, store.commit, close), options, surroundings);
};

function openStore(folder: string, open: typeof openLmdb): Store {
  const root = openRoot(folder, open);
  const meta = root.openDB<number, string>('meta', {});
  const format = meta.get('format');
  if (format !== undefined && format > FORMAT) {
    void root.close();
    throw new PlainError(
      `outbox: ${folder} was written by a newer version (format ${format}, this one knows ${FORMAT}); run that version, or set another folder`,
    );
  }
  if (format === undefined) meta.putSync('format', FORMAT);
  return { root, commit: new GroupCommit((work) => root.transactionSync(work)), users: 0 };
}

function openRoot(folder: string, open: typeof openLmdb): RootDatabase {
  try {
    mkdirSync(folder, { recursive: true });
    refuseOtherFile(join(folder, 'data.mdb'));
    // Without overlapping flushes a commit is on disk when it is done, and a full disk is an error that can be caught.
    return open({ path: folder, noSubdir: false, maxDbs: MOST_POOLS + 1, overlappingSync: false });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PlainError(`outbox: cannot open ${folder}: ${reason}`, { cause: error });
  }
}

/** LMDB maps the file into memory as it is: one that it did not write would end the process. */
function refuseOtherFile(path: string): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    const start = Buffer.alloc(64);
    const length = readSync(file, start);
    if (length > 0 && !start.includes(Buffer.from([0xde, 0xc0, 0xef, 0xbe]))) {
      throw new PlainError('data.mdb is no LMDB file; move it away, or set another folder');
    }
  } finally {
    closeSync(file);
  }
}

class LmdbRecords implements Records {
  readonly keepsWhatIsLeft = true;
  readonly #database: Database<Stored, number>;
  readonly #commit: GroupCommit;
  readonly #close: () => Promise<void>;
  #lastKey: number;

  constructor(database: Database<Stored, number>, commit: GroupCommit, close: () => Promise<void>) {
    this.#database = database;
    this.#commit = commit;
    this.#close = close;
    const [lastKey = 0] = database.getKeys({ reverse: true, limit: 1 });
    this.#lastKey = lastKey;
  }

  *left(): Iterable<Left> {
    for (const { key, value } of this.#database.getRange()) {
      yield { key, notification: value.notification, attempts: value.attempts, dueAtMs: value.dueAtMs };
    }
  }

  async add(notification: Notification): Promise<number> {
    this.#lastKey += 1;
    const key = this.#lastKey;
    await this.#commit.do(() => this.#database.putSync(key, { notification, attempts: 0 }));
    return key;
  }

  read(key: number): Notification {
    const stored = this.#database.get(key);
    if (stored === undefined) throw new Error(`there is no record ${key} in the outbox`);
    return stored.notification;
  }

  postpone(key: number, attempts: number, dueAtMs: number): Promise<void> {
    return this.#commit.do(() => {
      const stored = this.#database.get(key);
      if (stored !== undefined) this.#database.putSync(key, { ...stored, attempts, dueAtMs });
    });
  }

  remove(key: number): Promise<void> {
    return this.#commit.do(() => this.#database.removeSync(key));
  }

  close(): Promise<void> {
    return this.#close();
  }
}
