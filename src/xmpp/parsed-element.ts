import xml from '@xmpp/xml';
import { Attributes } from './xml-tags.ts';

/**
 * An Element of @xmpp/xml whose attributes are those that were read, whatever they are called: the library's own ways
 * to copy them and to find namespaces lose one that is called `__proto__`, and trip over `hasOwnProperty`.
 */
export class ParsedElement extends xml.Element {
  override setAttrs(attributes?: string | Readonly<Record<string, unknown>>): void {
    if (typeof attributes === 'object') this.attrs = Object.assign(new Attributes(), this.attrs, attributes);
    else super.setAttrs(attributes as string);
  }

  /** The prefix of every namespace that is declared here or above. */
  override getXmlns(): Record<string, string> {
    const prefixes: Record<string, string> = Object.assign(new Attributes(), this.parent?.getXmlns());
    for (const [name, value] of Object.entries<string>(this.attrs)) {
      const [, prefix] = /^xmlns(?::|$)(.*)/s.exec(name) ?? [];
      if (prefix !== undefined) prefixes[value] = prefix;
    }
    return prefixes;
  }
}
