// @ts-check
import { statSync } from 'node:fs';
import { join } from 'node:path';

/** The files that LMDB keeps open; a second process finds them by their names. */
const NAMES = ['data.mdb', 'lock.mdb'];

/**
 * Which files were opened. What is written to a removed file is lost, and with another lock file a second process would
 * write at the same time. Asked by name alone: to close a descriptor of `lock.mdb` would drop LMDB's own locks on it
 * (fcntl(2)).
 */
export class FileIdentity {
  /** @type {string} */
  #folder;
  /** @type {string} */
  #opened;

  /** @param {string} folder */
  constructor(folder) {
    this.#folder = folder;
    this.#opened = identityOf(folder);
  }

  /**
   * Why nothing may be written any more; undefined while the files are there.
   * @returns {string | undefined}
   */
  problem() {
    if (identityOf(this.#folder) === this.#opened) return undefined;
    return 'its data.mdb or lock.mdb was removed, moved or replaced while the sidecar runs, or cannot be looked at; put it back, or restart the sidecar';
  }
}

/**
 * @param {string} folder
 * @returns {string}
 */
function identityOf(folder) {
  try {
    const stats = NAMES.map((name) => statSync(join(folder, name), { bigint: true }));
    return stats.map(({ dev, ino }) => `${dev}:${ino}`).join(' ');
  } catch {
    return 'none';
  }
}
