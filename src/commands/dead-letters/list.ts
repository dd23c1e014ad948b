import type { DeadLetter } from '../../core/dead-letter.ts';
import { systemClock } from '../../node/clock.ts';
import { type Command, exitCodes } from '../command.ts';
import { choiceOf, filterOptions } from './filters.ts';
import { withOperator } from './open.ts';
import { heading, jsonOf, recordOf, rowOf } from './print.ts';

export const list: Command = {
  summary: 'lists the dead letters, one a line, the newest last; without their bodies',
  takesFile: true,
  options: { json: { summary: 'one JSON object a line' }, ...filterOptions },
  run(invocation) {
    const { options } = invocation;
    const choice = choiceOf(options, systemClock.now());
    const lineOf = options['json'] === true ? (letter: DeadLetter) => jsonOf(recordOf(letter)) : rowOf;
    return withOperator(invocation, 'read', async (operator) => {
      // Each line of a pipe is a letter; only a person needs the names of the columns.
      if (process.stdout.isTTY && options['json'] !== true) await written(`${heading()}\n`);
      for await (const page of operator.dead(choice)) {
        if (!(await written(page.map((letter) => `${lineOf(letter)}\n`).join('')))) break;
      }
      return exitCodes.success;
    });
  },
};

/** Resolves once the text was taken, so that no more is read than somebody takes; to false if nobody does. */
function written(text: string): Promise<boolean> {
  return new Promise((resolve) => {
    process.stdout.write(text, (error) => resolve(!error));
  });
}
