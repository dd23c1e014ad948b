import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  lchownSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PlainError } from '../../core/errors.ts';

/** A user and a group, by their numbers. */
type Owner = Pick<Stats, 'uid' | 'gid'>;

/** What LMDB opens in a folder: the data, and who reads and writes them. */
export const DATA_FILE = 'data.mdb';
export const LOCK_FILE = 'lock.mdb';

const PRIVATE = 0o600;
/** More than LMDB needs for its 126 readers. */
const LOCK_BYTES = 12_288;
/** Bits of a mode with which others than the owner may do something. */
const OTHERS = 0o077;

/**
 * Refuses files that LMDB could not open. LMDB would end the process with a signal (lmdb 3.5.6), wait at a FIFO for ever, or
 * follow links to wherever they lead.
 * @throws PlainError, NodeJS.ErrnoException
 */
export function checkFiles(folder: string): void {
  for (const name of [DATA_FILE, LOCK_FILE]) {
    const path = join(folder, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (!stats.isFile()) throw new PlainError(`${name} is ${kindOf(stats)}, not a file; move it away`);
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EACCES') throw error;
      const mode = (stats.mode & 0o777).toString(8);
      throw Object.assign(new Error(`${code}: ${name} belongs to user ${stats.uid} with mode ${mode}`), {
        code,
      });
    }
  }
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a link';
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/**
 * Makes the files that are missing, for the sidecar's user alone, whatever the umask is. Files made by root belong to the
 * owner of the data or of the folder, so that root never locks out a sidecar.
 */
export function makeFiles(folder: string): void {
  const owner = ownerOf(folder);
  makeFile(join(folder, DATA_FILE), '', owner);
  // Zeros that are really written: LMDB maps it, and on a full disk a hole in it ends the process with a signal.
  makeFile(join(folder, LOCK_FILE), Buffer.alloc(LOCK_BYTES), owner);
}

/** The owner for new files: that of the data or, before there are any, of the folder. */
export function ownerOf(folder: string): Owner {
  return statSync(join(folder, DATA_FILE), { throwIfNoEntry: false }) ?? statSync(folder);
}

/** Removes permissions that an earlier version or a copy gave to others by its umask. */
export function closeToOthers(folder: string): void {
  for (const name of [DATA_FILE, LOCK_FILE]) {
    const path = join(folder, name);
    const { mode, uid } = statSync(path);
    if ((mode & OTHERS) !== 0 && uid === process.geteuid?.()) chmodSync(path, PRIVATE);
  }
}

/** Makes a file with this content, unless there is one that is not empty. */
function makeFile(path: string, content: string | Buffer, owner: Owner): void {
  // Opened only if needed: to close it would end LMDB's locks on it, if this process had it open (fcntl(2)).
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) create(path, owner);
  else if (size > 0) return;
  const file = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    fill(file, content);
  } finally {
    closeSync(file);
  }
}

function create(path: string, owner: Owner): void {
  try {
    closeSync(openSync(path, 'wx', PRIVATE));
    makePrivate(path, owner);
  } catch (error) {
    // Somebody else has made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function fill(file: number, content: string | Buffer): void {
  try {
    writeFileSync(file, content);
  } catch (error) {
    // Half of it would be taken for the whole.
    ftruncateSync(file);
    throw error;
  }
}

/** Gives what was just made to its owner, if this is root, and to nobody else; follows no link. */
export function makePrivate(path: string, { uid, gid }: Owner): void {
  chmodSync(path, PRIVATE);
  if (process.geteuid?.() !== 0 || uid === 0) return;
  try {
    lchownSync(path, uid, gid);
  } catch {
    // Some network file systems do not let root do that; there nobody is locked out by root's files.
  }
}

/**
 * The mark of a clean end: which file it was, its length, and when it changed last. Whatever happens to data.mdb later (a
 * change by anybody, a copy, a restore) makes the mark untrue.
 */
const MARK_FILE = 'clean-end';

/** To be called when the database was closed. */
export function markCleanEnd(folder: string): void {
  try {
    const path = join(folder, MARK_FILE);
    rmSync(path, { force: true });
    writeFileSync(path, stateOf(folder), { flag: 'wx' });
    makePrivate(path, ownerOf(folder));
  } catch {
    // On a full disk, say: the next start then reads the whole file.
  }
}

/** Whether nobody has touched the data since a sidecar ended as it should. */
export function endedCleanly(folder: string): boolean {
  try {
    return readFileSync(join(folder, MARK_FILE), 'utf8') === stateOf(folder);
  } catch {
    return false;
  }
}

/**
 * To be called before anything is written.
 * @param handle The open folder.
 */
export function forgetCleanEnd(folder: string, handle: number): void {
  rmSync(join(folder, MARK_FILE), { force: true });
  // A power failure could bring it back, and the time of the data's last change with it.
  fsyncSync(handle);
}

function stateOf(folder: string): string {
  const { ino, size, ctimeNs } = statSync(join(folder, DATA_FILE), { bigint: true });
  return `${ino} ${size} ${ctimeNs}\n`;
}
