import type { Command } from '../command.ts';
import { changeChosen, choiceOptions } from './choice.ts';

export const redeliver: Command = {
  summary:
    'delivers dead letters once more, under the same webhook-id, by the sidecar that runs or the next one',
  takesFile: true,
  options: choiceOptions,
  operands: '[ID…]',
  run: (invocation) =>
    changeChosen(invocation, (operator, which) => operator.redeliver(which), 'will be delivered again'),
};
