import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PlainError } from '../../core/errors.ts';

/** LMDB's magic number, in the byte order of all machines that Node runs on. */
const MAGIC = Buffer.from([0xde, 0xc0, 0xef, 0xbe]);
/** Where a meta page has it: behind the page's header. The other fields are counted from there. */
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 24;
const LAST_PAGE_AT = 120;
const TRANSACTION_AT = 128;
const META_BYTES = 136;
const LITTLE_FREE_BYTES = 1024 * 1024;
/**
 * What comes of reading while a process with the same number reads, in another container: LMDB knows readers by number,
 * and the first process in each container has the number 1.
 */
const SAME_NUMBER = /No current read transaction|No transaction to renew|null \(reading 'address'\)/;

/**
 * Makes the folder, and refuses a database file that LMDB did not write or that was cut off: LMDB maps the file into
 * memory as it is, and such a one would end the process.
 * @throws PlainError, NodeJS.ErrnoException
 */
export function prepareFolder(folder: string): void {
  // It holds what users wrote: nobody else on this machine is to read it.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let file: number;
  try {
    file = openSync(join(folder, 'data.mdb'), 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    checkFile(file, folder);
  } finally {
    closeSync(file);
  }
}

function checkFile(file: number, folder: string): void {
  const { size } = fstatSync(file);
  if (size === 0) return;
  const first = readMeta(file, 0);
  if (first === undefined) {
    throw new PlainError('data.mdb is no LMDB file; move it away, or set another path');
  }
  const second = readMeta(file, first.pageSize);
  const newest = second !== undefined && second.transaction > first.transaction ? second : first;
  const wholeSize = (newest.lastPage + 1) * newest.pageSize;
  if (second !== undefined && (size >= wholeSize || canBeRead(folder))) return;
  throw new PlainError(
    `data.mdb was cut off: it has ${size} of ${wholeSize} bytes; restore it, or move it away and lose what waits in it`,
  );
}

/** LMDB need not write pages at the end that were free again before their transaction ended. */
function canBeRead(folder: string): boolean {
  const probe = fileURLToPath(new URL('./probe.js', import.meta.url));
  return spawnSync(process.execPath, [probe, folder], { stdio: 'ignore' }).status === 0;
}

interface Meta {
  readonly pageSize: number;
  readonly lastPage: number;
  readonly transaction: number;
}

/** Of LMDB's first two pages, the one with the higher number of its transaction says what belongs to the file. */
function readMeta(file: number, position: number): Meta | undefined {
  const page = Buffer.alloc(MAGIC_AT + META_BYTES);
  const length = readSync(file, page, { position });
  const meta = page.subarray(MAGIC_AT);
  if (length < page.length || !meta.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  return {
    pageSize: meta.readUInt32LE(PAGE_SIZE_AT),
    lastPage: Number(meta.readBigUInt64LE(LAST_PAGE_AT)),
    transaction: Number(meta.readBigUInt64LE(TRANSACTION_AT)),
  };
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
