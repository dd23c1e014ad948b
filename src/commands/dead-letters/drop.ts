import { type Command, type Invocation, UsageError } from '../command.ts';
import { changeChosen, choiceOptions, counted, told } from './choice.ts';
import { bareJid, hasFilters } from './filters.ts';
import { withOperator } from './open.ts';

export const drop: Command = {
  summary: 'removes dead letters; they cannot be restored',
  takesFile: true,
  options: {
    ...choiceOptions,
    jid: {
      value: 'JID',
      summary: 'all that is stored of this person: dead letters, and what waits to be sent',
    },
  },
  operands: '[ID…]',
  run(invocation) {
    const { jid } = invocation.options;
    if (typeof jid === 'string') return erase(invocation, jid);
    return changeChosen(invocation, (operator, which) => operator.dropDead(which), 'dropped');
  },
};

function erase(invocation: Invocation, text: string): Promise<number> {
  const { options, operands } = invocation;
  if (operands.length > 0 || options['all'] === true || hasFilters(options)) {
    throw new UsageError('--jid goes with neither ids, --all nor filters');
  }
  const jid = bareJid(text);
  if (jid === '') throw new UsageError('--jid needs a JID');
  return withOperator(invocation, 'write', async (operator) => {
    const { deadLetters, redeliveries, notifications } = await operator.erase(jid);
    return told(
      `of ${jid}: ${counted(deadLetters, 'dead letter')}, ${counted(redeliveries, 'letter')} waiting for redelivery, ` +
        `${counted(notifications, 'waiting notification')} dropped`,
    );
  });
}
