import { closeSync, fstatSync, mkdirSync, openSync, readSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { PlainError } from '../../core/errors.ts';

/** LMDB's magic number, in the byte order of all machines that Node runs on; it follows the header of the first page. */
const MAGIC = Buffer.from([0xde, 0xc0, 0xef, 0xbe]);
const FIRST_BYTES = 64;
const LITTLE_FREE_BYTES = 1024 * 1024;

/**
 * Makes the folder, and refuses a database file that LMDB did not write or that was cut off: LMDB maps the file into
 * memory as it is, and such a one would end the process.
 * @throws PlainError, NodeJS.ErrnoException
 */
export function prepareFolder(folder: string): void {
  mkdirSync(folder, { recursive: true });
  let file: number;
  try {
    file = openSync(join(folder, 'data.mdb'), 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    checkFile(file);
  } finally {
    closeSync(file);
  }
}

function checkFile(file: number): void {
  const { size } = fstatSync(file);
  if (size === 0) return;
  const start = Buffer.alloc(FIRST_BYTES);
  readSync(file, start, { position: 0 });
  if (!start.includes(MAGIC)) {
    throw new PlainError('data.mdb is no LMDB file; move it away, or set another path');
  }
}

/** What an operator can do about an error of the file system, in words. */
export function remedyFor(folder: string, { code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `${message}: this user (${process.getuid?.() ?? 'unknown'}) may not write there; give it the folder, or set another path`;
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
export function isNearlyFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < LITTLE_FREE_BYTES;
  } catch {
    return false;
  }
}
