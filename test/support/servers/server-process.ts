import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

export interface Command {
  readonly file: string;
  readonly parameters: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
}

const PATIENCE_MS = 60_000;
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A server's process, and what it writes. It does not outlive ours, however ours ends. */
export class ServerProcess {
  log = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #listeners = new Set<() => void>();
  #isRunning = true;

  constructor({ file, parameters, environment, folder }: Command) {
    const [command, ...rest] = withoutOrphans(file, parameters);
    this.#child = spawn(command, rest, {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.#child);
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output?.setEncoding('utf8').on('data', (text: string) => {
        this.log += text;
        this.#tell();
      });
    }
    this.#child.on('error', (error) => {
      this.log += `${error.message}\n`;
    });
    this.#ended = once(this.#child, 'close').finally(() => {
      this.#isRunning = false;
      running.delete(this.#child);
      this.#tell();
    });
    this.#ended.catch(() => undefined);
  }

  /** Waits for a log that satisfies; rejects with the log if it shows the failure, if the process ends or takes too long. */
  logged(satisfies: (log: string) => boolean, showsFailure?: (log: string) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (problem?: string): void => {
        clearTimeout(timer);
        this.#listeners.delete(check);
        if (problem === undefined) resolve();
        else reject(new Error(`the server ${problem}; its log:\n${this.log}`));
      };
      const check = (): void => {
        if (showsFailure?.(this.log) === true) settle('has not started as it should');
        else if (satisfies(this.log)) settle();
        else if (!this.#isRunning) settle('has ended');
      };
      const timer = setTimeout(
        () => settle(`has not logged what was waited for in ${PATIENCE_MS} ms`),
        PATIENCE_MS,
      );
      this.#listeners.add(check);
      check();
    });
  }

  /** Sends the signal and waits for the end; a server that takes too long over it is killed. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    this.#child.kill(signal);
    await this.#ended.catch(() => undefined);
    clearTimeout(timer);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Where Linux can, it kills the server when our process dies: no exit handler runs on SIGKILL. */
function withoutOrphans(file: string, parameters: readonly string[]): [string, ...string[]] {
  const setpriv = '/usr/bin/setpriv';
  return existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL', file, ...parameters] : [file, ...parameters];
}
