import { describe, expect, it } from 'vitest';
import { good, load, problemsOf, spoilt } from './load-text.ts';

/** What a value in the options of a backend becomes. */
async function optionOf(value: string, environment: Record<string, string>): Promise<unknown> {
  const { backends } = await load(`${good}        options:\n          x: ${value}\n`, { environment });
  return backends[0]?.options['x'];
}

describe('a reference to a variable', () => {
  it.each([
    ['${A}', { A: 'text' }, 'text'],
    ['a${A}b${A}c', { A: '-' }, 'a-b-c'],
    ['${A}${B}', { A: '1', B: '2' }, '12'],
    ['"${A}"', { A: '5' }, '5'],
    ["'${A}'", { A: '5' }, '5'],
    ['!!str ${A}', { A: '5' }, '5'],
    ['x${A}', { A: '' }, 'x'],
    ['${A:-b c}', {}, 'b c'],
    ['${A:-b c}', { A: '' }, 'b c'],
    ['${A:-b}', { A: 'a' }, 'a'],
    ['"${A:-}"', {}, ''],
    ['"${A:-a:-b}"', {}, 'a:-b'],
    ['"${A:-1$$}"', {}, '1$'],
    ['$$', {}, '$'],
    ['$${A}', { A: 'a' }, '${A}'],
    ['$$$$', {}, '$$'],
    ['a$b', {}, 'a$b'],
    ['$A', { A: 'a' }, '$A'],
    ['"${A}"', { A: '${B} $$ "x": *y' }, '${B} $$ "x": *y'],
  ] as const)('%s with %j becomes the text %j', async (value, environment, expected) => {
    expect(await optionOf(value, environment)).toBe(expected);
  });

  it.each([
    ['5', 5],
    ['-1.5e3', -1500],
    ['0x1F', 31],
    ['0123', 123],
    ['true', true],
    ['null', null],
    ['', null],
    ['no', 'no'],
    ['12:30', '12:30'],
    ['5 # five', '5 # five'],
    ['"5"', '"5"'],
    [' 5', ' 5'],
    ['[5]', '[5]'],
    ['a: b', 'a: b'],
    ['*a', '*a'],
    ['&a 5', '&a 5'],
    ['!!str 5', '!!str 5'],
    ['---', '---'],
    ['# 5', '# 5'],
    ['@x', '@x'],
    ['a\nb', 'a\nb'],
  ])('takes the YAML type of %j where it stands alone and plain', async (value, expected) => {
    expect(await optionOf('${A}', { A: value })).toEqual(expected);
  });

  it.each([
    ['${A:-5}', 5],
    ['${A:-true}', true],
    ['${A:-}', null],
    ['${A:-a}', 'a'],
    ['"${A:-5}"', '5'],
    ['${A:-5}s', '5s'],
  ])('takes the YAML type of its default in %s', async (value, expected) => {
    expect(await optionOf(value, {})).toBe(expected);
  });

  it('stays text where text is wanted, be it all digits, a word of YAML, or nothing', async () => {
    const text = `${spoilt('swordfish', '${SECRET}')}        name: \${NAME}\n        path: \${PREFIX:-}\n`;
    const { component, backends } = await load(text, { environment: { SECRET: '0123456', NAME: 'true' } });
    expect(component.secret).toBe('0123456');
    expect(backends).toMatchObject([{ name: 'true', path: '' }]);
  });

  it('is replaced in numbers, lists and words', async () => {
    const text = `${good}shutdown_timeout: \${TIMEOUT}
log:
  level: \${LEVEL:-debug}
`.replace('secret:', 'trusted_domains:\n    - ${DOMAIN}\n  secret:');
    const { component, shutdownTimeoutMs, log } = await load(text, {
      environment: { TIMEOUT: '7', DOMAIN: 'example.com' },
    });
    expect({ ...log, shutdownTimeoutMs, trusted: component.trustedDomains }).toEqual({
      level: 'debug',
      shutdownTimeoutMs: 7,
      trusted: ['example.com'],
    });
  });

  it('is left alone in keys and comments', async () => {
    const text = `# \${NOT_SET}\n${good}        options: # \${NOT_SET}\n          \${NOT_SET}: 1\n`;
    const { backends } = await load(text);
    expect(backends[0]?.options).toEqual({ '${NOT_SET}': 1 });
  });

  it('is replaced once behind an anchor', async () => {
    const text = `${good}        options:\n          x: &a \${A}\n          y: *a\n`;
    const { backends } = await load(text, { environment: { A: '$$5' } });
    expect(backends[0]?.options).toEqual({ x: '$$5', y: '$$5' });
  });

  it('is a problem of its own when the variable is missing, and hides no other', async () => {
    const text = spoilt(
      'http_pool\n    server: http://localhost:8000',
      '${TAG}\n    server: ${A} ${B}\n    workers: 0',
    );
    expect(await problemsOf(text, { environment: { A: 'http://localhost' } })).toEqual([
      '6:10: the environment variable TAG is not set: set it, or give a default with ${TAG:-default}',
      '7:13: the environment variable B is not set: set it, or give a default with ${B:-default}',
      '8:14: outgoing_pools[0].workers must be at least 1',
    ]);
  });

  it.each(['constructor', '__proto__'])(
    'finds nothing in the variable %s, which only objects have',
    async (name) => {
      expect(await problemsOf(spoilt('swordfish', `"\${${name}}"`))).toEqual([
        `4:11: the environment variable ${name} is not set: set it, or give a default with \${${name}:-default}`,
      ]);
    },
  );

  it.each(['${', '${}', '${A', '${A-b}', '${1}', '${A:-${B}}', '${A B}', '${A:b}'])(
    'is refused when it is written %s',
    async (value) => {
      expect(
        await problemsOf(spoilt('swordfish', `"${value}"`), { environment: { A: 'a', B: 'b' } }),
      ).toEqual([
        '4:11: "${" begins a reference to a variable, written ${NAME} or ${NAME:-default}; a plain dollar before { is written $$',
      ]);
    },
  );

  it.each(['[${A}]', '{ x: ${A} }', '[a, ${A:-b}, c]'])('must be quoted inside %s', async (value) => {
    expect(
      await problemsOf(`${good}        options:\n          x: ${value}\n`, { environment: { A: 'a' } }),
    ).toEqual([
      expect.stringMatching(
        /^13:\d+: inside \{ \} or \[ \], a reference to a variable must be in quotes: "\$\{VARIABLE\}"; or write the section in lines$/,
      ),
    ]);
  });
});
