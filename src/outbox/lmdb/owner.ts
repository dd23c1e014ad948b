import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { PlainError } from '../../core/errors.ts';
import { openDatabase } from './database.js';
import { forgetCleanEnd, makePrivate, markCleanEnd, ownerOf } from './files.ts';

/** The right to be the only sidecar that works on a folder. */
export interface Ownership {
  /** To be called when the database is closed: the end is a clean one. */
  release(): Promise<void>;
  /** Lets go of the folder, and says nothing of its data. */
  abandon(): Promise<void>;
}

export const ANOTHER_OWNER = 'another sidecar works on it; stop that one, or set another path';

/** The names of owners' sockets. */
const SOCKET = /^owner-.*\.sock$/;

/**
 * Makes this process the folder's owner. It listens on a socket in the folder, whose name the database holds. Unlike a PID,
 * a socket shows also across containers whether the owner lives, and it ends with the owner, however that dies. Of several
 * that want to follow a dead owner, the database lets one.
 * @throws PlainError if another sidecar owns it.
 */
export async function own(folder: string): Promise<Ownership> {
  const handle = openSync(folder, 'r');
  const name = `owner-${randomUUID()}.sock`;
  const server = net.createServer((socket) => socket.destroy());
  const abandon = async (): Promise<void> => {
    // Node removes the file by itself.
    server.close();
    await once(server, 'close');
    closeSync(handle);
  };
  server.listen(pathIn(handle, name));
  await once(server, 'listening');
  server.unref();
  try {
    makePrivate(join(folder, name), ownerOf(folder));
    forgetCleanEnd(folder, handle);
    await takeOver(folder, name, handle);
  } catch (error) {
    await abandon();
    throw error;
  }
  const release = (): Promise<void> => {
    markCleanEnd(folder);
    return abandon();
  };
  return { release, abandon };
}

/** Through the open folder, because the path of a socket may not be longer than 107 bytes. */
function pathIn(handle: number, name: string): string {
  return `/proc/self/fd/${handle}/${name}`;
}

/** Whether a sidecar works on the folder, or begins to. Does not look into the database, which may be damaged. */
export async function hasOwner(folder: string): Promise<boolean> {
  const handle = openSync(folder, 'r');
  try {
    for (const name of readdirSync(folder).filter((file) => SOCKET.test(file))) {
      if (await isAlive(handle, name)) return true;
    }
    return false;
  } finally {
    closeSync(handle);
  }
}

/** Enters `name` as the owner, unless the owner that is entered lives. */
async function takeOver(folder: string, name: string, handle: number): Promise<void> {
  const { root, owner } = openDatabase(folder);
  try {
    for (;;) {
      // In a transaction that writes: for one that reads, LMDB would take a sidecar in another container for this process.
      const former = root.transactionSync(() => owner.get('socket'));
      if (former !== undefined && (await isAlive(handle, former))) {
        throw new PlainError(ANOTHER_OWNER);
      }
      const isEntered = root.transactionSync(() => {
        if (owner.get('socket') !== former) return false;
        owner.putSync('socket', name);
        return true;
      });
      if (!isEntered) continue;
      await removeDead(folder, handle);
      return;
    }
  } finally {
    await root.close();
  }
}

/** Removes the sockets of owners that were killed. */
async function removeDead(folder: string, handle: number): Promise<void> {
  for (const name of readdirSync(folder).filter((file) => SOCKET.test(file))) {
    if (!(await isAlive(handle, name))) rmSync(join(folder, name), { force: true });
  }
}

/**
 * Whether somebody listens there.
 * @throws PlainError if this user may not know.
 */
function isAlive(handle: number, name: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(pathIn(handle, name));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'EACCES') {
        reject(
          new PlainError(
            `${name} is another user's: stop that one's sidecar, or if it has none, remove the file`,
          ),
        );
      } else resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}
