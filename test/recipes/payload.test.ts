import { expect, it } from 'vitest';
import { followRecipe } from '../support/recipe.ts';
import { allow } from '../support/limits.ts';

allow('processes');

it('a payload format is one file and one line in the table of payloads', async () => {
  const { run } = await followRecipe('a payload format', {
    files: {
      'backends/payloads/dummy.ts': `import { section } from '../../schema/section.ts';
import { wholeNumber } from '../../schema/values.ts';
import type { Payload } from './payload.ts';

const upTo = (length: number): Payload => ({
  contentType: 'text/plain',
  headers: (_event, id) => ({ 'x-id': id }),
  body: ({ message }) => message.slice(0, length),
});
export const dummy: Payload = {
  ...upTo(3),
  options: section({ length: wholeNumber(1) }).transform(({ length }) => upTo(length)),
};
`,
    },
    lines: [
      {
        file: 'backends/payloads/index.ts',
        after: 'import { form }',
        line: "import { dummy } from './dummy.ts';",
      },
      { file: 'backends/payloads/index.ts', after: 'export const payloads', line: '  dummy,' },
    ],
  });
  // Until a file can choose it: a backend that is loaded with it, and with the options that its schema reads.
  const { output } = await run(
    'node',
    '--input-type=module',
    '-e',
    `import { BackendCaller } from './dist/backends/callbacks/caller.js';
     import { loadBackends } from './dist/backends/callbacks/load.js';
     import { payloads } from './dist/backends/payloads/index.js';
     const shaped = payloads.dummy.options.parse({ length: 5 });
     const { backends } = await loadBackends([payloads.dummy, shaped].map((payload) => ({ name: 'b', poolName: 'p', path: '', options: {}, payload })));
     const event = { message: 'Hello, Bob!' };
     console.log(JSON.stringify(backends.map((backend) => new BackendCaller(backend, {}).request(event, true, 'id-1'))));`,
  );
  const headers = { 'content-type': 'text/plain', 'x-id': 'id-1' };
  expect(JSON.parse(output)).toEqual([
    { headers, body: 'Hel' },
    { headers, body: 'Hello' },
  ]);
});
