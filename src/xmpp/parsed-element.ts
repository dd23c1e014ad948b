import xml from '@xmpp/xml';
import { Attributes, prefixesOf } from '../core/attributes.ts';

/**
 * An Element of @xmpp/xml whose attributes are those that were read, whatever they are called: the library's own ways
 * to copy them and to find namespaces lose one that is called `__proto__`, and trip over `hasOwnProperty`.
 */
export class ParsedElement extends xml.Element {
  override setAttrs(attributes?: string | Readonly<Record<string, unknown>>): void {
    if (typeof attributes === 'object') this.attrs = Object.assign(new Attributes(), this.attrs, attributes);
    else super.setAttrs(attributes as string);
  }

  override getXmlns(): Record<string, string> {
    return prefixesOf(this.attrs, this.parent?.getXmlns());
  }
}
