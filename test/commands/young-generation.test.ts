import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { limitYoungGeneration, type Restartable } from '../../src/commands/node.ts';
import { folderWith, spoilt } from '../config/load-text.ts';
import { closedPort } from '../support/closed-port.ts';
import { startCli } from '../support/cli.ts';

const canRestart = 'execve' in process;

describe.skipIf(!canRestart)('the young generation of V8 (Node 22.15 and later)', () => {
  it('is limited from the start, under the same process id', async () => {
    const options = await optionsOfRun({});
    expect(options).toContain('--max-semi-space-size=16');
  });

  it('is what the operator says, where he says something', async () => {
    const options = await optionsOfRun({ NODE_OPTIONS: '--max-semi-space-size=64' });
    expect(options).not.toContain('--max-semi-space-size=16');
  });
});

describe('starting once more with the limit', () => {
  it('keeps the options of Node, the arguments and the environment', () => {
    const calls = restarts({ execArgv: ['--no-warnings'], env: { NODE_OPTIONS: '--trace-exit' } });
    expect(calls).toEqual([
      [
        '/bin/node',
        ['/bin/node', '--max-semi-space-size=16', '--no-warnings', 'main.js', 'run'],
        { NODE_OPTIONS: '--trace-exit' },
      ],
    ]);
  });

  it('is not done where the channel to a process manager would be lost', () => {
    expect(restarts({ connected: true })).toEqual([]);
    expect(restarts({ connected: false })).toHaveLength(1);
  });

  it('is not done twice, nor where Node cannot', () => {
    expect(restarts({ execArgv: ['--max-semi-space-size=16'] })).toEqual([]);
    expect(restarts({ execArgv: ['--max_semi_space_size', '64'] })).toEqual([]);
    expect(() => limitYoungGeneration({ ...program, execArgv: [] })).not.toThrow();
  });
});

const program: Restartable = {
  execPath: '/bin/node',
  execArgv: [],
  argv: ['/bin/node', 'main.js', 'run'],
  env: {},
};

function restarts(changes: Partial<Restartable>): unknown[] {
  const calls: unknown[] = [];
  const execve = (...call: unknown[]): never => calls.push(call) as never;
  limitYoungGeneration({ ...program, ...changes, execve });
  return calls;
}

/** What stands before the program in the command line of a sidecar that runs. */
async function optionsOfRun(environment: Record<string, string>): Promise<string[]> {
  const folder = await folderWith({ 'x.yaml': spoilt('5347', String(await closedPort())) });
  const cli = startCli(['run', '-c', 'x.yaml'], { folder, environment });
  await cli.logged('component-offline');
  const commandLine = await readFile(`/proc/${cli.process.pid}/cmdline`, 'utf8');
  return commandLine.split('\0').slice(1, -1);
}
