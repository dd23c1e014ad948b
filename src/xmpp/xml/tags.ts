import { Attributes } from '../../core/attributes.ts';
import { decodeAttribute, XmlError } from './text.ts';

const TAB = 0x09;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;
const LESS = 0x3c;
const EQUALS = 0x3d;
const GREATER = 0x3e;

/** Longest part of a name, in characters, that is kept while a stanza is skipped. */
export const LONGEST_SKIPPED_NAME = 1024;
const LONGEST_SKIPPED_TAG = 8192;

/** A start tag (or empty-element tag) as it was written. */
export interface StartTag {
  readonly name: string;
  readonly attributes: Record<string, string>;
  readonly selfClosing: boolean;
  /** Index behind its '>'. */
  readonly end: number;
}

/**
 * Reads the start tag whose '<' is just before `from` (XML 1.0, 3.1); undefined if `source` ends before the tag does.
 * Prefixes are not looked up. A server may pass on a user's element without the declaration from the user's own
 * stream, and no user's prefix may end ours.
 */
export function readStartTag(source: string, from: number): StartTag | undefined {
  let at = nameEnd(source, from);
  if (at === source.length) return undefined;
  if (at === from) throw new XmlError("'<' that begins no tag");
  const name = source.slice(from, at);
  const attributes = new Attributes();
  for (;;) {
    const blank = at;
    at = blankEnd(source, at);
    if (at === source.length) return undefined;
    const code = source.charCodeAt(at);
    if (code === GREATER) return { name, attributes, selfClosing: false, end: at + 1 };
    if (code === SLASH) {
      if (at + 1 === source.length) return undefined;
      if (source.charCodeAt(at + 1) !== GREATER) throw new XmlError("'/' inside a tag");
      return { name, attributes, selfClosing: true, end: at + 2 };
    }
    if (blank === at) throw new XmlError('no white space before an attribute');
    at = readAttribute(source, at, attributes);
    if (at === -1) return undefined;
  }
}

/** Adds the attribute at `from` to `attributes`; gives the index behind it, -1 if `source` ends before it does. */
function readAttribute(source: string, from: number, attributes: Record<string, string>): number {
  const end = nameEnd(source, from);
  const equals = blankEnd(source, end);
  if (equals === source.length) return -1;
  if (end === from || source.charCodeAt(equals) !== EQUALS) throw new XmlError('no attribute inside a tag');
  const open = blankEnd(source, equals + 1);
  if (open === source.length) return -1;
  const quote = source.charCodeAt(open);
  if (quote !== QUOTE && quote !== APOSTROPHE) throw new XmlError('attribute without quotes');
  const close = source.indexOf(quote === QUOTE ? '"' : "'", open + 1);
  if (close === -1) return -1;
  const name = source.slice(from, end);
  if (Object.hasOwn(attributes, name)) throw new XmlError('attribute given twice');
  attributes[name] = decodeAttribute(source.slice(open + 1, close));
  return close + 1;
}

/** The start tag in `text`, which is all of it but the '<'. */
export function wholeTag(text: string): StartTag {
  const tag = readStartTag(text, 0);
  if (tag === undefined) throw new XmlError('quotes inside a tag that are no attribute');
  return tag;
}

/** The same without looking at the attributes; of a longer name the first 1024 characters. */
export function skippedTag(text: string): StartTag {
  const name = text.slice(0, LONGEST_SKIPPED_NAME).replace(/[\s/>].*$/s, '');
  return { name, attributes: new Attributes(), selfClosing: text.endsWith('/>'), end: text.length };
}

/** The name in an end tag, which is given from its '/' to before its '>'. */
export function endTagName(text: string): string {
  return text.slice(1).trimEnd();
}

/** What is kept of an unfinished tag whose name alone is wanted: its start, and its last character. */
export function shortenTag(tag: string): string {
  return tag.length > LONGEST_SKIPPED_TAG ? tag.slice(0, LONGEST_SKIPPED_NAME + 1) + tag.slice(-1) : tag;
}

/** Finds the '>' that ends a tag, even if the tag comes in many chunks. A '>' inside quotes does not count. */
export class TagEndFinder {
  #quote = 0;

  /** Index of the '>', or -1 if it is not in this chunk; call again with the next chunk then. */
  find(chunk: string, from: number): number {
    for (let at = from; at < chunk.length; at += 1) {
      const code = chunk.charCodeAt(at);
      // Not even in quotes (XML 1.0, 2.3): so a quote too many does not swallow more than the rest of its stanza.
      if (code === LESS) throw new XmlError("'<' inside a tag");
      if (this.#quote !== 0) {
        if (code === this.#quote) this.#quote = 0;
      } else if (code === GREATER) {
        return at;
      } else if (code === QUOTE || code === APOSTROPHE) {
        this.#quote = code;
      }
    }
    return -1;
  }
}

const NAME_CHARACTER = characterSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_:');
const LATER_CHARACTER = characterSet('-.0123456789');

/** Index behind the name at `from`. All beyond ASCII is taken for a name's: servers have checked it (XML 1.0, 2.3). */
function nameEnd(source: string, from: number): number {
  let at = from;
  // Reading past the end would give NaN, and make V8 count in floating point here from then on: half the speed.
  while (at < source.length) {
    const code = source.charCodeAt(at);
    if (code < 0x80 && NAME_CHARACTER[code] !== 1 && (at === from || LATER_CHARACTER[code] !== 1)) break;
    at += 1;
  }
  return at;
}

function blankEnd(source: string, from: number): number {
  let at = from;
  while (at < source.length) {
    const code = source.charCodeAt(at);
    if (code !== SPACE && code !== NEWLINE && code !== TAB) break;
    at += 1;
  }
  return at;
}

function characterSet(characters: string): Uint8Array {
  const set = new Uint8Array(0x80);
  for (const character of characters) set[character.charCodeAt(0)] = 1;
  return set;
}
