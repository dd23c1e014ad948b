import { writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { folderWith, good, problemsOf, spoilt } from './load-text.ts';
import { allow } from '../support/limits.ts';

allow('manyCases');

/** Looks like what `openssl rand -base64` gives. */
const MARKER = 'S3cret/Marker+Value==';

const component = (line: string): string => spoilt('  secret: swordfish\n', `${line}\n`);

it.each([
  ['not ASCII', component(`  secret: ${MARKER}ß`)],
  ['a list', component(`  secret: [${MARKER}]`)],
  ['a section', component(`  secret: { ${MARKER}: 1 }`)],
  ['a section of lines', component(`  secret:\n    ${MARKER}: 1`)],
  ['an alias', component(`  secret: *${MARKER}`)],
  ['an anchor', component(`  secret: &${MARKER}`)],
  ['a tag', component(`  secret: !${MARKER} x`)],
  ['a tag of YAML', component(`  secret: !!binary ${MARKER}`)],
  ['an unclosed quote', component(`  secret: "${MARKER}`)],
  ['an unknown escape', component(`  secret: "\\${MARKER}"`)],
  ['a reserved first character', component(`  secret: @${MARKER}`)],
  ['two values', component(`  secret: x: ${MARKER}`)],
  ['a missing space', component(`  secret:${MARKER}`)],
  [
    'a missing space, in braces',
    spoilt(/component:.*(?=outgoing)/s.exec(good)![0], `component: { secret:${MARKER} }\n`),
  ],
  ['a missing key', component(`  ${MARKER}`)],
  ['a key', component(`  ${MARKER}: secret`)],
  ['a key twice', component(`  ${MARKER}: 1\n  ${MARKER}: 2`)],
  ['given twice', component(`  secret: ${MARKER}\n  secret: ${MARKER}`)],
  ['a broken reference', component(`  secret: "\${${MARKER}}"`)],
  ['a broken reference behind a good one', component(`  secret: "\${A}\${${MARKER}}"`)],
  ['the default of a number', spoilt('    server:', `    workers: \${A:-${MARKER}}\n    server:`)],
  ['the name of a secret file', component(`  secret_file: ${MARKER}`)],
  ['beside a secret file', component(`  secret: ${MARKER}\n  secret_file: ./none`)],
  ['an unknown key', component(`  secrets: ${MARKER}`)],
  ['in the wrong place', `${good}secret: ${MARKER}\n`],
  ['a document of its own', `${good}---\n${MARKER}\n`],
  ['a directive', `%${MARKER}\n---\n${good}`],
  ['the service', spoilt('xmpp://127.0.0.1:5347', MARKER)],
  ['a password of the service', spoilt('xmpp://127.0.0.1:5347', `xmpp://push:${MARKER}@127.0.0.1:5347`)],
  ['a password of a server', spoilt('http://localhost', `http://push:${MARKER}@localhost`)],
  ['a password of a server without http', spoilt('http://localhost:8000', `push:${MARKER}@localhost:8000`)],
  ['good, beside another problem', `${component(`  secret: ${MARKER}`)}colour: blue\n`],
])('does not show a secret that is %s', async (_title, text) => {
  const problems = await problemsOf(text, { environment: { A: 'a' } });
  expect(problems).not.toEqual([]);
  expect(problems.join('\n')).not.toContain('Marker');
});

it.each(['', 'x', '12345', 'nöt ASCII', '[1]', 'null'])(
  'does not show a secret that comes from a variable, beside %j',
  async (rest) => {
    const text = `${component('  secret: ${A}')}colour: \${A}\nshutdown_timeout: \${A}\n`;
    const problems = await problemsOf(text, { environment: { A: MARKER + rest } });
    expect(problems.length).toBeGreaterThan(1);
    expect(problems.join('\n')).not.toContain('Marker');
  },
);

it('does not show a secret from a file', async () => {
  const problems = await problemsOf(component('  secret_file: secret'), { files: { secret: `${MARKER}ß` } });
  expect(problems).toHaveLength(1);
  expect(problems.join('\n')).not.toContain('Marker');
});

it('does not show a secret, whatever is mistyped around it', async () => {
  const text = component(`  secret: ${MARKER}`);
  const folder = await folderWith({});
  const start = text.indexOf(MARKER);
  const place = fc
    .nat({ max: text.length - MARKER.length })
    .map((at) => (at <= start ? at : at + MARKER.length));
  const typo = fc.record({
    place,
    removed: fc.integer({ min: 0, max: 3 }),
    typed: fc.string({ maxLength: 3, unit: fc.constantFrom(...':-?{}[]&*!|>\'"%@#,~ \n\t\\$=ax'.split('')) }),
  });
  await fc.assert(
    fc.asyncProperty(typo, async ({ place: at, removed, typed }) => {
      const end = at <= start ? Math.min(at + removed, start) : at + removed;
      await writeFile(`${folder}/x.yaml`, text.slice(0, at) + typed + text.slice(end));
      const loaded = await loadConfiguration(`${folder}/x.yaml`, {});
      expect(JSON.stringify('problems' in loaded ? loaded.problems : [])).not.toContain('Marker');
    }),
    { numRuns: 500 },
  );
});
