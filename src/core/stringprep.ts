import * as tables from './stringprep-tables.ts';

/** What a code point is in the tables of RFC 3454: values in `properties`. */
const UNASSIGNED = 1;
const RIGHT_TO_LEFT = 2;
const LEFT_TO_RIGHT = 4;
const PROHIBITED = 8;
const ASCII_CONTROL = 16;
const PROHIBITED_IN_NODES = 32;

/** What a profile does with an ASCII character other than keeping it: bits in `Profile.ascii`. */
const LOWERED = 1;
const REFUSED = 2;

/**
 * In UTF-16 units. NFKC takes quadratic time (seconds for 100,000 combining marks), and no JID has longer parts: RFC
 * 6122, section 2.1, allows 1023 bytes.
 */
const MAX_NORMALIZED_LENGTH = 1023;

/** How one profile of stringprep prepares a string. */
interface Profile {
  /** What to put in the place of a code point, before NFKC. */
  readonly mapping: ReadonlyMap<number, string>;
  /** The bits of `properties` that no code point may have, after NFKC. */
  readonly prohibited: number;
  /** What becomes of each of the 128 ASCII characters. */
  readonly ascii: Uint8Array;
}

/**
 * One byte for each code point (1 MB), for a look-up without a search. A later `mark` overwrites an earlier one, so
 * their order matters.
 */
const properties = new Uint8Array(0x110000);
mark(tables.UNASSIGNED, UNASSIGNED);
mark(tables.RIGHT_TO_LEFT, RIGHT_TO_LEFT);
mark(tables.LEFT_TO_RIGHT, LEFT_TO_RIGHT);
mark(tables.ASCII_CONTROLS, ASCII_CONTROL);
mark('20 22 26 27 2f 3a 3c 3e 40', PROHIBITED_IN_NODES);
mark(tables.PROHIBITED, PROHIBITED);

const unfolded = new Map<number, string>();
for (const [first, last] of ranges(tables.MAPPED_TO_NOTHING)) {
  for (let code = first; code <= last; code += 1) unfolded.set(code, '');
}
addMappings(unfolded, tables.CORRIGENDUM_4);
const folded = new Map(unfolded);
addMappings(folded, tables.CASE_FOLDING);

const NODEPREP = profile(folded, PROHIBITED | ASCII_CONTROL | PROHIBITED_IN_NODES);
const NAMEPREP = profile(folded, PROHIBITED);
const RESOURCEPREP = profile(unfolded, PROHIBITED | ASCII_CONTROL);

/**
 * Prepares the local part of a JID (RFC 6122, appendix A). Code points that are unassigned in Unicode 3.2 stay as they
 * are, in all three profiles here: RFC 3454 (section 7) calls that a query.
 * @returns undefined if the text is not allowed, or not ASCII and longer than 1023 UTF-16 units; '' if nothing is
 * left.
 */
export function nodeprep(text: string): string | undefined {
  return prepare(text, NODEPREP);
}

/** Prepares a domain name (RFC 3491); see `nodeprep`. There is no IDNA: `xn--` labels are only lower-cased. */
export function nameprep(text: string): string | undefined {
  return prepare(text, NAMEPREP);
}

/** Prepares the resource of a JID (RFC 6122, appendix B), without case folding; see `nodeprep`. */
export function resourceprep(text: string): string | undefined {
  return prepare(text, RESOURCEPREP);
}

/** Nearly every part of a JID is ASCII, where mapping, NFKC and the checks come to one look at each character. */
function prepare(text: string, { ascii, mapping, prohibited }: Profile): string | undefined {
  let found = 0;
  for (let index = 0; index < text.length; index += 1) {
    const treatment = ascii[text.charCodeAt(index)];
    if (treatment === undefined) {
      if (text.length > MAX_NORMALIZED_LENGTH) return undefined;
      const normalized = mapAndNormalize(text, mapping);
      return isAllowed(normalized, prohibited) ? normalized : undefined;
    }
    found |= treatment;
  }
  if (found === 0) return text;
  return (found & REFUSED) === 0 ? text.toLowerCase() : undefined;
}

/** RFC 3454, sections 3 and 4. NFKC sees no unassigned code point, as Node's newer Unicode has assigned many. */
function mapAndNormalize(text: string, mapping: Profile['mapping']): string {
  let normalized = '';
  let mapped = '';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if ((properties[code]! & UNASSIGNED) === 0) {
      mapped += mapping.get(code) ?? character;
    } else {
      normalized += mapped.normalize('NFKC') + character;
      mapped = '';
    }
  }
  return normalized + mapped.normalize('NFKC');
}

/** RFC 3454, sections 5 and 6: nothing prohibited; right-to-left text starts and ends so, and has no left-to-right. */
function isAllowed(text: string, prohibited: number): boolean {
  let all = 0;
  let first: number | undefined;
  let last = 0;
  for (const character of text) {
    last = properties[character.codePointAt(0)!]!;
    first ??= last;
    all |= last;
  }
  if ((all & prohibited) !== 0) return false;
  if ((all & RIGHT_TO_LEFT) === 0) return true;
  return (all & LEFT_TO_RIGHT) === 0 && (first! & last & RIGHT_TO_LEFT) !== 0;
}

function profile(mapping: Profile['mapping'], prohibited: number): Profile {
  const ascii = new Uint8Array(128);
  for (let code = 0; code < ascii.length; code += 1) {
    if (mapping.has(code)) ascii[code] = LOWERED;
    if ((properties[code]! & prohibited) !== 0) ascii[code] = REFUSED;
  }
  return { mapping, prohibited, ascii };
}

function mark(table: string, property: number): void {
  for (const [first, last] of ranges(table)) properties.fill(property, first, last + 1);
}

function ranges(table: string): [first: number, last: number][] {
  return table.split(' ').map((range) => {
    const [first, last = first] = range.split('-');
    return [Number.parseInt(first!, 16), Number.parseInt(last!, 16)];
  });
}

function addMappings(mapping: Map<number, string>, table: string): void {
  for (const entry of table.split(' ')) {
    const [from, to] = entry.split('>');
    const codes = to!.split('.').map((code) => Number.parseInt(code, 16));
    mapping.set(Number.parseInt(from!, 16), String.fromCodePoint(...codes));
  }
}
