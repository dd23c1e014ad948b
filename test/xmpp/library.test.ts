import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

it('library.ts alone reaches @xmpp/component, so that its table is complete', () => {
  const source = new URL('../../src/', import.meta.url);
  const users = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .filter((path) => readFileSync(new URL(path, source), 'utf8').includes("from '@xmpp/component'"));
  expect(users).toEqual(['xmpp/library.ts']);
});

it('each seam of @xmpp/component names a test that is there', () => {
  const rows = read('../../src/xmpp/library.ts')
    .split('\n')
    .filter(
      (line) => line.startsWith(' * | ') && !line.startsWith(' * | seam') && !line.startsWith(' * | ---'),
    )
    .map((line) => line.slice(' * | '.length, -' |'.length).split(' | '));
  expect(rows.length).toBeGreaterThan(10);
  for (const [seam = '', wrong, remedy, test = ''] of rows) {
    expect([wrong, remedy], seam).not.toContain('');
    const [, file, title = ''] = /^(\w+): (.+)$/.exec(test) ?? [];
    expect(read(`${file}.test.ts`).includes(title), `${seam}: ${test}`).toBe(true);
  }
});
