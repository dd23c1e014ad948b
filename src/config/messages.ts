import type { z } from 'zod';
import type { Path } from './document.ts';
import { knownKeys } from './json-schema.ts';
import { nearest } from './nearest.ts';

/** Keys that later versions will know, section by section. */
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
/** Words that later versions will know. */
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

/** A path as operators read it: `outgoing_pools[0].workers`; a key that may be a secret is not shown. */
export function pathText(path: Path): string {
  if (path.length === 0) return 'the file';
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${shownKey(String(step))}`))
    .join('')
    .slice(1);
}

/** Says what is wrong with a value, to follow its path; never quotes the value, which may be a secret. */
export function issueMessage(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeMessage(issue.input, String(issue.expected), issue.path ?? []);
    case 'invalid_value': {
      const mustBe = `must be ${issue.values.join(', ').replace(/, ([^,]*)$/, ' or $1')}`;
      return LATER_WORDS.includes(issue.input) ? `${mustBe}: ${String(issue.input)} ${NOT_YET}` : mustBe;
    }
    case 'too_small':
      return issue.origin === 'array' ? 'must not be empty' : `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    default:
      return 'is not valid';
  }
}

function typeMessage(input: unknown, expected: string, path: Path): string {
  if (input === undefined) return `is missing: ${descriptionOf(path)}`;
  const shape = shapes[expected] ?? 'has the wrong type';
  if (input === null) return `has no value: it ${shape}`;
  if (expected === 'string' && typeof input !== 'object') return `${shape}: put the value in quotes`;
  return shape;
}

/** Says what is wrong with a key, to follow its path. */
export function unknownKeyMessage(section: Path, key: string): string {
  const name = sectionOf(section);
  if (shownKey(key) !== key) return 'is no known key: is a space missing after a colon?';
  if (LATER_KEYS[name]?.includes(key) === true) return NOT_YET;
  const elsewhere = knownKeys().find((known) => known.key === key);
  if (elsewhere !== undefined) return `stands in the wrong place: it belongs ${placeOf(elsewhere.section)}`;
  const here = knownKeys().filter((known) => known.section === name);
  const keys = here.map((known) => known.key);
  const meant = nearest(key, keys);
  if (meant !== undefined) return `is no known key: did you mean ${meant}?`;
  return `is no known key: known here are ${keys.join(', ')}`;
}

/** A key, if it looks like one and not like a value that lost its colon. */
function shownKey(key: string): string {
  return /^[A-Za-z_<][\w<-]{0,39}$/.test(key) ? key : '…';
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
