import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import { type Command, exitCodes } from './command.ts';
import { commands } from './index.ts';

const NAME = 'xmpp-event-pusher';
const DEFAULT_FILE = 'config/event-pusher.yaml';

/** Does what the arguments say; resolves to the exit code of the process. */
export async function runCommandLine(args: readonly string[], version: string): Promise<number> {
  const [first, ...rest] = args;
  if (first === '--version') return print(`${version}\n`);
  if (first === '--help' || first === '-h') return print(help());
  if (first === undefined) return refuse(help());
  const command = Object.hasOwn(commands, first) ? commands[first] : undefined;
  if (command === undefined) return refuse(unknownCommand(first));
  try {
    const { help: wantsHelp, config } = parseOptions(command, rest);
    if (wantsHelp) return print(commandHelp(first, command));
    return await command.run({ file: config ?? DEFAULT_FILE, version });
  } catch (error) {
    if (!isParseError(error)) throw error;
    return refuse(`${firstSentence(error.message)}\n\n${commandHelp(first, command)}`);
  }
}

function parseOptions(command: Command, args: string[]): { help?: boolean; config?: string } {
  const help = { help: { type: 'boolean', short: 'h' } } as const;
  const file = { config: { type: 'string', short: 'c' } } as const;
  return parseArgs({ args, options: command.takesFile ? { ...help, ...file } : help }).values;
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

function print(text: string): number {
  process.stdout.write(text);
  return exitCodes.success;
}

function refuse(text: string): number {
  process.stderr.write(text);
  return exitCodes.failure;
}

function unknownCommand(name: string): string {
  const names = Object.keys(commands);
  const meant = nearest(name, names);
  const guess = meant === undefined ? '' : `; did you mean ${meant}?`;
  const kind = name.startsWith('-') ? 'option' : 'command';
  return `unknown ${kind} ${name}${guess}\nthe commands are ${names.join(', ')}; see ${NAME} --help\n`;
}

function help(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`);
  return `Usage: ${NAME} COMMAND [OPTIONS]

${lines.join('\n')}

Options:
  -c, --config FILE   the configuration file (${DEFAULT_FILE})
  -h, --help          this text, or that of a command
  --version           the version

Exit codes: ${exitCodes.success} success, ${exitCodes.badConfiguration} bad configuration, ${exitCodes.failure} anything else.
`;
}

function commandHelp(name: string, { summary, takesFile }: Command): string {
  const file = takesFile ? ' [-c FILE]' : '';
  const fileLine = takesFile ? `\n  -c, --config FILE   the configuration file (${DEFAULT_FILE})\n` : '';
  return `Usage: ${NAME} ${name}${file}\n\n  ${summary}\n${fileLine}`;
}
