import { endTagName, readStartTag, shortenTag, skippedTag, TagEndFinder, wholeTag } from './tags.ts';
import type { StartTag } from './tags.ts';
import { closingBrackets, decodeText, forbiddenAt, LineEnds, declarationEnd, XmlError } from './text.ts';

const CDATA = '![CDATA[';
const BANG = 0x21;
const SLASH = 0x2f;
const QUESTION = 0x3f;

/** Who gets the tokens, in document order. */
export interface TokenHandler {
  startTag(tag: StartTag): void;
  endTag(name: string): void;
  /** Text inside a stanza, references replaced. */
  text(text: string): void;
}

/**
 * Cuts an XML stream that comes in chunks into tags and texts. Each character is read a fixed number of times, however
 * the stream is cut. An unfinished token is kept aside, and only the new chunk is searched for its end.
 */
export class Tokenizer {
  readonly #handler: TokenHandler;
  /** Where the next token stands: the handler says so. White space between stanzas is dropped, other text an error. */
  #place: 'between' | 'inside' | 'skipped' = 'between';
  #state: 'text' | 'tag' | 'cdata' = 'text';
  #source = '';
  #at = 0;
  /** What earlier chunks held of the unfinished text or tag. */
  #pending = '';
  /** A few last characters that mean something only together with the next ones. */
  #carry = '';
  readonly #tagEnd = new TagEndFinder();
  readonly #lineEnds = new LineEnds();
  readonly #bytes = new ByteCounter();
  #atStart = true;
  #stopped = false;

  constructor(handler: TokenHandler) {
    this.#handler = handler;
  }

  /** Takes the next characters; throws an XmlError at the first thing that is not well-formed or not allowed. */
  write(chunk: string): void {
    const forbidden = forbiddenAt(chunk);
    this.#read(this.#lineEnds.unify(forbidden === -1 ? chunk : chunk.slice(0, forbidden)));
    if (forbidden !== -1 && !this.#stopped) throw new XmlError('character that XML forbids');
  }

  /** Reads nothing more, not even the rest of this chunk. */
  stop(): void {
    this.#stopped = true;
  }

  /** Bytes of UTF-8 read so far of the stanza (or its first tag) that is not over yet; 0 between stanzas. */
  unfinishedBytes(): number {
    return this.#bytes.upTo(this.#at);
  }

  /** From here on tokens are inside a stanza. */
  enter(): void {
    this.#place = 'inside';
  }

  /** From here on only the names of tags are told; what is unfinished is forgotten except the name of a tag. */
  skip(): void {
    this.#place = 'skipped';
    if (this.#state !== 'tag') this.#pending = '';
  }

  /** From here on tokens are between stanzas; gives the bytes of the stanza that is over. */
  leave(): number {
    const bytes = this.unfinishedBytes();
    this.#place = 'between';
    this.#atStart = false;
    this.#bytes.restart(this.#at);
    return bytes;
  }

  #read(chunk: string): void {
    this.#source = this.#carry + chunk;
    this.#bytes.next(this.#source);
    this.#at = 0;
    for (let before = -1; before < this.#at && this.#at < this.#source.length && !this.#stopped;) {
      before = this.#at;
      this.#readOn();
    }
    this.#bytes.upTo(this.#at);
    this.#carry = this.#source.slice(this.#at);
  }

  /** Reads a token or what there is of it; stays where it is if it cannot tell yet. */
  #readOn(): void {
    if (this.#state === 'text') return this.#readText();
    if (this.#state === 'cdata') return this.#readCdata();
    if (this.#pending !== '') return this.#readLongTag();
    const code = this.#source.charCodeAt(this.#at);
    if (code === BANG) return this.#readBang();
    if (code === QUESTION) return this.#readDeclaration();
    if (this.#place === 'skipped') return this.#readLongTag();
    return code === SLASH ? this.#readEndTag() : this.#readStartTag();
  }

  #readText(): void {
    const less = this.#source.indexOf('<', this.#at);
    const end = less === -1 ? this.#source.length : less;
    const piece = this.#source.slice(this.#at, end);
    if (this.#place === 'inside') {
      if (less === -1) this.#pending += piece;
      else this.#endText(piece);
    } else if (this.#place === 'between') {
      if (piece !== '') this.#requireBlank(piece);
      this.#bytes.restart(end);
    }
    if (less !== -1) this.#state = 'tag';
    this.#at = less === -1 ? end : less + 1;
  }

  #requireBlank(piece: string): void {
    this.#atStart = false;
    if (/[^ \t\n]/.test(piece)) throw new XmlError('text outside a stanza');
  }

  #endText(piece: string): void {
    const text = this.#pending === '' ? piece : this.#pending + piece;
    this.#pending = '';
    if (text !== '') this.#handler.text(decodeText(text));
  }

  #readStartTag(): void {
    const tag = readStartTag(this.#source, this.#at);
    if (tag === undefined) return this.#readLongTag();
    this.#at = tag.end;
    this.#state = 'text';
    this.#handler.startTag(tag);
  }

  #readEndTag(): void {
    const greater = this.#source.indexOf('>', this.#at);
    if (greater === -1) return this.#readLongTag();
    const tag = this.#source.slice(this.#at, greater);
    this.#at = greater + 1;
    this.#state = 'text';
    this.#handler.endTag(endTagName(tag));
  }

