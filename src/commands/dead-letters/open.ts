import type { OperatorPort } from '../../core/operator.ts';
import { type Invocation, exitCodes } from '../command.ts';
import { printable } from './print.ts';

/**
 * Opens the operator port of a configuration's store, and uses it. Says on stderr if that is not possible. Resolves to the
 * exit code.
 */
export async function withOperator(
  { file, operands }: Invocation,
  access: 'read' | 'write',
  use: (operator: OperatorPort) => Promise<number>,
): Promise<number> {
  // Only now, so that `--help` is quick.
  const { readSection } = await import('../configuration.ts');
  const outbox = await readSection('outbox', file);
  if (outbox === undefined) return exitCodes.badConfiguration;
  const { engine } = outbox;
  try {
    const operator = await engine.openBeside(access);
    if (operator === undefined) {
      complain(`no sidecar has stored anything in ${Object.values(engine.place).join(' ')} yet`);
      return operands.length === 0 ? exitCodes.success : unknownIds(operands);
    }
    try {
      const code = await use(operator);
      return operator.damaged > 0 ? complain(damaged(operator.damaged)) : code;
    } finally {
      await operator.close();
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

function damaged(count: number): string {
  return `${count} more cannot be read, because their texts in data.mdb are damaged; "drop --all" removes them with all others`;
}

function complain(message: string): number {
  process.stderr.write(`${message}\n`);
  return exitCodes.failure;
}
