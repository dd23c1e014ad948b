import { existsSync } from 'node:fs';

/** The values of a command's options, by their names; a switch that was given is true. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** How a command was called. */
export interface Invocation {
  /** The configuration file as the user gave it, or the default. */
  readonly file: string;
  readonly version: string;
  readonly options: OptionValues;
  /** The arguments that are not options. */
  readonly operands: readonly string[];
}

/** An option of one command. */
export interface Option {
  /** What stands for its value in `--help`; without it the option is a switch. */
  readonly value?: string;
  /** One line for `--help`. */
  readonly summary: string;
}

/** A command of the command line. */
export interface Command {
  /** One line for `--help`. */
  readonly summary: string;
  /** Whether it takes `-c FILE`. */
  readonly takesFile: boolean;
  /** By name, without the dashes; default only `--help`. */
  readonly options?: Readonly<Record<string, Option>>;
  /** Its operands as `--help` shows them; without it there are none. */
  readonly operands?: string;
  /**
   * Does it; resolves to the exit code of the process.
   * @throws UsageError if options and operands make no sense together.
   */
  run(invocation: Invocation): Promise<number>;
}

/** Commands that belong together, under one name. */
export interface CommandGroup {
  /** One line for `--help`. */
  readonly summary: string;
  readonly commands: Readonly<Record<string, Command>>;
}

/** Exit codes; 2 is what shells return for wrong usage, 78 is EX_CONFIG of sysexits.h. */
export const exitCodes = { success: 0, failure: 1, wrongUsage: 2, badConfiguration: 78 } as const;

/** A command was given what it cannot do; the message is shown above its `--help`. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const VARIABLE = 'XMPP_EVENT_PUSHER_CONFIG';
/** Where the file is looked for, in this order: below the working folder, then where packages of systems have it. */
const PLACES = ['config/event-pusher.yaml', '/etc/xmpp-event-pusher/event-pusher.yaml'] as const;

/** The default in words, for `--help`. */
export const DEFAULT_FILE = [`$${VARIABLE}`, ...PLACES].join(', else ');

/** The configuration file where `-c` names none. If there is none at all: the first place, which the error then names. */
export function defaultFile(
  environment: Readonly<Record<string, string | undefined>>,
  exists: (path: string) => boolean = existsSync,
): string {
  const named = environment[VARIABLE];
  if (named !== undefined && named !== '') return named;
  return PLACES.find((place) => exists(place)) ?? PLACES[0];
}
