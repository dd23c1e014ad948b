import type { z } from 'zod';
import { nearest } from '../../schema/nearest.ts';
import { isProblemCode, type ProblemCode, type ProblemText } from '../../schema/problem-codes.ts';
import { knownKeys } from '../json-schema.ts';
import type { Path } from './document.ts';
import { shownKey } from './problems.ts';

/** Keys that later versions will know, section by section. A key that becomes known leaves this list. */
const LATER_KEYS: Readonly<Record<string, readonly string[]>> = {
  'mod_event_pusher.backends.http': ['match', 'payload', 'batch', 'signing_secret_file'],
  outgoing_pools: [
    'headers',
    'authentication',
    'basic_auth',
    'bearer_token',
    'client_certificate',
    'path_join',
  ],
};
/** Values that later versions will know. */
const LATER_WORDS: readonly unknown[] = ['push', 'jetstream'];
const NOT_YET = 'is not supported by this version';

const shapes: Readonly<Record<string, string>> = {
  string: 'must be text',
  int: 'must be a whole number',
  number: 'must be a whole number',
  array: 'must be a list: [one, two], or lines that begin with "- "',
  object: 'must be a section with keys of its own',
  record: 'must be a section with keys of its own',
};

/** Says what is wrong with a value, to follow its path; never quotes the value, which may be a secret. */
export function issueText(issue: z.core.$ZodIssue): ProblemText {
  switch (issue.code) {
    case 'invalid_type':
      return typeText(issue.input, issue.expected, issue.path);
    case 'invalid_value':
      return wordText(issue.input, issue.values);
    case 'too_small':
      return invalid(issue.origin === 'array' ? 'must not be empty' : `must be at least ${issue.minimum}`);
    case 'too_big':
      return invalid(`must be at most ${issue.maximum}`);
    case 'custom':
      return { code: codeOf(issue.params), message: issue.message };
    case 'invalid_union':
      // Zod has no words for which of several it should have been: the schema brings its own.
      return invalid(issue.message);
    default:
      return invalid('is not valid');
  }
}

/** The code that a schema gives to its issue; a room's own piece of schema may give none. */
function codeOf(params: z.core.$ZodIssueCustom['params']): ProblemCode {
  const code: unknown = params?.['code'];
  return isProblemCode(code) ? code : 'invalid-value';
}

function invalid(message: string): ProblemText {
  return { code: 'invalid-value', message };
}

function wordText(input: unknown, words: readonly unknown[]): ProblemText {
  const mustBe = `must be ${words.join(', ').replace(/, ([^,]*)$/, ' or $1')}`;
  return LATER_WORDS.includes(input)
    ? { code: 'unsupported', message: `${mustBe}: ${String(input)} ${NOT_YET}` }
    : invalid(mustBe);
}

function typeText(input: unknown, expected: string, path: Path): ProblemText {
  if (input === undefined) return { code: 'missing-key', message: `is missing: ${descriptionOf(path)}` };
  const shape = shapes[expected] ?? 'has the wrong type';
  const isBareText = expected === 'string' && typeof input !== 'object';
  const message =
    input === null ? `has no value: it ${shape}` : isBareText ? `${shape}: put the value in quotes` : shape;
  return { code: 'wrong-type', message };
}

/** Says what is wrong with a key, to follow its path. */
export function unknownKeyText(section: Path, key: string): ProblemText {
  const name = sectionOf(section);
  if (shownKey(key) !== key) return unknown('is a space missing after a colon?');
  if (LATER_KEYS[name]?.includes(key) === true) return { code: 'unsupported', message: NOT_YET };
  const elsewhere = knownKeys().find((known) => known.key === key);
  if (elsewhere !== undefined) {
    const message = `is in the wrong place: it belongs ${placeOf(elsewhere.section)}`;
    return { code: 'misplaced-key', message };
  }
  const here = knownKeys().filter((known) => known.section === name);
  const keys = here.map((known) => known.key);
  const meant = nearest(key, keys);
  return unknown(meant === undefined ? `the keys here are ${keys.join(', ')}` : `did you mean ${meant}?`);
}

function unknown(remedy: string): ProblemText {
  return { code: 'unknown-key', message: `is not a known key: ${remedy}` };
}

function descriptionOf(path: Path): string {
  const key = String(path.at(-1));
  const section = sectionOf(path.slice(0, -1));
  return knownKeys().find((known) => known.section === section && known.key === key)?.description ?? '';
}

function sectionOf(path: Path): string {
  return path.filter((step) => typeof step !== 'number').join('.');
}

function placeOf(section: string): string {
  return section === '' ? 'at the top, in no section' : `under ${section}`;
}
