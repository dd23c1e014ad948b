import xml from '@xmpp/xml';
import type { Random } from '../core/clock.ts';
import type { Stanza } from '../core/event.ts';

const PING = 'urn:xmpp:ping';

/** The liveness pings (XEP-0199) of one session, over all its connections: numbered under a name that nobody can guess. */
export class Pings {
  readonly #domain: string;
  readonly #prefix: string;
  #made = 0;

  constructor(domain: string, random: Random) {
    this.#domain = domain;
    this.#prefix = `alive-${random().toString(36).slice(2)}-`;
  }

  /** How many were made so far. */
  get made(): number {
    return this.#made;
  }

  /** From and to the component's own domain, the only address that the server is sure to know. */
  next(): string {
    this.#made += 1;
    const address = { from: this.#domain, to: this.#domain };
    const id = `${this.#prefix}${this.#made}`;
    return xml('iq', { type: 'get', id, ...address }, xml('ping', { xmlns: PING })).toString();
  }

  /** Which of our pings this iq is, or is the response to: from 1 on, undefined: none. */
  numberOf({ attrs }: Stanza): number | undefined {
    const id = String(attrs['id']);
    return id.startsWith(this.#prefix) ? Number(id.slice(this.#prefix.length)) : undefined;
  }

  /** Whether this iq, which is none of ours, is a ping from our own domain: nobody but another component can send it. */
  isStranger(iq: Stanza): boolean {
    const { type, from } = iq.attrs as Record<string, unknown>;
    return type === 'get' && from === this.#domain && iq.getChild('ping', PING) !== undefined;
  }
}
