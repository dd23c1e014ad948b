import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameprep, nodeprep, resourceprep } from '../../src/core/stringprep.ts';
import { allow } from '../support/limits.ts';

allow('processes');

const profiles = { nodeprep, nameprep, resourceprep };
const names = ['nodeprep', 'nameprep', 'resourceprep'] as const;

interface Oracle {
  readonly ejabberd: string | null;
  /** Prosody as it is by default: unassigned code points allowed. */
  readonly prosody: string | null;
  /** Whether ejabberd and Prosody say the same. */
  readonly agree: boolean;
}
type Vector = { readonly input: string | null; readonly hex: string } & Record<
  (typeof names)[number],
  Oracle
>;
type MongooseimVector = { readonly in: string } & Record<(typeof names)[number], string | null>;

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const { vectors, mongooseim } = JSON.parse(readFileSync(path('../data/stringprep.json'), 'utf8')) as {
  vectors: Vector[];
  mongooseim: MongooseimVector[];
};

/** How an input is named in a list of exceptions; the long ones repeat one character. */
const brief = (text: string): string => (text.length > 20 ? `${text.length} × ${text[0]}` : text);

const oddCharacters = Array.from(
  'aZ @/ßςİÅﬁⅣ＠℀\u00ad\u200b\u0301\u0316\u0345\u0085אا١ܐẞȺᴬ😀\u{2f868}\u{e0001}',
);

/** Strings of characters on which profiles and Unicode versions differ, of lone surrogates, and of any others. */
const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...oddCharacters, '\ud800', '\udc00'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});
const asciiText = fc.string({ unit: 'binary-ascii' });

describe.each(names)('%s', (name) => {
  const prepare = profiles[name];

  it('says what ejabberd and Prosody agree on, else what Prosody says', () => {
    const differences = vectors
      .filter(({ input, [name]: oracle }) => {
        const expected = oracle.agree ? oracle.ejabberd : oracle.prosody;
        return input !== null && (prepare(input) ?? null) !== expected;
      })
      .map(({ input }) => brief(input ?? ''));
    // Prosody's limit of 1023 bytes, which ejabberd keeps elsewhere; ours concerns NFKC only.
    expect(differences).toEqual(['1024 × a']);
  });

  it('says what MongooseIM says, except that unassigned code points pass', () => {
    const differences = mongooseim
      .filter((vector) => (prepare(vector.in) ?? null) !== vector[name])
      .map((vector) => vector.in);
    // Its wrapper makes an error of an empty domain; the others are or hold code points newer than Unicode 3.2.
    expect(differences).toEqual(name === 'nameprep' ? ['ẞ', '', '😀', 'ẞx', 'Ა'] : ['ẞ', '😀', 'ẞx', 'Ა']);
    for (const text of ['ẞ', '😀', 'ẞx', 'Ა']) expect(prepare(text)).toBe(text);
  });

  it('gives the same for ASCII text whether or not it takes the way for any text', () => {
    // A soft hyphen is mapped to nothing in all three profiles, but it is not ASCII.
    fc.assert(
      fc.property(asciiText, (text) => {
        expect(prepare(`${text}\u00ad`)).toBe(prepare(text));
      }),
    );
    for (let code = 0; code < 128; code += 1) {
      const character = String.fromCharCode(code);
      expect(prepare(`${character}\u00ad`)).toBe(prepare(character));
    }
  });

  it('is idempotent, and throws for no string', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const prepared = prepare(text);
        if (prepared !== undefined) expect(prepare(prepared)).toBe(prepared);
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses lone surrogates', () => {
    expect(prepare('a\ud800')).toBeUndefined();
    expect(prepare('\udc00a')).toBeUndefined();
    expect(prepare('a\u{10000}')).toBe('a\u{10000}');
  });

  it('applies NFKC to nothing that Unicode 3.2 did not know', () => {
    expect('\u1d2c'.normalize('NFKC')).toBe('A');
    expect(prepare('ﬁ\u1d2cﬁ')).toBe('fi\u1d2cfi');
    expect(prepare('a\u{2f868}')).toBe('a\u{2136a}');
  });

  it('refuses text that would keep NFKC busy for long', () => {
    expect(prepare('é'.repeat(1023))).toBe('é'.repeat(1023));
    expect(prepare('é'.repeat(1024))).toBeUndefined();
    expect(prepare('a'.repeat(100_000))).toBe('a'.repeat(100_000));
  });
});

it('knows all vectors but those that are no Unicode text', () => {
  const inexpressible = vectors.filter(({ input }) => input === null).map(({ hex }) => hex);
  expect(inexpressible).toEqual(['ff', '61c080', 'eda080']);
});

it.each([
  ['ALICE', 'alice', 'alice', 'ALICE'],
  ['Straße', 'strasse', 'strasse', 'Straße'],
  ['ΑΒΓς', 'αβγσ', 'αβγσ', 'ΑΒΓς'],
  ['ＷＩＤＥ', 'wide', 'wide', 'WIDE'],
  ['İstanbul', 'i\u0307stanbul', 'i\u0307stanbul', 'İstanbul'],
  ['Ⅳ', 'iv', 'iv', 'IV'],
  ['e\u0301', 'é', 'é', 'é'],
  ['a\u200bl\u00adice', 'alice', 'alice', 'alice'],
  ['a b', undefined, 'a b', 'a b'],
  ['a\tb', undefined, 'a\tb', undefined],
  ["o'hara", undefined, "o'hara", "o'hara"],
  ['BÜCHER.example', 'bücher.example', 'bücher.example', 'BÜCHER.example'],
  ['אבג', 'אבג', 'אבג', 'אבג'],
  ['אבג1', undefined, undefined, undefined],
  ['א1ב', 'א1ב', 'א1ב', 'א1ב'],
  ['אaב', undefined, undefined, undefined],
])('prepares %j', (text, node, name, resource) => {
  expect([nodeprep(text), nameprep(text), resourceprep(text)]).toEqual([node, name, resource]);
});

it('has the tables that the generator makes', (context) => {
  const generated = spawnSync('python3', [path('../tools/stringprep-tables.py')], { encoding: 'utf8' });
  if (generated.error !== undefined) context.skip(`python3 cannot be run: ${generated.error.message}`);
  expect(generated.stderr).toBe('');
  expect(generated.stdout).toBe(readFileSync(path('../../src/core/stringprep-tables.ts'), 'utf8'));
});
