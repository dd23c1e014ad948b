import { StringDecoder } from 'node:string_decoder';

/** A piece of an XMPP stream (RFC 6120, section 4.1) as it came: the stream's start tag, a whole element in it, its end tag. */
export interface StreamPart {
  readonly kind: 'start' | 'element' | 'end';
  readonly xml: string;
}

const TAG = /<(?:[^"'>]|"[^"]*"|'[^']*')*>/g;

/**
 * Cuts an XMPP stream into its parts. For servers that we trust to write well-formed XML without comments and CDATA: it
 * shares no code with the product's parser, so that the two do not have the same faults.
 */
export class StanzaSplitter {
  readonly #decoder = new StringDecoder('utf8');
  #text = '';
  #scanned = 0;
  #depth = 0;

  /** The parts that are complete with this chunk. */
  feed(chunk: Buffer): StreamPart[] {
    this.#text += this.#decoder.write(chunk);
    const parts: StreamPart[] = [];
    for (let tag = this.#nextTag(); tag !== undefined; tag = this.#nextTag()) {
      const kind = this.#kindOfEnd(tag);
      if (kind === undefined) continue;
      const xml = this.#cut();
      if (kind !== 'declaration') parts.push({ kind, xml });
    }
    return parts;
  }

  #nextTag(): string | undefined {
    TAG.lastIndex = this.#scanned;
    const tag = TAG.exec(this.#text)?.[0];
    if (tag !== undefined) this.#scanned = TAG.lastIndex;
    return tag;
  }

  /** What ends with this tag, if anything does. */
  #kindOfEnd(tag: string): StreamPart['kind'] | 'declaration' | undefined {
    if (tag.startsWith('<?')) return 'declaration';
    if (tag.startsWith('</')) {
      this.#depth -= 1;
      if (this.#depth === 0) return 'end';
    } else if (!tag.endsWith('/>')) {
      this.#depth += 1;
      return this.#depth === 1 ? 'start' : undefined;
    }
    return this.#depth === 1 ? 'element' : undefined;
  }

  #cut(): string {
    const xml = this.#text.slice(0, this.#scanned).trim();
    this.#text = this.#text.slice(this.#scanned);
    this.#scanned = 0;
    return xml;
  }
}
