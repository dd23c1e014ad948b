/** What a command is told. */
export interface CommandContext {
  /** The configuration file as the user gave it, or the default. */
  readonly file: string;
  readonly version: string;
}

/** Something that the command line can do. */
export interface Command {
  /** One line for `--help`. */
  readonly summary: string;
  /** Whether it takes `-c FILE`. */
  readonly takesFile: boolean;
  /** Does it; resolves to the exit code of the process. */
  run(context: CommandContext): Promise<number>;
}

/** Exit codes; 78 is EX_CONFIG of sysexits.h. */
export const exitCodes = { success: 0, failure: 1, badConfiguration: 78 } as const;
