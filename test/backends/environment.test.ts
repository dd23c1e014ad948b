import { describe, expect, it } from 'vitest';
import { checkModules, startCallbackProcess } from '../support/callback-process.ts';

/** Ways to end the process; `execve` is there from Node 22.15 on. */
const endings: [how: string, preamble: string, end: string][] = [
  ['process.exit', '', 'process.exit(0)'],
  ['process.exit', "import { exit } from 'node:process';", 'exit(0)'],
  ['process.exit', "import process from 'node:process';", 'process.exit(0)'],
  ['process.abort', '', 'process.abort()'],
];
if ('execve' in process) endings.push(['process.execve', '', "process.execve('/bin/true', [])"]);

describe('a callback that ends the process', () => {
  it.each(endings)('by %s has failed, and the others go on: %s%s', async (how, preamble, end) => {
    const sidecar = await startCallbackProcess({
      backends: {
        ends: `${preamble} export const shouldMakeReq = () => { ${end}; return true; };`,
        later: `${preamble} export const shouldMakeReq = async () => { await null; ${end}; return true; };`,
        default: '',
      },
    });
    sidecar.chat('one');
    await sidecar.receiver.next(({ path }) => path === '/default');
    sidecar.chat('two');
    await sidecar.receiver.next(({ path }) => path === '/default');
    expect(await sidecar.logged('callback-failed')).toMatchObject({
      backend: 'ends',
      callback: 'shouldMakeReq',
      error: { message: `it called ${how}, which would have ended all other notifications too` },
    });
    const errors = (backend: string) =>
      `event_pusher_callback_errors_total{backend="${backend}",callback="shouldMakeReq"} 2`;
    const metrics = await sidecar.metrics();
    expect(metrics).toContain(errors('ends'));
    expect(metrics).toContain(errors('later'));
    sidecar.process.kill('SIGTERM');
    expect(await sidecar.ended).toMatchObject({ code: 0 });
  });

  it('in a timer of its own is told of, and all go on', async () => {
    const sidecar = await startCallbackProcess({
      backends: {
        ends: 'export const shouldMakeReq = () => (setTimeout(() => process.exit(0)), true);',
      },
    });
    sidecar.chat('one');
    expect(await sidecar.logged('internal-error')).toMatchObject({ where: 'uncaughtException' });
    sidecar.chat('two');
    await sidecar.receiver.received(2);
  });

  it('does not keep a second signal from ending it', async () => {
    const sidecar = await startCallbackProcess({
      backends: { hangs: 'export const shouldMakeReq = () => new Promise(() => undefined);' },
      pusher: { callback_timeout: 600_000 },
    });
    sidecar.chat('one');
    await expect.poll(() => sidecar.metrics()).toContain('event_pusher_events_total{dir="in"} 1');
    sidecar.process.kill('SIGTERM');
    await sidecar.logged('sidecar-stopping');
    // What comes within 500 ms is the same signal once more.
    while (sidecar.process.exitCode === null) {
      sidecar.process.kill('SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await sidecar.ended).toMatchObject({ code: 1 });
  });
});

describe('a callback module that ends the process as it is loaded', () => {
  it.each(endings)('by %s is a problem with a place, and no more: %s%s', async (how, preamble, end) => {
    const { code, stdout, stderr } = await checkModules({
      backends: { ends: `${preamble} ${end}; export const shouldMakeReq = () => true;` },
    });
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toMatch(
      new RegExp(`^x\\.yaml:\\d+:\\d+: the callback module of ends cannot be used: it called ${how}.*\\n$`),
    );
  });

  it('in CommonJS is one, too', async () => {
    const { code, stderr } = await checkModules({
      backends: { ends: "require('node:process').exit(0); exports.shouldMakeReq = () => true;" },
      ending: 'cjs',
    });
    expect(code).toBe(78);
    expect(stderr).toMatch(/cannot be used: it called process\.exit/);
  });
});
