import { systemClock } from '../../node/clock.ts';
import type { Changed, DeadChoice, OperatorPort, Which } from '../../core/operator.ts';
import { type Invocation, exitCodes, type Option, UsageError } from '../command.ts';
import { choiceOf, filterOptions, hasFilters } from './filters.ts';
import { unknownIds, withOperator } from './open.ts';

/** The options of commands that change letters: those with the given ids, or with `--all` those that pass the filters. */
export const choiceOptions = {
  all: { summary: 'all of them, or all that the following choose' },
  ...filterOptions,
} as const satisfies Readonly<Record<string, Option>>;

/** What a command does to the letters that are meant. */
type Change = (operator: OperatorPort, which: Which<DeadChoice>) => Promise<Changed>;

/**
 * Changes the letters that are meant, and says how many they were; resolves to the exit code.
 * @throws UsageError if it is not clear which are meant.
 */
export function changeChosen(invocation: Invocation, change: Change, what: string): Promise<number> {
  const which = whichOf(invocation);
  return withOperator(invocation, 'write', async (operator) => {
    const { count, unknown } = await change(operator, which);
    if (count > 0 || unknown.length === 0) told(`${counted(count, 'dead letter')} ${what}`);
    return unknown.length === 0 ? exitCodes.success : unknownIds(unknown);
  });
}

function whichOf({ options, operands }: Invocation): Which<DeadChoice> {
  const isFiltered = hasFilters(options);
  if (operands.length > 0) {
    if (options['all'] === true || isFiltered) throw new UsageError('give either ids, or --all with filters');
    return { ids: [...new Set(operands)] };
  }
  if (options['all'] === true) return { choice: choiceOf(options, systemClock.now()) };
  throw new UsageError(isFiltered ? 'filters need --all beside them' : 'give the ids, or --all');
}

/** Such as `1 dead letter`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Says it on stdout. */
export function told(text: string): number {
  process.stdout.write(`${text}\n`);
  return exitCodes.success;
}
