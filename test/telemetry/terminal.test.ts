import { spawn, spawnSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { folderWith, spoilt } from '../config/load-text.ts';
import { closedPort } from '../support/closed-port.ts';
import { watch } from '../support/watch.ts';
import { once } from '../support/wait.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** Gives a program a terminal (util-linux). */
const hasScript = spawnSync('script', ['--version']).status === 0;

it.runIf(hasScript)('the log is readable on a terminal, where each line begins with its event', async () => {
  const text = `${spoilt('5347', String(await closedPort()))}telemetry: { listen: 127.0.0.1:0 }\n`;
  const folder = await folderWith({ 'x.yaml': text });
  const command = `exec '${process.execPath}' '${main}' run -c x.yaml`;
  const terminal = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void terminal.kill('SIGKILL'));
  let screen = '';
  const ended = once(terminal, 'close');
  const { tell, seen } = watch(ended, () => screen);
  terminal.stdout.setEncoding('utf8').on('data', (shown: string) => {
    screen = stripVTControlCharacters(screen + shown);
    tell();
  });
  await seen(
    'telemetry-listening',
    () => /INFO: telemetry-listening: metrics and health are served\r?\n +address:/.exec(screen) ?? undefined,
  );
  expect(screen).not.toContain('service:');
  // Ctrl-C
  terminal.stdin.write('\x03');
  await seen('sidecar-stopped', () => screen.includes('sidecar-stopped: ') || undefined);
  expect(await ended).toEqual([0, null]);
});
