import type { Command, CommandGroup } from './command.ts';

/** Every command, by the name that users type; each is loaded when it is asked for, for a start is to be quick. */
export const commands: Readonly<Record<string, () => Promise<Command | CommandGroup>>> = {
  run: async () => (await import('./run.ts')).run,
  check: async () => (await import('./check.ts')).check,
  schema: async () => (await import('./schema.ts')).schema,
  healthcheck: async () => (await import('./healthcheck.ts')).healthcheck,
  'dead-letters': async () => (await import('./dead-letters/index.ts')).deadLetters,
};
