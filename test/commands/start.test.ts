import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folderWith, good, spoilt } from '../config/load-text.ts';
import { closedPort } from '../support/closed-port.ts';
import { startCli } from '../support/cli.ts';

/** The packages that a process loads until it has logged this event, if any, and is told to stop. */
async function packagesOf(args: readonly string[], text: string, event?: string): Promise<string[]> {
  const folder = await folderWith({ 'x.yaml': text });
  const coverage = join(folder, 'coverage');
  const cli = startCli(args, { folder, environment: { NODE_V8_COVERAGE: coverage } });
  if (event !== undefined) {
    await cli.logged(event);
    cli.process.kill('SIGTERM');
  }
  await cli.ended;
  const packages = new Set<string>();
  for (const name of await readdir(coverage)) {
    const { result } = JSON.parse(await readFile(join(coverage, name), 'utf8')) as {
      result: { url: string }[];
    };
    for (const { url } of result) {
      const found = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
      if (found !== undefined) packages.add(found);
    }
  }
  return [...packages].toSorted();
}

it.each([
  ['--version', ['--version']],
  ['--help', ['--help']],
  ['healthcheck', ['healthcheck', '-c', 'x.yaml']],
])('%s loads no package: it is to be as quick as Node', async (_title, args) => {
  expect(await packagesOf(args, `${good}telemetry:\n  listen: 127.0.0.1:${await closedPort()}\n`)).toEqual(
    [],
  );
});

it('check loads what reads the file, and nothing that connects or logs', async () => {
  expect(await packagesOf(['check', '-c', 'x.yaml'], good)).toEqual(['yaml', 'zod']);
});

it('run loads until it looks for its server neither what sends requests nor what measures the process', async () => {
  const text = `${spoilt('5347', String(await closedPort()))}telemetry: { listen: 127.0.0.1:0 }\n`;
  const packages = await packagesOf(['run', '-c', 'x.yaml'], text, 'component-offline');
  expect(packages).toEqual(
    expect.arrayContaining(['@xmpp/component', 'lmdb', 'pino', 'prom-client', 'yaml', 'zod']),
  );
  for (const later of ['got', 'cacheable-request', '@opentelemetry/api', 'pino-pretty']) {
    expect(packages).not.toContain(later);
  }
});
