import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import { type Command, exitCodes, UsageError } from './command.ts';
import { defaultFile } from './default-file.ts';
import { commandHelp, groupHelp, help, NAME } from './help.ts';
import { commands } from './index.ts';

/** Does what the arguments say; resolves to the exit code of the process. */
export async function runCommandLine(args: readonly string[], version: string): Promise<number> {
  const [first, ...rest] = args;
  if (first === '--version' || first === '-V') return print(`${version}\n`);
  if (first === 'help' && rest.length > 0) return runCommandLine([...rest, '--help'], version);
  if (isHelp(first)) return print(help(commands));
  if (first === undefined) return refuse(help(commands));
  const found = named(commands, first);
  if (found === undefined) return refuse(unknownCommand(first, commands));
  if ('run' in found) return runCommand({ name: first, command: found, version }, rest);
  const [second, ...others] = rest;
  if (isHelp(second)) return print(groupHelp(first, found));
  if (second === undefined) return refuse(groupHelp(first, found));
  const command = named(found.commands, second);
  if (command === undefined) return refuse(unknownCommand(second, found.commands, first));
  return runCommand({ name: `${first} ${second}`, command, version }, others);
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
    if (wantsHelp === true) return print(commandHelp(name, command));
    const file = typeof config === 'string' ? config : defaultFile(process.env);
    return await command.run({ file, version, options, operands: positionals });
  } catch (error) {
    if (error instanceof UsageError) return refuse(`${error.message}\n\n${commandHelp(name, command)}`);
    if (!isParseError(error)) throw error;
    return refuse(`${firstSentence(error.message)}\n\n${commandHelp(name, command)}`);
  }
}

function parse({ takesFile, options = {}, operands }: Command, args: string[]) {
  const own = Object.entries(options).map(
    ([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }] as const,
  );
  const help = { help: { type: 'boolean', short: 'h' } } as const;
  const file = { config: { type: 'string', short: 'c' } } as const;
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

function named<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function print(text: string): number {
  process.stdout.write(text);
  return exitCodes.success;
}

function refuse(text: string): number {
  process.stderr.write(text);
  return exitCodes.wrongUsage;
}

function unknownCommand(name: string, known: object, group?: string): string {
  const names = Object.keys(known);
  const meant = nearest(name, names);
  const guess = meant === undefined ? '' : `; did you mean ${meant}?`;
  const kind = name.startsWith('-') ? 'option' : 'command';
  const [path, all] =
    group === undefined ? [NAME, 'the commands'] : [`${NAME} ${group}`, `the commands of ${group}`];
  return `unknown ${kind} ${name}${guess}\n${all} are ${names.join(', ')}; see ${path} --help\n`;
}
