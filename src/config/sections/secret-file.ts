import { stat } from 'node:fs/promises';
import type { ProblemText } from '../../schema/problem-codes.ts';
import { meaning, pathFrom } from '../../schema/values.ts';
import { EncodingError, readTextFile } from '../reader/text-file.ts';

/** The path of a secret file; gives the absolute path, and the secret as it was when the configuration was read. */
export function secretFile(folder: string) {
  return pathFrom(folder).transform(
    meaning(async (path) => {
      const read = await readSecretFile(path);
      return 'secret' in read ? { value: { path, secret: read.secret } } : read;
    }),
  );
}

/** What all servers hash alike in the handshake (XEP-0114, section 3). */
export function secretForm(text: string): string | undefined {
  if (text === '') return 'must not be empty: the server has one for this component';
  if (/[\r\n]/.test(text)) return 'must be one line: remove the others';
  if (text !== text.trim())
    return 'must not begin or end with white space: servers take it for a part of the secret';
  if (/\p{Cc}/u.test(text)) return 'must not hold control characters (a tab, an escape)';
  // oxlint-disable-next-line no-control-regex -- ASCII is meant
  if (/^[\x00-\x7f]*$/.test(text)) return undefined;
  return (
    'holds characters outside ASCII: XEP-0114 does not say how they become the bytes that are hashed, and ' +
    'implementations differ; choose an ASCII secret, here and in the server'
  );
}

/**
 * Reads a secret from a file; one newline at its end is not part of it. What is wrong is said without the path, which
 * is a secret if somebody took the key for the other one.
 */
async function readSecretFile(path: string): Promise<{ secret: string } | ProblemText> {
  try {
    const stats = await stat(path);
    // Reading a FIFO might wait without end, or remove the secret, which is read again at each connect.
    if (!stats.isFile() && !stats.isDirectory()) {
      return { code: 'unreadable-secret-file', message: 'names a FIFO or a device, not a file' };
    }
    const { text, hasMark } = await readTextFile(path);
    if (hasMark)
      return unusable('begins with a byte order mark, which the server does not have: save it without one');
    const secret = text.replace(/\r?\n$/, '');
    const message = secretForm(secret);
    return message === undefined ? { secret } : unusable(`holds a secret that is not usable: it ${message}`);
  } catch (error) {
    if (error instanceof EncodingError) return unusable(`names a file that ${error.message}`);
    const message = await unreadableMessage(path, (error as NodeJS.ErrnoException).code);
    return { code: 'unreadable-secret-file', message };
  }
}

/**
 * The secret of a configuration, for a connection that begins: its file may have changed since the connection before.
 * If the file cannot be used just now (it is being replaced), the secret stays as it was.
 */
export function secretReader(component: {
  readonly secret: string;
  readonly secretFile?: string;
}): () => Promise<string> {
  let { secret } = component;
  return async () => {
    const { secretFile: path } = component;
    const read = path === undefined ? undefined : await readSecretFile(path);
    if (read !== undefined && 'secret' in read) ({ secret } = read);
    return secret;
  };
}

function unusable(message: string): ProblemText {
  return { code: 'invalid-secret', message };
}

async function unreadableMessage(path: string, code: string | undefined): Promise<string> {
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return 'names a file that does not exist: relative paths begin at the folder of this configuration file';
  }
  if (code === 'EISDIR') return 'names a folder: name the file in it';
  if (code !== 'EACCES' && code !== 'EPERM')
    return `names a file that cannot be read (${code ?? 'unknown error'})`;
  const uid = process.geteuid?.() ?? 'unknown';
  const owner = await stat(path).catch(() => undefined);
  if (owner === undefined) {
    return `names a file in a folder that this process (uid ${uid}) may not enter: give it access (chmod o+x)`;
  }
  const mode = (owner.mode & 0o777).toString(8).padStart(4, '0');
  return (
    `names a file that this process (uid ${uid}) may not read: it belongs to uid ${owner.uid} and has mode ${mode}; ` +
    `make it readable for uid ${uid} (chown ${uid}, or chmod 0444; secrets of Compose keep the mode of the host's file)`
  );
}
