import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folderWith, good } from '../config/load-text.ts';
import { runCli } from '../support/cli.ts';
import { followRecipe } from '../support/recipe.ts';

const description = 'Milliseconds that the kettle is given.';

/** Prints the section `component` as the program gets it, or the problems. */
const program = `
import { loadConfiguration } from './dist/config/load.js';
const loaded = await loadConfiguration(process.argv[1], {});
console.log(JSON.stringify(loaded.configuration?.component ?? loaded));
`;

const kettle = (value: string): string =>
  good.replace('  secret:', `  timeouts: {}\n  kettle_delay: ${value}\n  secret:`);

it('a configuration key is one line in the file of its section, and one place in the example file', async () => {
  const { folder, main, run } = await followRecipe('a configuration key', {
    lines: [
      {
        file: 'config/sections/component.ts',
        after: 'const keys = {',
        line: `  kettleDelayMs: milliseconds(5).default(50).describe('${description}'),`,
      },
    ],
    with: ['test', 'config'],
  });
  const files = await folderWith({ 'default.yaml': good, 'own.yaml': kettle('7'), 'low.yaml': kettle('4') });
  const componentOf = async (file: string): Promise<unknown> =>
    JSON.parse((await run('node', '--input-type=module', '-e', program, join(files, file))).output);
  expect(await componentOf('default.yaml')).toMatchObject({ kettleDelayMs: 50, domain: 'push.example.com' });
  expect(await componentOf('own.yaml')).toMatchObject({ kettleDelayMs: 7 });
  expect(await runCli(['check', '--json', '-c', 'low.yaml'], { folder: files, main })).toMatchObject({
    code: 78,
    stdout: expect.stringContaining(
      '"line":5,"column":17,"severity":"error","code":"invalid-value","message":"component.kettle_delay must be at least 5"',
    ),
  });
  const { stdout } = await runCli(['schema'], { main });
  expect(JSON.parse(stdout)).toMatchObject({
    properties: {
      component: { properties: { kettle_delay: { description, default: 50, anyOf: [{ minimum: 5 }, {}] } } },
    },
  });

  const example = (): Promise<{ code: number; output: string }> =>
    run('npx', 'vitest', 'run', '--config', 'test/vitest.config.ts', 'test/config/schema.test.ts');
  const before = await example();
  expect(before.output).toContain('there is no component.kettle_delay');
  expect(before.output).toMatch(/Tests .*1 failed/);
  const path = join(folder, 'config/event-pusher.full.yaml');
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('component:\n', `component:\n  # ${description}\n  kettle_delay: 50\n`));
  expect((await example()).code).toBe(0);
});
