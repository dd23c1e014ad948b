import type { DeadLetterFile } from '../../outbox/lmdb/dead-letter-file.ts';
import { type CommandContext, exitCodes } from '../command.ts';
import { printable } from './print.ts';

/**
 * Does something with the dead letters of a configuration, and says on stderr if that is not possible; resolves to the
 * exit code.
 */
export async function withDeadLetters(
  { file, operands }: CommandContext,
  access: 'read' | 'write',
  use: (letters: DeadLetterFile) => Promise<number> | number,
): Promise<number> {
  // Only now, so that `--help` is quick.
  const { readOutbox } = await import('../read-section.ts');
  const outbox = await readOutbox(file);
  if (outbox === undefined) return exitCodes.badConfiguration;
  const { engine, folder } = outbox;
  if (engine !== 'lmdb') return complain(`outbox.engine: the engine ${engine} keeps no dead letters`);
  // Only now, so that the native library is loaded by nobody who does not need it.
  const { DeadLetterFile } = await import('../../outbox/lmdb/dead-letter-file.ts');
  try {
    const letters = await DeadLetterFile.open(folder, access);
    if (letters === undefined) {
      complain(`no sidecar has stored anything in ${folder} yet`);
      return operands.length === 0 ? exitCodes.success : unknownIds(operands);
    }
    try {
      const code = await use(letters);
      return letters.unreadable > 0 ? complain(unreadable(letters.unreadable)) : code;
    } finally {
      await letters.close();
    }
  } catch (error) {
    return complain((error as Error).message);
  }
}

export function unknownIds(ids: readonly string[]): number {
  return complain(
    ids
      .map((id) => `there is no dead letter ${printable(id)} (one that is being delivered again is none)`)
      .join('\n'),
  );
}

function unreadable(count: number): string {
  return `${count} more cannot be read, because their texts in data.mdb are damaged; "drop --all" removes them with all others`;
}

function complain(message: string): number {
  process.stderr.write(`${message}\n`);
  return exitCodes.failure;
}
