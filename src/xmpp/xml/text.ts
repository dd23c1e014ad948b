/**
 * What is wrong with the XML of a stream, as an RFC 6120 stream error condition (section 4.9.3) and in words. The words
 * never quote the input: it may be a message body.
 */
export class XmlError extends Error {
  readonly condition: 'not-well-formed' | 'restricted-xml';

  constructor(message: string, condition: 'not-well-formed' | 'restricted-xml' = 'not-well-formed') {
    super(message);
    this.name = 'XmlError';
    this.condition = condition;
  }
}

// Lone surrogates need no look: the StringDecoder in front of the parser makes none.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;

/** Where the first character is that XML 1.0 forbids even raw (section 2.2), or -1. */
export function forbiddenAt(text: string): number {
  return text.search(FORBIDDEN);
}

/** Makes LF of CR LF, and of CR alone (XML 1.0, 2.11), also where the two are in different chunks. */
export class LineEnds {
  #afterReturn = false;

  unify(chunk: string): string {
    if (chunk === '') return chunk;
    const text = this.#afterReturn && chunk.startsWith('\n') ? chunk.slice(1) : chunk;
    this.#afterReturn = text.endsWith('\r');
    return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
  }
}

const LONGEST_DECLARATION = 256;
const DECLARATION =
  /^\?xml\s+version\s*=\s*(["'])1\.\d\1(\s+encoding\s*=\s*(["'])utf-8\3)?(\s+standalone\s*=\s*(["'])(yes|no)\5)?\s*$/i;

/**
 * Index behind the XML declaration whose '<' is just before `from` (XML 1.0, 2.8); -1 if `source` ends before it does.
 * Throws an XmlError if it is something else, or long beyond reason.
 */
export function declarationEnd(source: string, from: number): number {
  const close = source.indexOf('?>', from);
  const text = source.slice(from, close === -1 ? source.length : close);
  const good = close === -1 ? text.length <= LONGEST_DECLARATION : DECLARATION.test(text);
  if (!good)
    throw new XmlError('processing instruction that is no XML declaration in UTF-8', 'restricted-xml');
  return close === -1 ? -1 : close + 2;
}

/** How many characters (0 to 2) at the end of `text`, but not before `from`, may begin a ']]>'. */
export function closingBrackets(text: string, from: number): number {
  const end = text.slice(Math.max(from, text.length - 2));
  if (end === ']]') return 2;
  return end.endsWith(']') ? 1 : 0;
}

const REFERENCE = /&(?:(amp|lt|gt|quot|apos)|#(\d+)|#x([\dA-Fa-f]+));|&/g;
const PREDEFINED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Text with its references replaced (XML 1.0, 4.1 and 4.6); throws an XmlError for any but the five entities. */
export function decodeText(text: string): string {
  return text.includes('&') ? text.replace(REFERENCE, replaceReference) : text;
}

/** The value of an attribute as written between its quotes (XML 1.0, 3.3.3); throws an XmlError if it is none. */
export function decodeAttribute(value: string): string {
  if (!/[&<\t\n]/.test(value)) return value;
  if (value.includes('<')) throw new XmlError("'<' in the value of an attribute");
  return decodeText(value.replace(/[\t\n]/g, ' '));
}

function replaceReference(_all: string, name?: string, decimal?: string, hexadecimal?: string): string {
  if (name !== undefined) return PREDEFINED[name] ?? '';
  if (decimal !== undefined) return character(Number.parseInt(decimal, 10));
  if (hexadecimal !== undefined) return character(Number.parseInt(hexadecimal, 16));
  throw new XmlError(
    "'&' that begins neither a predefined entity nor a character reference",
    'restricted-xml',
  );
}

function character(code: number): string {
  const legal =
    code === 0x9 ||
    code === 0xa ||
    code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff);
  if (!legal) throw new XmlError('reference to a character that XML forbids');
  return String.fromCodePoint(code);
}
