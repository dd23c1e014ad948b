import { expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { followRecipe } from '../support/recipe.ts';

it('a command is one file and one line in the table of commands', async () => {
  const { main } = await followRecipe('a command', {
    files: {
      'commands/dummy.ts': `import type { Command } from './command.ts';
export const dummy: Command = {
  summary: 'says hello',
  takesFile: false,
  run: () => {
    console.log('hello');
    return Promise.resolve(0);
  },
};
`,
    },
    lines: [
      {
        file: 'commands/index.ts',
        after: '= {',
        line: "  dummy: async () => (await import('./dummy.ts')).dummy,",
      },
    ],
  });
  expect(await runCli(['dummy'], { main })).toMatchObject({ code: 0, stdout: 'hello\n' });
  expect((await runCli(['--help'], { main })).stdout).toMatch(/dummy +says hello/);
});
