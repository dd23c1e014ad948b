import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { watch } from './watch.ts';
import { allow } from './limits.ts';

allow('processes');

const ours = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface CliOptions {
  /** Beside PATH, all that the process sees of the environment. */
  readonly environment?: Record<string, string>;
  readonly folder?: string;
  /** A file that is its stdout. */
  readonly stdout?: string;
  /** A program that starts it, with its arguments. */
  readonly through?: readonly string[];
  /** For processes of root that must not be root. */
  readonly uid?: number;
  /** The command line of another build than ours. */
  readonly main?: string;
}

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A line of the log. */
export interface LogLine {
  readonly level: string;
  readonly service: string;
  readonly version: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A process of ours that goes on until it is told to stop, or until the test is over. */
export interface RunningCli {
  readonly process: ChildProcess;
  /** Resolves with the first log line of this event, even if it came already; rejects when the process ends without it. */
  logged(event: string): Promise<LogLine>;
  /** Resolves when the text has come on stderr; rejects when the process ends without it. */
  complained(text: string): Promise<void>;
  readonly ended: Promise<CliResult>;
}

/** Runs the built command line to its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).ended;
}

/** Starts the built command line. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const { environment, folder, uid, stdout, through = [], main = ours } = options;
  if (!existsSync(main)) throw new Error('dist/main.js is missing: run `npm run build` first');
  const [program = '', ...rest] = [...through, process.execPath, main, ...args];
  const child = spawn(program, rest, {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', stdout === undefined ? 'pipe' : openSync(stdout, 'w'), 'pipe'],
    ...(folder !== undefined && { cwd: folder }),
    ...(uid !== undefined && { uid, gid: uid }),
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      tell();
    });
  }
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  const { tell, seen } = watch(ended, () => output.stdout + output.stderr);
  return {
    process: child,
    ended,
    logged: (event) => seen(event, () => logLines(output.stdout).find((line) => line.event === event)),
    complained: (text) => seen(text, () => output.stderr.includes(text) || undefined).then(() => undefined),
  };
}

/** The complete lines so far. */
function logLines(stdout: string): LogLine[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);
}
