import { type Command, defaultFile, exitCodes, UsageError } from './command.ts';
import { commands } from './index.ts';

/** Does what the arguments say; resolves to the exit code of the process. */
export async function runCommandLine(args: readonly string[], version: string): Promise<number> {
  const [first, ...rest] = args;
  if (first === 'help' && rest.length > 0) return runCommandLine([...rest, '--help'], version);
  const found = await named(commands, first)?.();
  if (first === undefined || found === undefined) return withoutCommand(first);
  if ('run' in found) return runCommand({ name: first, command: found, version }, rest);
  const [second, ...others] = rest;
  const command = named(found.commands, second);
  if (command !== undefined) return runCommand({ name: `${first} ${second}`, command, version }, others);
  const { groupHelp, unknownCommand } = await import('./help.ts');
  if (isHelp(second)) return print(groupHelp(first, found));
  return refuse(
    second === undefined ? groupHelp(first, found) : unknownCommand(second, found.commands, first),
  );
}

async function withoutCommand(name: string | undefined): Promise<number> {
  const { help, unknownCommand } = await import('./help.ts');
  if (isHelp(name)) return print(await help(commands));
  return refuse(name === undefined ? await help(commands) : unknownCommand(name, commands));
}

interface NamedCommand {
  readonly name: string;
  readonly command: Command;
  readonly version: string;
}

async function runCommand({ name, command, version }: NamedCommand, args: string[]): Promise<number> {
  try {
    const { values, positionals } = parse(command, args);
    const { help: wantsHelp, config, ...options } = values;
    if (wantsHelp === true) return print(await helpFor(name, command));
    const file = typeof config === 'string' ? config : defaultFile(process.env);
    return await command.run({ file, version, options, operands: positionals });
  } catch (error) {
    if (error instanceof UsageError) return refuse(`${error.message}\n\n${await helpFor(name, command)}`);
    if (!isParseError(error)) throw error;
    return refuse(`${firstSentence(error.message)}\n\n${await helpFor(name, command)}`);
  }
}

async function helpFor(name: string, command: Command): Promise<string> {
  const { commandHelp } = await import('./help.ts');
  return commandHelp(name, command);
}

function parse({ takesFile, options = {}, operands }: Command, args: string[]) {
  const own = Object.entries(options).map(
    ([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }] as const,
  );
  const help = { help: { type: 'boolean', short: 'h' } } as const;
  const file = { config: { type: 'string', short: 'c' } } as const;
  // Not imported: that reads every export of `node:util`, which is longer than the rest of a healthcheck.
  const { parseArgs } = process.getBuiltinModule('node:util');
  return parseArgs({
    args,
    options: { ...Object.fromEntries(own), ...help, ...(takesFile && file) },
    allowPositionals: operands !== undefined,
  });
}

/** Node's own errors about arguments all have such a code. */
function isParseError(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS_')
  );
}

/** What follows in Node's messages is advice about its own syntax. */
function firstSentence(message: string): string {
  return message.split(/\. |\n/, 1).join();
}

function isHelp(argument: string | undefined): boolean {
  return argument === 'help' || argument === '--help' || argument === '-h';
}

function named<T>(table: Readonly<Record<string, T>>, name: string | undefined): T | undefined {
  return name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}

function print(text: string): number {
  process.stdout.write(text);
  return exitCodes.success;
}

function refuse(text: string): number {
  process.stderr.write(text);
  return exitCodes.wrongUsage;
}
