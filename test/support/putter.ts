import { once } from 'node:events';
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { waitFor } from './wait.ts';
import { allow } from './limits.ts';

allow('processes');

const program = fileURLToPath(new URL('../outbox/putter.mjs', import.meta.url));

export interface PutterOptions {
  readonly folder: string;
  /** What its ids begin with. */
  readonly prefix: string;
  /** Which share of the accepted ones it settles; default none. */
  readonly settledShare?: number;
  /** A command that runs it, with its parameters. */
  readonly under?: readonly string[];
}

/** What a putter said of its notifications, and so what must hold of them. */
export interface Said {
  readonly accepted: ReadonlySet<string>;
  /** To be settled: whether they are there still is not known. */
  readonly settling: ReadonlySet<string>;
  readonly delivered: ReadonlySet<string>;
  readonly dead: ReadonlySet<string>;
}

export interface Putter {
  readonly process: ChildProcess;
  /** Resolves after so many lines. */
  lines(count: number): Promise<void>;
  /** Kills it as a power failure would, and gives all that it said. */
  kill(): Promise<Said>;
}

/** Starts `outbox/putter.mjs`: a process that puts notifications into a folder until it is killed. */
export function startPutter({ folder, prefix, settledShare = 0, under = [] }: PutterOptions): Putter {
  const [command, ...parameters] = [
    ...under,
    process.execPath,
    program,
    folder,
    prefix,
    String(settledShare),
  ];
  const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const kill = (): void => {
    // The process itself: a command that runs it would leave it behind, but ends with it.
    const pid = Number(/^#(\d+)\n/.exec(text)?.[1] ?? child.pid);
    if (child.exitCode === null && child.signalCode === null) process.kill(pid, 'SIGKILL');
  };
  onTestFinished(kill);
  const ended = once(child, 'close');
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  return {
    process: child,
    lines: (count) => {
      const written = new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (text.split('\n').length > count) resolve();
        };
        child.stdout.on('data', look);
        ended.then(() => reject(new Error(`it ended by itself, after:\n${text}`)), reject);
        look();
      });
      return waitFor(`${count} lines of the putter`, written, () => text);
    },
    kill: async () => {
      kill();
      await ended;
      return saidIn(text);
    },
  };
}

/** Reads what a putter said; a last line that is not complete says nothing. */
export function saidIn(text: string): Said {
  const lines = text.split('\n').slice(0, -1);
  const idsWith = (mark: string): Set<string> =>
    new Set(lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(1)));
  return {
    accepted: idsWith('+'),
    settling: idsWith('?'),
    delivered: idsWith('-'),
    dead: idsWith('='),
  };
}
