import { mkdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PlainError } from '../../core/errors.ts';
import { checkFiles, closeToOthers, DATA_FILE, endedCleanly, makeFiles } from './files.ts';
import { ANOTHER_OWNER, hasOwner } from './owner.ts';
import { readThrough } from './read-through.ts';

const LITTLE_FREE_BYTES = 1024 * 1024;
/**
 * The errors of a reader while a process with the same PID reads in another container. LMDB knows readers by PID, and the
 * first process in each container has the PID 1.
 */
const SAME_NUMBER =
  /No current read transaction|No transaction to renew|(null|undefined) \(reading '(address|refCount)'\)/;

/**
 * Makes the folder ready for a sidecar. Creates it if it is missing, and refuses files that LMDB must not open.
 * @throws PlainError, NodeJS.ErrnoException
 */
export async function prepareFolder(folder: string): Promise<void> {
  // It holds what users wrote, which nobody else on this machine may read.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  checkFiles(folder);
  if (await hasOwner(folder)) throw new PlainError(ANOTHER_OWNER);
  await checkData(folder);
  makeFiles(folder);
  closeToOthers(folder);
}

/**
 * Makes the folder ready for a command, which may come beside a sidecar. Resolves to whether there are data in it.
 * @throws PlainError, NodeJS.ErrnoException
 */
export async function prepareBeside(folder: string): Promise<boolean> {
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory();
  if (isFolder === undefined) return false;
  // Asked for itself, because what a path through a file says differs between versions of Node.
  if (!isFolder) throw new PlainError('it is not a folder; set another path');
  checkFiles(folder);
  if (!hasData(folder)) return false;
  // The sidecar has looked at them.
  if (!(await hasOwner(folder))) await checkData(folder);
  makeFiles(folder);
  return true;
}

/** Reads what may be damaged: data that no sidecar has closed and nobody has touched since. */
async function checkData(folder: string): Promise<void> {
  if (hasData(folder) && !endedCleanly(folder)) await readThrough(join(folder, DATA_FILE));
}

function hasData(folder: string): boolean {
  return (statSync(join(folder, DATA_FILE), { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** The error for an operator whose folder cannot be opened: which, why, and what to do. */
export function cannotOpen(folder: string, error: unknown): PlainError {
  const reason = error instanceof PlainError ? error.message : remedyFor(folder, error as Error);
  return new PlainError(`outbox.options.path: cannot open ${folder}: ${reason}`, { cause: error });
}

/** What an operator can do about an error of LMDB or the file system, in words. */
function remedyFor(folder: string, { code, message }: NodeJS.ErrnoException): string {
  if (SAME_NUMBER.test(message)) {
    return `a process with the same number (${process.pid}) uses it from another container; run this in that container, as with "docker exec"`;
  }
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `${message}: this user (${process.getuid?.() ?? 'unknown'}) may not write there; give it the folder, or set another path`;
    case 'ENOENT':
      return `${message}: it is not there and cannot be made (is the file system read-only?); set this path to a folder that can be written`;
    case 'EROFS':
      return 'the file system is read-only; mount it writable, or set another path';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'it is not a folder; set another path';
    default:
      return isNearlyFull(folder) ? `${message} (the disk is full: make room)` : message;
  }
}

/** LMDB reports a full disk as an input/output error. */
function isNearlyFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < LITTLE_FREE_BYTES;
  } catch {
    return false;
  }
}
