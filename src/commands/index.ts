import { check } from './check.ts';
import type { Command } from './command.ts';
import { healthcheck } from './healthcheck.ts';
import { run } from './run.ts';
import { schema } from './schema.ts';

/** Every command, by the name that users type. */
export const commands: Readonly<Record<string, Command>> = { run, check, schema, healthcheck };
