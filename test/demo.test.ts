import { type ChildProcess, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWithServer } from './support/servers/availability.ts';
import { allow } from './support/limits.ts';

allow('servers');

const demoFile = fileURLToPath(new URL('demo/demo.mjs', import.meta.url));

/** The demo's folder for temporary files: it finds what was left behind, files and (by their environment) processes. */
let folder: string;
let demo: ChildProcess;
let output: string;

function startDemo(environment: NodeJS.ProcessEnv): void {
  output = '';
  demo = spawn(process.execPath, [demoFile], {
    env: { ...process.env, TMPDIR: folder, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [demo.stdout, demo.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
}

async function untilItShows(text: string): Promise<void> {
  if (demo.stdout === null) throw new Error('the demo has no output');
  for await (const [line] of on(createInterface({ input: demo.stdout }), 'line', { close: ['close'] })) {
    if (String(line).includes(text)) return;
  }
  throw new Error(`the demo ended without showing "${text}":\n${output}`);
}

async function exitCode(): Promise<unknown> {
  const [code] = (await once(demo, 'close')) as [number | null];
  return code;
}

/** Process ids of the demo and its parts; where there is no /proc, nobody can tell. */
function demoProcesses(): string[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc').filter((entry) => {
    try {
      return readFileSync(`/proc/${entry}/environ`, 'utf8').includes(`TMPDIR=${folder}\0`);
    } catch {
      return false; // No process, not ours, or one that has just ended.
    }
  });
}

describeWithServer('prosody', 'the demo', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'xmpp-event-pusher-demo-test-'));
  });

  afterEach(async () => {
    for (const pid of demoProcesses()) process.kill(Number(pid), 'SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const expectNothingLeft = async (): Promise<void> => {
    expect(demoProcesses()).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  };

  it('shows three messages beside their notifications and ends by itself, if that is asked for', async () => {
    startDemo({ DEMO_ONCE: '1' });
    expect(await exitCode(), output).toBe(0);
    const pairs = output.split(/^─+┼─+$/m).slice(1);
    expect(pairs).toHaveLength(3);
    for (const [index, [from, to]] of [
      ['alice', 'bob'],
      ['bob', 'alice'],
      ['alice', 'bob'],
    ].entries()) {
      expect(pairs[index]).toMatch(
        new RegExp(`^${index + 1}\\. ${from} to ${to} +│ POST /webservice/notifications$`, 'm'),
      );
      expect(pairs[index]).toMatch(new RegExp(`│ author=${from}\n`));
      expect(pairs[index]).toMatch(new RegExp(`│ &receiver=${to}\n`));
    }
    expect(pairs[0]).toMatch(/^Hi Bob! Are you there\? +│/m);
    expect(pairs[0]).toContain('│ &message=Hi+Bob%21+Are+you+there%3F\n');
    await expectNothingLeft();
  });

  it.each([
    ['SIGINT', '4. bob to alice'],
    ['SIGTERM', '1. alice to bob'],
  ] as const)('goes on until %s, which leaves nothing behind', async (signal, shown) => {
    startDemo({ DEMO_ONCE: '' });
    await untilItShows(shown);
    expect(demoProcesses()).toHaveLength(existsSync('/proc') ? 3 : 0);
    demo.kill(signal);
    expect(await exitCode(), output).toBe(0);
    await expectNothingLeft();
  });

  it.runIf(existsSync('/proc'))(
    'says which part failed and why, and leaves nothing of the others',
    async () => {
      startDemo({ DEMO_ONCE: '' });
      await untilItShows('1. alice to bob');
      const sidecar = demoProcesses().find((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('main.js'),
      );
      process.kill(Number(sidecar), 'SIGKILL');
      expect(await exitCode(), output).toBe(1);
      expect(output).toMatch(
        /The demo failed\. The sidecar ended by itself \(SIGKILL\); its last lines:\n +\{.*"event"/,
      );
      await expectNothingLeft();
    },
  );
});
