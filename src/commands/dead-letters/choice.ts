import { systemClock } from '../../node/clock.ts';
import type { Fate, Matches } from '../../outbox/lmdb/dead-letter-file.ts';
import { type CommandContext, exitCodes, type Option, UsageError } from '../command.ts';
import { filterOf, filterOptions, hasFilters } from './filters.ts';
import { unknownIds, withDeadLetters } from './open.ts';

/** The options of commands that change letters: these by their ids, or with `--all` those that pass the filters. */
export const choiceOptions = {
  all: { summary: 'all of them, or all that the following choose' },
  ...filterOptions,
} as const satisfies Readonly<Record<string, Option>>;

type Choice = { readonly ids: readonly string[] } | { readonly matches: Matches | 'all' };

/**
 * Lets the letters that are meant have their fate, and says how many they were; resolves to the exit code.
 * @throws UsageError if it is not clear which are meant.
 */
export function settleChosen(context: CommandContext, fate: Fate, what: string): Promise<number> {
  const choice = choiceOf(context);
  return withDeadLetters(context, 'write', async (letters) => {
    if ('matches' in choice) {
      return told(`${counted(await letters.settleAll(choice.matches, fate), 'dead letter')} ${what}`);
    }
    const { count, unknown } = await letters.settle(choice.ids, fate);
    if (count > 0 || unknown.length === 0) told(`${counted(count, 'dead letter')} ${what}`);
    return unknown.length === 0 ? exitCodes.success : unknownIds(unknown);
  });
}

function choiceOf({ options, operands }: CommandContext): Choice {
  const isFiltered = hasFilters(options);
  if (operands.length > 0) {
    if (options['all'] === true || isFiltered) throw new UsageError('give either ids, or --all with filters');
    return { ids: [...new Set(operands)] };
  }
  if (options['all'] === true) {
    return { matches: isFiltered ? filterOf(options, systemClock.now()) : 'all' };
  }
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
