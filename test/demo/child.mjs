import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const KEPT_LINES = 15;
const PATIENCE_MS = 10_000;

/** A part of the demo did not do what it should; holds the last lines that the part printed. */
export class PartFailed extends Error {
  constructor(name, what, lines) {
    super(`${name} ${what}${lines.length === 0 ? '.' : `; its last lines:\n  ${lines.join('\n  ')}`}`);
  }
}

/** A long-running program that is a part of the demo. It gets no Ctrl-C of its own, so that parts end in good order. */
export class Child {
  #name;
  #process;
  #lines = [];
  #watchers = [];
  #isStopping = false;

  /** Calls `onFailure` with a PartFailed if the program ends before it is stopped. */
  constructor(name, { file, parameters, env, onFailure }) {
    this.#name = name;
    this.#process = spawn(file, parameters, {
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
    return new PartFailed(this.#name, what, this.#lines);
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
