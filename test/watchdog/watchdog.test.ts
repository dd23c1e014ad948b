import { spawnSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { checkModules, startCallbackProcess } from '../support/callback-process.ts';

/** The shortest limit that can be configured. */
const LIMIT_MS = 1000;
const pusher = { callback_stall_limit: LIMIT_MS };
const always = 'export const shouldMakeReq = () => true;';

/** Ways to keep the main thread; `spin` is seen in the stack where there is one. */
const spinning = 'function spin() { for (;;); }';
const exploding = "function spin() { return /^(a+)+$/.test('a'.repeat(80) + '!'); }";
const waiting = 'function spin() { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); }';

/** Starts a program as a container does: as the first of its processes, for which the rules of signals are others. */
const asFirst = ['unshare', '--pid', '--fork', '--kill-child'];
const canBeFirst = spawnSync(asFirst[0]!, [...asFirst.slice(1), 'true']).status === 0;

describe('a callback that does not give the main thread back', () => {
  it.each([
    ['an endless loop', 'shouldMakeReq', `${spinning} export const shouldMakeReq = () => spin();`],
    [
      'a regular expression that explodes',
      'prepareBody',
      `${always} ${exploding} export const prepareBody = () => spin();`,
    ],
    ['a wait', 'prepareHeaders', `${always} ${waiting} export const prepareHeaders = () => spin();`],
    [
      'an endless loop after it has waited',
      'shouldMakeReq',
      `${spinning} export const shouldMakeReq = async () => { await new Promise(setImmediate); spin(); };`,
    ],
    [
      'an endless loop in a timer of its own',
      'shouldMakeReq',
      `${spinning} export const shouldMakeReq = () => { setTimeout(spin, 1); return false; };`,
    ],
    [
      'an endless loop that catches all errors',
      'shouldMakeReq',
      `function spin() { for (;;) try { for (;;); } catch {} } export const shouldMakeReq = () => spin();`,
    ],
  ])('ends the process, with a line that names it and the place: %s', async (_what, callback, source) => {
    const sidecar = await startCallbackProcess({
      backends: { first: '', hangs: source },
      pusher,
    });
    sidecar.chat('Hi');
    const { code, signal } = await sidecar.ended;
    expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
    const line = await sidecar.logged('callback-stalled');
    const { level, time, service, version, ...own } = line;
    expect(own).toEqual({
      event: 'callback-stalled',
      backend: 'hangs',
      callback,
      stalled_ms: LIMIT_MS,
      stack: expect.arrayContaining([expect.stringMatching(/^at spin \(file:.*\/hangs\.mjs:1:\d+\)$/)]),
      msg: expect.any(String),
    });
    expect(level).toBe('fatal');
    const other = await sidecar.logged('telemetry-listening');
    expect({ service, version }).toEqual({ service: other['service'], version: other['version'] });
    expect(typeof time).toBe(typeof other['time']);
  });

  it('ends the process also during a system call, whose place cannot be found', async () => {
    const sidecar = await startCallbackProcess({
      backends: {
        hangs: `import { execSync } from 'node:child_process'; export const shouldMakeReq = () => execSync('sleep 30');`,
      },
      pusher,
    });
    sidecar.chat('Hi');
    expect(await sidecar.ended).toMatchObject({ signal: 'SIGKILL' });
    expect(await sidecar.logged('callback-stalled')).toMatchObject({ backend: 'hangs', stack: [] });
  });

  it('ends the process although its log is not read', async () => {
    const sidecar = await startCallbackProcess({
      backends: { hangs: 'export const shouldMakeReq = () => { for (;;); };' },
      pusher,
    });
    sidecar.process.stdout?.destroy();
    sidecar.chat('Hi');
    expect(await sidecar.ended).toMatchObject({ signal: 'SIGKILL' });
  });

  it.runIf(canBeFirst)(
    'ends it as the first process of a container, which no signal from inside ends',
    async () => {
      const sidecar = await startCallbackProcess({
        backends: { hangs: `${spinning} export const shouldMakeReq = () => spin();` },
        pusher,
        through: asFirst,
      });
      sidecar.chat('Hi');
      expect(await sidecar.ended).toMatchObject({ code: 1, signal: null });
      expect(await sidecar.logged('callback-stalled')).toMatchObject({ backend: 'hangs' });
    },
  );

  it('names the backend whose callback was entered last', async () => {
    const sidecar = await startCallbackProcess({
      backends: { a: always, b: 'export const shouldMakeReq = () => { for (;;); };', c: always },
      pusher,
    });
    sidecar.chat('Hi');
    expect(await sidecar.logged('callback-stalled')).toMatchObject({ backend: 'b' });
  });
});

describe('the watchdog', () => {
  it('does not end a process that was stopped (SIGSTOP) for longer than the limit', async () => {
    const sidecar = await startCallbackProcess({ backends: { mine: always }, pusher });
    sidecar.chat('before');
    await sidecar.receiver.received(1);
    for (let round = 0; round < 2; round += 1) {
      sidecar.process.kill('SIGSTOP');
      await pause(3 * LIMIT_MS);
      sidecar.process.kill('SIGCONT');
      // Longer than the limit, so that it would have fired.
      await pause(2 * LIMIT_MS);
    }
    sidecar.chat('after');
    await sidecar.receiver.received(2);
    sidecar.process.kill('SIGTERM');
    expect(await sidecar.ended).toMatchObject({ code: 0, signal: null });
  });

  it('does not end a process whose callbacks take long and return within the limit', async () => {
    const slow = `export const shouldMakeReq = () => {
      const end = Date.now() + ${LIMIT_MS / 4};
      while (Date.now() < end);
      return true;
    };`;
    const sidecar = await startCallbackProcess({
      backends: { slow },
      pusher: { callback_stall_limit: 20_000 },
    });
    for (let number = 0; number < 8; number += 1) sidecar.chat(String(number));
    await sidecar.receiver.received(8);
    sidecar.process.kill('SIGTERM');
    expect(await sidecar.ended).toMatchObject({ code: 0 });
  });

  it('runs only if a backend has a callback module', async () => {
    // Node then says what threads are made.
    const environment = { NODE_DEBUG: 'worker' };
    for (const [source, isThere] of [
      ['', false],
      [always, true],
    ] as const) {
      const sidecar = await startCallbackProcess({ backends: { one: source }, environment });
      sidecar.process.kill('SIGTERM');
      const { stderr } = await sidecar.ended;
      expect(stderr.includes('watchdog/thread.js')).toBe(isThere);
    }
  });
});

describe('a callback module that does not give the main thread back while it is loaded', () => {
  it.each([
    ['an endless loop', 'mjs', `${spinning} spin();`],
    ['an endless loop in CommonJS', 'cjs', `${spinning} spin();`],
    ['a regular expression that explodes', 'mjs', `${exploding} spin();`],
    ['an endless loop after it has waited', 'mjs', `${spinning} await new Promise(setImmediate); spin();`],
    ['a wait', 'mjs', `${waiting} spin();`],
  ])('is a problem with a place, here and in the module: %s', async (_what, ending, source) => {
    const { code, signal, stdout, stderr } = await checkModules({
      backends: {
        good: always.replace('export const ', ending === 'cjs' ? 'exports.' : 'export const '),
        hangs: source,
      },
      ending,
      pusher,
    });
    expect({ code, signal, stdout }).toEqual({ code: 78, signal: null, stdout: '' });
    expect(stderr).toMatch(
      /^x\.yaml:\d+:\d+: the callback module of hangs cannot be used: it has held the main thread for 1 s while it was loaded, at spin \(file:.*\/hangs\.[cm]js:1:\d+\)\n$/,
    );
  });

  it('does not hide problems of the other modules', async () => {
    const { code, stderr } = await checkModules({
      backends: { hangs: 'for (;;);', broken: 'export const = 1;', hangsToo: 'for (;;);' },
      pusher,
    });
    expect(code).toBe(78);
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/module of hangs cannot be used: it has held/),
      expect.stringMatching(/module of broken cannot be used: Unexpected token/),
      expect.stringMatching(/module of hangsToo cannot be used: it has held/),
    ]);
  });

  it('keeps run from starting, in the same words', async () => {
    await expect(startCallbackProcess({ backends: { hangs: 'for (;;);' }, pusher })).rejects.toThrow(
      /"code":"unusable-callback-module".*\n.*: the callback module of hangs cannot be used: it has held the main thread for 1 s/,
    );
  });

  it('in a timer ends the process with a line in the log', async () => {
    const { signal, stdout } = await checkModules({
      backends: {
        hangs: `setTimeout(() => { for (;;); }); await new Promise((go) => setTimeout(go, 60_000));`,
      },
      pusher,
    });
    expect(signal).toBe('SIGKILL');
    expect(JSON.parse(stdout)).toMatchObject({
      event: 'callback-stalled',
      backend: 'hangs',
      callback: 'loading',
      stack: expect.arrayContaining([expect.stringMatching(/hangs\.mjs:1:\d+/)]),
    });
  });
});
