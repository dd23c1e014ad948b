import xml from '@xmpp/xml';
import { Attributes, prefixesOf } from '../core/attributes.ts';
import type { Stanza } from '../core/event.ts';

/**
 * A copy of a stanza and of what stands around it (its envelope, the stream's header) that shares nothing with them.
 * Each part is copied when it is first looked at: a copy of the whole made an event that nobody wants a fifth dearer.
 */
export function ownStanza(stanza: Stanza): Stanza {
  return new OwnElement(stanza, NOT_COPIED, undefined) as unknown as Stanza;
}

const NOT_COPIED = Symbol('not copied');
type Lazy<T> = T | typeof NOT_COPIED;

/**
 * An Element, but by its prototype only: Element's constructor would fill at once what is lazy here. What a callback
 * writes takes the place of the copy.
 */
class OwnElement {
  readonly name: string;
  readonly #original: Stanza;
  /** The child for whose sake this copy was made. */
  readonly #child: OwnElement | undefined;
  #parent: Lazy<unknown>;
  #attrs: Lazy<unknown> = NOT_COPIED;
  #children: Lazy<unknown> = NOT_COPIED;

  constructor(original: Stanza, parent: Lazy<OwnElement>, child: OwnElement | undefined) {
    this.name = original.name;
    this.#original = original;
    this.#parent = parent;
    this.#child = child;
  }

  get attrs(): unknown {
    if (this.#attrs === NOT_COPIED) this.#attrs = Object.assign(new Attributes(), this.#original.attrs);
    return this.#attrs;
  }

  set attrs(attrs: unknown) {
    this.#attrs = attrs;
  }

  get children(): unknown {
    if (this.#children === NOT_COPIED) this.#children = this.#original.children.map((one) => this.#own(one));
    return this.#children;
  }

  set children(children: unknown) {
    this.#children = children;
  }

  get parent(): unknown {
    if (this.#parent === NOT_COPIED) {
      const { parent } = this.#original;
      this.#parent = parent ? new OwnElement(parent, NOT_COPIED, this) : null;
    }
    return this.#parent;
  }

  set parent(parent: unknown) {
    this.#parent = parent;
  }

  /** Element's own way trips over an attribute that is called `hasOwnProperty`. */
  getXmlns(): Record<string, string> {
    const parent = this.parent as Stanza | null | undefined;
    return prefixesOf(this.attrs as Stanza['attrs'], parent?.getXmlns());
  }

  #own(node: Stanza['children'][number]): unknown {
    if (typeof node !== 'object') return node;
    const child = this.#child;
    return child !== undefined && node === child.#original ? child : new OwnElement(node, this, undefined);
  }
}

Object.setPrototypeOf(OwnElement.prototype, xml.Element.prototype);
// `clone` of ltx makes copies with it.
Object.defineProperty(OwnElement.prototype, 'constructor', { value: xml.Element });
