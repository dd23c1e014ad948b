/**
 * Whether a version of Node is among those that `engines` in package.json names.
 * It knows what we write there: `^20.19.0 || ^22.12.0 || >=24`.
 */
export function isSupported(version: string, engines: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return engines.split('||').some((range) => {
    const [, operator, first, second] = /(\^|>=)(\d+)(?:\.(\d+))?/.exec(range) ?? [];
    if (operator === '>=' && major > Number(first)) return true;
    return major === Number(first) && minor >= Number(second ?? 0);
  });
}

/**
 * The limit of a semi-space of V8 in MB; V8 uses up to three of them for the youngest objects. Node 20 has this limit by
 * itself. With the larger one of Node 24, a million waiting notifications kept 90 MB more, and delivery was 7 % slower.
 */
const SEMI_SPACE_MB = 16;

const OPTION = '--max-semi-space-size';
/** V8 takes either spelling. */
const ANY_SPELLING = /--max[-_]semi[-_]space[-_]size/;

/** The parts of `process` by which a program replaces itself with another under the same PID (Node 22.15 and later). */
export interface Restartable {
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether there is a channel to the process that started this one. */
  readonly connected?: boolean;
  readonly execve?: (file: string, args: readonly string[], environment: object) => never;
}

/**
 * V8 reads the limit only at its start, so Node restarts itself with it. It does not if an operator has set a limit,
 * or if the new program would lose the channel to a process manager.
 */
export function limitYoungGeneration(program: Restartable): void {
  const { execPath, execArgv, argv, env, connected, execve } = program;
  const isSet = [...execArgv, env['NODE_OPTIONS'] ?? ''].some((options) => ANY_SPELLING.test(options));
  if (isSet || connected || execve === undefined) return;
  execve(execPath, [execPath, `${OPTION}=${SEMI_SPACE_MB}`, ...execArgv, ...argv.slice(1)], env);
}
