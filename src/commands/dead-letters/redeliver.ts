import type { Command } from '../command.ts';
import { choiceOptions, settleChosen } from './choice.ts';

export const redeliver: Command = {
  summary:
    'delivers dead letters once more, under the same webhook-id, by the sidecar that runs or the next one',
  takesFile: true,
  options: choiceOptions,
  operands: '[ID…]',
  run: (context) => settleChosen(context, 'redeliver', 'will be delivered again'),
};
