import { expect, it } from 'vitest';
import { good, load, problemsOf, spoilt } from './load-text.ts';

const options = (text: string): string => `${good}        options:\n          ${text}\n`;

it.each([
  ['x: *y', '13:14: an alias (*name) must name an anchor (&name) that comes before it'],
  ['x: *', '13:14: an alias (*name) must name an anchor (&name) that comes before it'],
  [
    'x: &a 1\n          y: &b *a',
    '14:17: an alias (*name) cannot have an anchor (&) or a tag (!) of its own',
  ],
  [
    'x: "\\q"',
    '13:15: this escape (\\) is not known in "double quotes": write \\\\ for a backslash, or use \'single quotes\'',
  ],
  [
    'x: 1\n         y: 2',
    '14:1: the indentation does not fit the lines above: keys of one section begin in one column, or a ] or } is missing',
  ],
  ['x: @a', '13:14: a value cannot begin with this character: put the value in quotes'],
  [
    'x: a: b',
    '13:14: unexpected second value: check the indentation, and put values that contain ": " in quotes',
  ],
  ['x: 1\n          x: 2', '14:11: this key was given before in the same section: keep one of them'],
  [
    'x: "a',
    '14:1: a character is missing here: look for an unclosed quote, { or [, or for a missing comma or ": "',
  ],
  [
    'x: [a',
    '14:1: the indentation does not fit the lines above: keys of one section begin in one column, or a ] or } is missing',
  ],
  ['x:1\n          y: 2', '13:11: a key must be on one line and be followed by ": " (colon, space)'],
  ['x: &a &b 1', '13:17: a value can have one anchor (&) only'],
  ['x: !!str !!str 1', '13:20: a value can have one tag (!) only'],
  ['[a]: 1', '13:11: a key must be plain text'],
  ['\tx: 1', '13:11: tabs cannot indent in YAML: use spaces'],
  ['x: !env 1', '13:14: this tag (!) is not known, or does not fit its value: remove the tag'],
  ['x: !!binary aGk=', '13:14: this tag (!) is not known, or does not fit its value: remove the tag'],
  ['x: ]', '13:14: this is not expected here: check the indentation, quotes and brackets'],
  [
    `? ${'x'.repeat(10)}\n          ${'x'.repeat(1030)}: 1`,
    '14:11: a key is limited to 1024 characters: is a quote or a colon missing?',
  ],
])('tells where and why %j is not YAML', async (text, problem) => {
  expect(await problemsOf(options(text))).toEqual([problem]);
});

it.each([
  [
    'a second document',
    `${good}---\nx: 1\n`,
    '12:1: the file must hold one document: remove what begins at this ---',
  ],
  ['a directive', `%FOO\n---\n${good}`, '1:1: a line that begins with % is not understood: remove it'],
  [
    'deep nesting',
    `x: ${'['.repeat(20_000)}\n`,
    expect.stringMatching(/^1:\d+: the file is nested too deeply$/),
  ],
])('refuses %s', async (_title, text, problem) => {
  expect(await problemsOf(text)).toEqual([problem]);
});

it('goes on behind a key that is given twice', async () => {
  expect(await problemsOf(spoilt('  secret:', '  domain: push.example.com\n  secert:'))).toEqual([
    '1:1: component.secret is missing: give secret, as ${XMPP_COMPONENT_SECRET}, or secret_file',
    '4:3: this key was given before in the same section: keep one of them',
    '5:3: component.secert is not a known key: did you mean secret?',
  ]);
});

it('follows anchors and aliases', async () => {
  const text = `${spoilt('    server', '    retry: &slow { first_delay: 7 }\n    server')}retry: *slow\n`;
  const { outgoingPools } = await load(text);
  expect(outgoingPools[0]?.retry.firstDelayMs).toBe(7);
});

it('tells a problem behind an anchor where it stands', async () => {
  const text = `${spoilt('    server', '    retry: &slow { max_delay: 0 }\n    server')}retry: *slow\n`;
  expect(await problemsOf(text)).toEqual([
    '7:31: outgoing_pools[0].retry.max_delay must be at least 1',
    '7:31: retry.max_delay must be at least 1',
  ]);
});

it('refuses aliases that multiply the content beyond measure', async () => {
  const lines = Array.from(
    { length: 12 },
    (_, index) => `          x${index + 1}: &x${index + 1} [${`*x${index}, `.repeat(12)}]`,
  );
  expect(await problemsOf(`${options('x0: &x0 [lol]')}${lines.join('\n')}\n`)).toEqual([
    '1:1: the aliases (*name) make the content too large: write it without them',
  ]);
});

it.each([
  ['UTF-16 with a mark', Buffer.from(`\ufeff${good}`, 'utf16le'), 'is UTF-16'],
  ['UTF-16, big end first', Buffer.from(`\ufeff${good}`, 'utf16le').swap16(), 'is UTF-16'],
  ['UTF-16 without a mark', Buffer.from(good, 'utf16le'), 'is UTF-16'],
  ['Latin-1', Buffer.from(`# für\n${good}`, 'latin1'), 'is not UTF-8 (Latin-1, perhaps)'],
])('says what a file is that is no UTF-8: %s', async (_title, bytes, what) => {
  expect(await problemsOf(bytes)).toEqual([`1:1: the file ${what}: save it as UTF-8`]);
});

it('takes a file that begins with a byte order mark', async () => {
  expect(await problemsOf(`\ufeff${good}`)).toEqual([]);
});
