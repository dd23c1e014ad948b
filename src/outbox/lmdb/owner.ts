import { once } from 'node:events';
import { closeSync, openSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { PlainError } from '../../core/errors.ts';

const NAME = 'owner.sock';

/** The right to be the only sidecar that works on a folder. */
export interface Ownership {
  release(): Promise<void>;
}

/**
 * Makes this process the folder's owner. It listens on a socket in the folder: unlike a process number, that tells
 * also over the borders of containers whether the owner lives, and it ends with the owner, however that dies.
 * @throws PlainError if another sidecar owns it.
 */
export async function own(folder: string): Promise<Ownership> {
  // Through the open folder, because the path of a socket may not be longer than 107 bytes.
  const handle = openSync(folder, 'r');
  const path = `/proc/self/fd/${handle}/${NAME}`;
  try {
    const server = (await listen(path)) ?? (await takeOver(path));
    server.unref();
    return {
      release: async () => {
        // Node removes the file by itself.
        server.close();
        await once(server, 'close');
        closeSync(handle);
      },
    };
  } catch (error) {
    closeSync(handle);
    throw error;
  }
}

async function takeOver(path: string): Promise<net.Server> {
  if (!(await isDeaf(path))) {
    throw new PlainError('another sidecar works on it; stop that one, or set another path');
  }
  unlinkSync(path);
  const server = await listen(path);
  if (server === undefined) throw new PlainError('another sidecar has just started to work on it');
  return server;
}

/** Undefined if there is such a file already. */
async function listen(path: string): Promise<net.Server | undefined> {
  const server = net.createServer((socket) => socket.destroy());
  try {
    server.listen(path);
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

/** Whether nobody listens there any more. */
function isDeaf(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });
}
