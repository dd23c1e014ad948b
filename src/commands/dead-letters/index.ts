import type { CommandGroup } from '../command.ts';
import { drop } from './drop.ts';
import { list } from './list.ts';
import { redeliver } from './redeliver.ts';
import { show } from './show.ts';

export const deadLetters: CommandGroup = {
  summary:
    'lists, shows, redelivers or drops dead letters: notifications that failed and will not be retried',
  commands: { list, show, redeliver, drop },
};
