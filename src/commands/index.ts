import { check } from './check.ts';
import type { Command, CommandGroup } from './command.ts';
import { deadLetters } from './dead-letters/index.ts';
import { healthcheck } from './healthcheck.ts';
import { run } from './run.ts';
import { schema } from './schema.ts';

/** Every command, by the name that users type. */
export const commands: Readonly<Record<string, Command | CommandGroup>> = {
  run,
  check,
  schema,
  healthcheck,
  'dead-letters': deadLetters,
};
