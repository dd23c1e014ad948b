import { type Command, type CommandGroup, exitCodes } from './command.ts';
import { DEFAULT_FILE } from './default-file.ts';

export const NAME = 'xmpp-event-pusher';

/** What `--help` says without a command. */
export function help(commands: Readonly<Record<string, Command | CommandGroup>>): string {
  return `Usage: ${NAME} COMMAND [OPTIONS]

${summaries(commands)}

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
