import { type Command, exitCodes, UsageError } from '../command.ts';
import { unknownIds, withOperator } from './open.ts';
import { jsonOf, wholeRecordOf, wholeText } from './print.ts';

export const show: Command = {
  summary: 'shows the whole request of a dead letter with its body, or the stanza from which none was made',
  takesFile: true,
  options: { json: { summary: 'as a JSON object' } },
  operands: 'ID',
  run(invocation) {
    const { options, operands } = invocation;
    const [id, ...others] = operands;
    if (id === undefined || others.length > 0) throw new UsageError('give one id');
    return withOperator(invocation, 'read', async (operator) => {
      const letter = await operator.findDead(id);
      if (letter === undefined) return unknownIds([id]);
      const text = options['json'] === true ? jsonOf(wholeRecordOf(letter)) : wholeText(letter);
      process.stdout.write(`${text}\n`);
      return exitCodes.success;
    });
  },
};
