import { nearest } from '../schema/nearest.ts';
import { type Command, type CommandGroup, DEFAULT_FILE, exitCodes } from './command.ts';

const NAME = 'xmpp-event-pusher';

/** What `--help` says without a command. */
export async function help(
  commands: Readonly<Record<string, () => Promise<Command | CommandGroup>>>,
): Promise<string> {
  const loaded = Object.entries(commands).map(async ([name, load]) => [name, await load()] as const);
  return `Usage: ${NAME} COMMAND [OPTIONS]

${summaries(Object.fromEntries(await Promise.all(loaded)))}

Options:
  -c, --config FILE   the configuration file (${DEFAULT_FILE})
  -h, --help, help    this text, or that of a command
  -V, --version       the version

Exit codes: ${exitCodes.success} success, ${exitCodes.badConfiguration} bad configuration, ${exitCodes.wrongUsage} wrong usage, ${exitCodes.failure} anything else.
`;
}

export function groupHelp(name: string, { summary, commands }: CommandGroup): string {
  return `Usage: ${NAME} ${name} COMMAND [OPTIONS]\n\n  ${summary}\n\n${summaries(commands)}\n`;
}

export function commandHelp(name: string, { summary, takesFile, options = {}, operands }: Command): string {
  const lines = Object.entries(options).map(([option, { value, summary: text }]) =>
    optionLine(`--${option}${value === undefined ? '' : ` ${value}`}`, text),
  );
  if (takesFile) lines.unshift(optionLine('-c, --config FILE', `the configuration file (${DEFAULT_FILE})`));
  const usage = [
    NAME,
    name,
    ...(takesFile ? ['[-c FILE]'] : []),
    ...(Object.keys(options).length > 0 ? ['[OPTIONS]'] : []),
    ...(operands === undefined ? [] : [operands]),
  ];
  const optionText = lines.length > 0 ? `\n${lines.join('')}` : '';
  return `Usage: ${usage.join(' ')}\n\n  ${summary}\n${optionText}`;
}

function optionLine(option: string, text: string): string {
  return `  ${option.padEnd(17)}   ${text}\n`;
}

function summaries(commands: Readonly<Record<string, { readonly summary: string }>>): string {
  return Object.entries(commands)
    .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
    .join('\n');
}

/** What is printed for a command or option that does not exist. */
export function unknownCommand(name: string, known: object, group?: string): string {
  const names = Object.keys(known);
  const meant = nearest(name, names);
  const guess = meant === undefined ? '' : `; did you mean ${meant}?`;
  const kind = name.startsWith('-') ? 'option' : 'command';
  const [path, all] =
    group === undefined ? [NAME, 'the commands'] : [`${NAME} ${group}`, `the commands of ${group}`];
  return `unknown ${kind} ${name}${guess}\n${all} are ${names.join(', ')}; see ${path} --help\n`;
}
