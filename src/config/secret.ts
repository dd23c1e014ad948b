import { stat } from 'node:fs/promises';
import type { ComponentConfiguration } from './configuration.ts';
import { secretForm } from './forms.ts';
import type { ProblemText } from './messages.ts';
import { EncodingError, readTextFile } from './text-file.ts';

/**
 * Reads a secret from a file; one newline at its end is not part of it. What is wrong is said without the path, which
 * is a secret if somebody took the key for the other one.
 */
export async function readSecretFile(path: string): Promise<{ secret: string } | ProblemText> {
  try {
    const stats = await stat(path);
    // Reading a FIFO would wait for ever, or take the secret out of it; it is read again at each connect.
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
 * The secret of a configuration, for a connection that begins: its file may have been changed since the last one. A file
 * that is of no use just now, as in the middle of being replaced, leaves the secret as it was.
 */
export function secretReader({ secret: first, secretFile }: ComponentConfiguration): () => Promise<string> {
  let secret = first;
  return async () => {
    const read = secretFile === undefined ? undefined : await readSecretFile(secretFile);
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
