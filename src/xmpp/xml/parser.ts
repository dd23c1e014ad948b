import { EventEmitter } from 'node:events';
import xml, { type Element } from '@xmpp/xml';
import { Attributes, prefixesOf } from '../../core/attributes.ts';
import { Tokenizer } from './tokenizer.ts';
import { LONGEST_SKIPPED_NAME } from './tags.ts';
import type { StartTag } from './tags.ts';
import { XmlError } from './text.ts';

const DEEPEST = 256;

/** What the parser tells; see `StanzaParser`. */
interface ParserEvents {
  start: [header: Element];
  element: [element: Element, bytes: number];
  skipped: [];
  end: [header: Element];
  error: [error: XmlError];
}

/**
 * Streaming parser for one XMPP stream (RFC 6120, sections 4 and 11), made for the seam `Parser` of library.ts. It
 * emits `start` with the stream header, and `end` at the header's end tag. Between them it emits `element` with each
 * child of the header (not kept in its `children`) and the child's size in bytes of UTF-8. `skipped` stands for a
 * child that is larger than `maxStanzaSize` bytes or nested deeper than 256 elements. The stream lives on, and memory
 * stays bounded by `maxStanzaSize` even if such a child never ends. In it only tags and their nesting are checked.
 *
 * The first thing that is not well-formed is one `error`, and so is what XMPP forbids: comment, processing
 * instruction, document type declaration. Nothing is emitted after it, nor after `end`. Unbound prefixes and `]]>` in
 * text are allowed. A server may pass on what a user wrote, and no user may end the stream for all. Listeners must not
 * throw.
 */
export class StanzaParser extends EventEmitter<ParserEvents> {
  readonly #maxStanzaSize: number;
  readonly #tokenizer: Tokenizer;
  #over = false;
  #header: Element | undefined;
  /** The innermost open element, the header between stanzas. */
  #open: Element | undefined;
  #depth = 0;
  /** Names of the open elements of a stanza that is skipped, and how many more are open inside these. */
  #skipped: string[] | undefined;
  #deeper = 0;

  /** @param maxStanzaSize in bytes. */
  constructor(maxStanzaSize: number) {
    super();
    this.#maxStanzaSize = maxStanzaSize;
    this.#tokenizer = new Tokenizer({
      startTag: (tag) => this.#startTag(tag),
      endTag: (name) => this.#endTag(name),
      text: (text) => this.#open?.children.push(text),
    });
  }

  /** Takes the next whole characters, as a StringDecoder gives them; what is wrong with them becomes the `error` event. */
  write(chunk: string): void {
    if (this.#over) return;
    try {
      this.#tokenizer.write(chunk);
      if (this.#skipped === undefined && this.#tokenizer.unfinishedBytes() > this.#maxStanzaSize)
        this.#skip();
    } catch (error) {
      if (!(error instanceof XmlError)) throw error;
      this.#over = true;
      if (this.listenerCount('error') > 0) this.emit('error', error);
    }
  }

  #startTag(tag: StartTag): void {
    if (this.#skipped !== undefined) return this.#startSkipped(tag, this.#skipped);
    const element = new ParsedElement(tag.name);
    element.attrs = tag.attributes;
    const parent = this.#open;
    this.#open = element;
    this.#depth += 1;
    if (parent === undefined) {
      this.#header = element;
      this.#tokenizer.leave();
      this.emit('start', element);
    } else {
      element.parent = parent;
      if (this.#depth > 2) parent.children.push(element);
      else this.#tokenizer.enter();
    }
    if (tag.selfClosing) this.#close(element);
    else if (this.#depth > DEEPEST) this.#skip();
  }

  #endTag(name: string): void {
    if (this.#skipped !== undefined) return this.#endSkipped(name, this.#skipped);
    const element = this.#open;
    if (element?.name !== name) throw new XmlError('end tag that does not match its start tag');
    this.#close(element);
  }

  #close(element: Element): void {
    this.#depth -= 1;
    this.#open = element.parent ?? undefined;
    if (this.#depth > 1) return;
    if (this.#depth === 0) {
      this.#over = true;
      this.#tokenizer.stop();
      this.emit('end', element);
      return;
    }
    const bytes = this.#tokenizer.leave();
    if (bytes > this.#maxStanzaSize) this.emit('skipped');
    else this.emit('element', element, bytes);
  }

  /** Forgets the stanza read so far, and reads on only to find its end. */
  #skip(): void {
    if (this.#header === undefined) throw new XmlError('stream header larger than the largest stanza');
    this.#skipped = [];
    for (
      let element = this.#open;
      element && element !== this.#header;
      element = element.parent ?? undefined
    ) {
      this.#skipped.unshift(element.name.slice(0, LONGEST_SKIPPED_NAME));
    }
    this.#open = this.#header;
    this.#depth = 1;
    this.#tokenizer.skip();
  }

  #startSkipped(tag: StartTag, names: string[]): void {
    if (tag.selfClosing) return this.#endIfSkipped(names);
    if (names.length < DEEPEST) names.push(tag.name);
    else this.#deeper += 1;
  }

  #endSkipped(name: string, names: string[]): void {
    if (this.#deeper > 0) this.#deeper -= 1;
    else if (names.pop() !== name.slice(0, LONGEST_SKIPPED_NAME)) {
      throw new XmlError('end tag that does not match its start tag');
    }
    this.#endIfSkipped(names);
  }

  #endIfSkipped(names: string[]): void {
    if (names.length > 0) return;
    this.#skipped = undefined;
    this.#tokenizer.leave();
    this.emit('skipped');
  }
}

/**
 * An Element of @xmpp/xml that keeps every attribute, whatever its name is. The library's own way to copy attributes and
 * to find namespaces loses one that is called `__proto__`, and fails at `hasOwnProperty`.
 */
class ParsedElement extends xml.Element {
  override setAttrs(attributes?: string | Readonly<Record<string, unknown>>): void {
    if (typeof attributes === 'object') this.attrs = Object.assign(new Attributes(), this.attrs, attributes);
    else super.setAttrs(attributes as string);
  }

  override getXmlns(): Record<string, string> {
    return prefixesOf(this.attrs, this.parent?.getXmlns());
  }
}
