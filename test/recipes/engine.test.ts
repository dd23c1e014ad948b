import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { trusting } from '../config/load-text.ts';
import { runCli } from '../support/cli.ts';
import { allow } from '../support/limits.ts';
import { followRecipe } from '../support/recipe.ts';
import { startSidecar } from '../support/sidecar.ts';

// It compiles the source, and runs a part of the conformance suite.
allow('manyCases');

/** An engine that keeps everything in memory, with an option of its own. */
const dummy = `import { z } from 'zod';
import { engine } from './engine.ts';

export const dummy = engine({
  name: 'dummy',
  summary: 'nowhere',
  schema: () => z.strictObject({ flavour: z.enum(['mild', 'sharp']).default('mild') }),
  place: ({ flavour }) => ({ flavour }),
  open: async (_options, _common, ports) => {
    const { memoryStore } = await import('../memory/store.ts');
    return memoryStore(ports);
  },
  openBeside: 'has nothing to show',
});
`;

it('an outbox engine is one file, its import and its entry in the table of engines', async () => {
  const { folder, main, run } = await followRecipe('an outbox engine', {
    files: { 'outbox/engines/dummy.ts': dummy },
    lines: [
      {
        file: 'outbox/engines/index.ts',
        after: "from './engine.ts'",
        line: "import { dummy } from './dummy.ts';",
      },
      { file: 'outbox/engines/index.ts', after: 'export const engines = {', line: '  [dummy.name]: dummy,' },
    ],
    with: ['test'],
  });
  const check = async (outbox: string) => {
    await writeFile(join(folder, 'x.yaml'), `${trusting}outbox:\n  engine: dummy\n${outbox}`);
    return runCli(['check', '-c', 'x.yaml'], { main, folder });
  };
  expect(await check('  options: { flavour: sharp }\n')).toMatchObject({ code: 0, stderr: '' });
  const line = `${trusting}outbox:\n  engine: dummy\n`.split('\n').length;
  expect(await check('  options: { flavour: bitter }\n')).toMatchObject({
    code: 78,
    stderr: `x.yaml:${line}:23: outbox.options.flavour must be mild or sharp\n`,
  });
  expect((await check('  options: { path: ./data }\n')).stderr).toContain(
    `x.yaml:${line}:14: outbox.options.path `,
  );

  const sidecar = await startSidecar(
    `${trusting}outbox: { engine: dummy, options: { flavour: sharp } }\ntelemetry: { listen: 127.0.0.1:0 }\n`,
    { main },
  );
  expect(sidecar.lines.find(({ event }) => event === 'sidecar-starting')?.['outbox']).toEqual({
    engine: 'dummy',
    flavour: 'sharp',
  });
  await sidecar.kill();

  await writeFile(join(folder, 'x.yaml'), `${trusting}outbox: { engine: dummy }\n`);
  expect(await runCli(['dead-letters', 'list', '-c', 'x.yaml'], { main, folder })).toMatchObject({
    code: 1,
    stderr: 'outbox.engine: the engine dummy has nothing to show\n',
  });

  const suite = await run(
    'npx',
    'vitest',
    'run',
    '--config',
    'test/vitest.config.ts',
    'test/outbox/conformance.test.ts',
    '-t',
    'dummy.* put, lease and settle',
  );
  expect(stripVTControlCharacters(suite.output)).toMatch(/Tests +\d+ passed/);
  expect(suite.code).toBe(0);
});
