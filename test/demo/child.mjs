import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { root } from '../bootstrap/command.mjs';

const KEPT_LINES = 15;
const PATIENCE_MS = 10_000;

/** A long-running program that is a part of the demo. It gets no Ctrl-C of its own, so that parts end in good order. */
export class Child {
  #name;
  #process;
  #lines = [];
  #watchers = [];
  #isStopping = false;

  /** Calls `onFailure` with an error that holds the last lines it printed, if the program ends before it is stopped. */
  constructor(name, { file, parameters, env, onFailure }) {
    this.#name = name;
    this.#process = spawn(file, parameters, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#keep(line));
    }
    this.#process.once('error', (error) => onFailure(this.failure(`cannot be started (${error.message})`)));
    // 'close' and not 'exit', because the last lines come before it.
    this.#process.once('close', (code, signal) => {
      if (!this.#isStopping) onFailure(this.failure(`ended by itself (${signal ?? `exit code ${code}`})`));
    });
    // For an end of the demo that nobody foresaw.
    process.once('exit', () => this.#process.kill('SIGKILL'));
  }

  failure(what) {
    return new Error(
      `${this.#name} ${what}; its last lines:\n${this.#lines.map((line) => `  ${line}`).join('\n')}`,
    );
  }

  /** Calls `watch` with every line printed from now on. */
  onLine(watch) {
    this.#watchers.push(watch);
  }

  /** Resolves to the first truthy thing that `find` makes of a line printed from now on. */
  line(find) {
    return new Promise((resolve) => {
      this.onLine((line) => {
        const found = find(line);
        if (found) resolve(found);
      });
    });
  }

  async stop() {
    this.#isStopping = true;
    const { pid, exitCode, signalCode } = this.#process;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const patience = setTimeout(() => this.#process.kill('SIGKILL'), PATIENCE_MS);
    await ended;
    clearTimeout(patience);
  }

  #keep(line) {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    for (const watch of this.#watchers) watch(line);
  }
}
