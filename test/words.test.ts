import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url);

/** Words that a reader has to read twice, and names of documents that are not in this repository. */
const forbidden =
  /\b(?:[Ll]est|[Hh]ence|[Aa]new|[Tt]hereof|[Ww]hereof|[Oo]f\s+which|[Aa]t\s+hand|[Ff]acts\s+\d+|PRODUCT)\b/g;

/** A comment of one or more lines, with the code before it on its line. */
const comment = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*(?:\n[ \t]*\/\/.*)*/gm;
/** The title of a test or of a group of tests: the first argument, which is a literal. */
const title =
  /(?:\b(?:it|describe|test)(?:\.\w+)*|\))\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;

describe('plain words', () => {
  it('stand in all comments of src', () => {
    const found = filesIn('src', /\.(?:ts|js)$/).flatMap((file) => wordsIn(file, comment));
    expect(found).toEqual([]);
  });

  it('stand in the titles of all tests', () => {
    const found = filesIn('test', /\.test\.ts$/).flatMap((file) => wordsIn(file, title));
    expect(found).toEqual([]);
  });

  it('would be missed by neither of the two', () => {
    const source =
      "it('a', () => {});\n/**\n * Some of\n * which end. */\nit.each([1])(\n  'facts 3 hold',\n); // Hence";
    expect(forbiddenIn('x.ts', source, comment)).toEqual(['x.ts:3: of which', 'x.ts:7: Hence']);
    expect(forbiddenIn('x.ts', source, title)).toEqual(['x.ts:6: facts 3']);
  });
});

function filesIn(folder: string, name: RegExp): string[] {
  return readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((file) => name.test(file))
    .map((file) => `${folder}/${file}`);
}

function wordsIn(file: string, part: RegExp): string[] {
  return forbiddenIn(file, readFileSync(new URL(file, root), 'utf8'), part);
}

/** `file:line: word` for each forbidden word in the parts of a text; a line break in a comment is as good as a space. */
function forbiddenIn(file: string, text: string, part: RegExp): string[] {
  return [...text.matchAll(part)].flatMap(({ 0: found, index }) => {
    const plain = found.replaceAll(/\n[ \t]*(?:\*|\/\/)?/g, (gap) => ' '.padEnd(gap.length));
    return [...plain.matchAll(forbidden)].map((match) => {
      const line = text.slice(0, index + match.index).split('\n').length;
      return `${file}:${line}: ${match[0].replaceAll(/\s+/g, ' ')}`;
    });
  });
}
