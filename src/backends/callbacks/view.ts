import xml from '@xmpp/xml';
import { Attributes, prefixesOf } from '../../core/attributes.ts';
import type { Stanza, StanzaEvent } from '../../core/event.ts';
import { Jid } from '../../core/jid.ts';

/**
 * The event as the callback module of one backend gets it. Whatever the module does to it, the event itself stays as it is;
 * only `acc` is shared.
 */
export function privateView(event: StanzaEvent): StanzaEvent {
  const { acc, dir, packet, from, to, host, sender, receiver, message, receivedAtMs } = event;
  return {
    acc,
    dir,
    packet: new PrivateElement(packet, NOT_COPIED, undefined) as unknown as Stanza,
    from: copyOf(from),
    to: copyOf(to),
    host,
    sender,
    receiver,
    message,
    receivedAtMs,
  };
}

function copyOf({ local, domain, resource }: Jid): Jid {
  return new Jid(local, domain, resource);
}

const NOT_COPIED = Symbol('not copied');
type Lazy<T> = T | typeof NOT_COPIED;

/**
 * An Element by its prototype only. Here a part is copied when it is first read; Element's constructor would copy
 * everything, which made an unwanted event cost a fifth more. What a callback writes replaces the copy.
 */
class PrivateElement {
  readonly name: string;
  readonly #original: Stanza;
  /** This parent was copied for that child, which it must contain. */
  readonly #child: PrivateElement | undefined;
  #parent: Lazy<unknown>;
  #attrs: Lazy<unknown> = NOT_COPIED;
  #children: Lazy<unknown> = NOT_COPIED;

  constructor(original: Stanza, parent: Lazy<PrivateElement>, child: PrivateElement | undefined) {
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
    if (this.#children === NOT_COPIED) this.#children = this.#original.children.map((one) => this.#copy(one));
    return this.#children;
  }

  set children(children: unknown) {
    this.#children = children;
  }

  get parent(): unknown {
    if (this.#parent === NOT_COPIED) {
      const { parent } = this.#original;
      this.#parent = parent ? new PrivateElement(parent, NOT_COPIED, this) : null;
    }
    return this.#parent;
  }

  set parent(parent: unknown) {
    this.#parent = parent;
  }

  /** Element's own function fails on an attribute called `hasOwnProperty`. */
  getXmlns(): Record<string, string> {
    const parent = this.parent as Stanza | null | undefined;
    return prefixesOf(this.attrs as Stanza['attrs'], parent?.getXmlns());
  }

  #copy(node: Stanza['children'][number]): unknown {
    if (typeof node !== 'object') return node;
    const child = this.#child;
    return child !== undefined && node === child.#original
      ? child
      : new PrivateElement(node, this, undefined);
  }
}

Object.setPrototypeOf(PrivateElement.prototype, xml.Element.prototype);
// `clone` of ltx makes copies with it.
Object.defineProperty(PrivateElement.prototype, 'constructor', { value: xml.Element });
