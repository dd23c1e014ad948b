import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The project's folder, where every command runs. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

// Some tools colour whatever they print when CI is set.
const plain = process.stdout.isTTY ? {} : { NO_COLOR: '1' };

/**
 * Runs a command in the project's folder to its end; resolves to its exit code and, unless `show` is set (the output
 * goes straight to the terminal then), all it printed. A signal that would end us ends the command first.
 */
export function run(file, parameters, { show = false, env = {} } = {}) {
  const child = spawn(file, parameters, {
    cwd: root,
    env: { ...plain, ...process.env, ...env },
    stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  });
  const pass = (signal) => child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, pass);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve) => {
    child.once('error', (error) =>
      resolve({ code: 127, output: `${file} cannot be run: ${error.message}\n` }),
    );
    child.once('close', (code, signal) => resolve({ code: code ?? 128 + constants.signals[signal], output }));
  }).finally(() => {
    for (const signal of signals) process.off(signal, pass);
  });
}