  /** Reads on in a tag that is in several chunks, or whose name alone is wanted. */
  #readLongTag(): void {
    const greater = this.#tagEnd.find(this.#source, this.#at);
    const end = greater === -1 ? this.#source.length : greater + 1;
    const tag = this.#pending + this.#source.slice(this.#at, end);
    this.#at = end;
    if (greater === -1) {
      this.#pending = this.#place === 'skipped' ? shortenTag(tag) : tag;
      return;
    }
    this.#pending = '';
    this.#state = 'text';
    if (tag.startsWith('/')) this.#handler.endTag(endTagName(tag.slice(0, -1)));
    else this.#handler.startTag(this.#place === 'skipped' ? skippedTag(tag) : wholeTag(tag));
  }

  #readCdata(): void {
    const close = this.#source.indexOf(']]>', this.#at);
    const end = close === -1 ? this.#source.length - closingBrackets(this.#source, this.#at) : close;
    if (this.#place === 'inside') this.#pending += this.#source.slice(this.#at, end);
    this.#at = end;
    if (close === -1) return;
    this.#at += 3;
    this.#state = 'text';
    if (this.#pending !== '') this.#handler.text(this.#pending);
    this.#pending = '';
  }

  #readBang(): void {
    const start = this.#source.slice(this.#at, this.#at + CDATA.length);
    if (!CDATA.startsWith(start))
      throw new XmlError('comment or document type declaration', 'restricted-xml');
    if (start !== CDATA) return;
    if (this.#place === 'between') throw new XmlError('text outside a stanza');
    this.#at += CDATA.length;
    this.#state = 'cdata';
  }

  #readDeclaration(): void {
    if (!this.#atStart) throw new XmlError('processing instruction', 'restricted-xml');
    const end = declarationEnd(this.#source, this.#at);
    if (end === -1) return;
    this.#at = end;
    this.#state = 'text';
    this.#atStart = false;
  }
}

/** Counts the UTF-8 bytes of one stanza in a stream of strings; each character is counted once. */
class ByteCounter {
  #chunk = '';
  #from = 0;
  #ascii = true;
  #bytes = 0;

  /** Goes on with the next chunk of the stream. */
  next(chunk: string): void {
    this.#chunk = chunk;
    this.#from = 0;
    this.#ascii = Buffer.byteLength(chunk) === chunk.length;
  }

  /** Bytes from the last `restart` up to this index of the chunk. */
  upTo(index: number): number {
    this.#bytes += this.#ascii ? index - this.#from : Buffer.byteLength(this.#chunk.slice(this.#from, index));
    this.#from = index;
    return this.#bytes;
  }

  restart(index: number): void {
    this.#from = index;
    this.#bytes = 0;
  }
}
