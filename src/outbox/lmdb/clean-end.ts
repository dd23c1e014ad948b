import { fsyncSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_FILE, makePrivate, ownerOf } from './files.ts';

/**
 * The mark of a clean end: which file it was, how long, and when it changed last. Whatever happens to data.mdb later
 * (a change by anybody, a copy, a restore) makes it untrue, and so does nobody's fault.
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
