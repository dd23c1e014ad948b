import type { Command, CommandGroup } from './command.ts';

/** The table of commands, the only source of their names. Each is loaded when it is asked for, so that a start is quick. */
export const commands: Readonly<Record<string, () => Promise<Command | CommandGroup>>> = {
  run: async () => (await import('./run.ts')).run,
  check: async () => (await import('./check.ts')).check,
  schema: async () => (await import('./schema.ts')).schema,
  healthcheck: async () => (await import('./healthcheck.ts')).healthcheck,
  'dead-letters': async () => (await import('./dead-letters/index.ts')).deadLetters,
};
