import { withoutBlocks } from './pages.ts';

/** The sentences of a page's paragraphs and lists, in order: neither headings, nor tables, nor blocks of code. */
export function sentencesOf(page: string): string[] {
  return paragraphsOf(page).flatMap((paragraph) =>
    paragraph
      .replaceAll(/`[^`]*`/g, (code) => code.replaceAll(/[.!?\s]/g, '·'))
      .replaceAll(/\[([^\]]*)\](?:\([^)]*\))?/g, '$1')
      .replaceAll('**', '')
      .split(/(?<=[.!?:]\)?) +(?=["(]?[\p{Lu}`])/u),
  );
}

/** How many words a sentence has; what is written as code is one. */
export function wordsIn(sentence: string): number {
  return sentence.split(/[\s—]+/).filter((word) => /[\p{L}\d`]/u.test(word)).length;
}

function paragraphsOf(page: string): string[] {
  const lines = withoutBlocks(page)
    .split('\n')
    .map((line) => (/^ *\||^#|^\[[^\]]+\]: /.test(line) ? '' : line.replace(/^ *(?:[*-]|\d+\.) /, '\n')));
  return lines
    .join('\n')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replaceAll(/\s+/g, ' '))
    .filter((paragraph) => paragraph !== '');
}

/** Words that say a thing in an old, a poetic or an ambiguous way, each with the plain word. */
const plainWords: readonly (readonly [RegExp, string])[] = [
  [/\blest\b/i, 'so that … not'],
  [/\bhence\b/i, 'so'],
  [/\banew\b/i, 'again'],
  [/\b(?:there|where)(?:of|by|upon|after|in)\b/i, 'name the thing'],
  [/\bof which\b/i, 'two sentences'],
  [/\blater and later\b/i, 'with exponential back-off'],
  [/\banswer(?:s|ed|ing)?\b/i, 'response, respond'],
  [/\b(?:nothing|all|any|anything|everything|anybody|none|every|any header) but\b/i, 'except'],
  [/\bfor ever\b/i, 'without end'],
  [/\bmend(?:s|ed|ing)?\b/i, 'repair, correct'],
  [/\btime-outs?\b/i, 'timeout'],
  [/\bat once\b/i, 'immediately, or at the same time'],
  [/\bworked around\b/i, 'name the remedy'],
  [/\bupon\b/i, 'on'],
  [/\bends? what is\b/i, 'finishes'],
  [/\bfor good\b/i, 'will not be retried, permanently'],
  [/\bwaits? aside\b/i, 'waits for its retry'],
  [/\b(?:is|are|was|goes) away\b/i, 'is not connected, is stopped, cannot be reached'],
  [/\bheld by tests\b/i, 'tests'],
  [/\b(?:to|for|by|of|with|at|from) who\b/i, 'a person who, a client that'],
];

/** Where a page uses one of these words, with what stands around it; neither in code nor in the title of a test. */
export function unplainIn(page: string): string[] {
  const prose = withoutBlocks(page)
    .replaceAll(/`[^`]*`/g, '`')
    .replaceAll(/\btest\/\S+: [^|]*/g, '');
  return plainWords.flatMap(([word, plain]) =>
    Array.from(
      prose.matchAll(new RegExp(`.{0,30}${word.source}.{0,20}`, 'gi')),
      ([found]) => `${found} (${plain})`,
    ),
  );
}
