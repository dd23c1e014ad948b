import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, rmSync } from 'node:fs';
import net from 'node:net';
import { PlainError } from '../../core/errors.ts';
import { openDatabase } from './database.js';

/** The right to be the only sidecar that works on a folder. */
export interface Ownership {
  release(): Promise<void>;
}

/**
 * Makes this process the folder's owner. It listens on a socket in the folder, whose name the database holds: unlike a
 * process number, that tells also over the borders of containers whether the owner lives, and it ends with the owner,
 * however that dies. Of several who would follow a dead one, the database lets one.
 * @throws PlainError if another sidecar owns it.
 */
export async function own(folder: string): Promise<Ownership> {
  // Through the open folder, because the path of a socket may not be longer than 107 bytes.
  const handle = openSync(folder, 'r');
  const pathOf = (name: string): string => `/proc/self/fd/${handle}/${name}`;
  const name = `owner-${randomUUID()}.sock`;
  const server = net.createServer((socket) => socket.destroy());
  const release = async (): Promise<void> => {
    // Node removes the file by itself.
    server.close();
    await once(server, 'close');
    closeSync(handle);
  };
  server.listen(pathOf(name));
  await once(server, 'listening');
  server.unref();
  try {
    await takeOver(folder, name, pathOf);
  } catch (error) {
    await release();
    throw error;
  }
  return { release };
}

/** Enters `name` as the owner, unless the one that is entered lives. */
async function takeOver(folder: string, name: string, pathOf: (name: string) => string): Promise<void> {
  const { root, owner } = openDatabase(folder);
  try {
    for (;;) {
      // In a transaction that writes: for one that reads, LMDB would take a sidecar in another container for this process.
      const former = root.transactionSync(() => owner.get('socket'));
      if (former !== undefined && (await isAlive(pathOf(former)))) {
        throw new PlainError('another sidecar works on it; stop that one, or set another path');
      }
      const isEntered = root.transactionSync(() => {
        if (owner.get('socket') !== former) return false;
        owner.putSync('socket', name);
        return true;
      });
      if (!isEntered) continue;
      if (former !== undefined) rmSync(pathOf(former), { force: true });
      return;
    }
  } finally {
    await root.close();
  }
}

/** Whether somebody listens there. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
