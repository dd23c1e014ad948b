import xml from '@xmpp/xml';
import type { Stanza } from '../core/event.ts';

const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** The reply to an iq of type get or set: a result, or an error if that is its child (RFC 6120, 8.2.3 and 8.3). */
export function replyTo(iq: Stanza, child?: Stanza): Stanza {
  const { id, from, to } = iq.attrs;
  const type = child?.is('error') === true ? 'error' : 'result';
  return xml('iq', { id, to: from, from: to, type }, ...(child === undefined ? [] : [child]));
}

/**
 * The child of an error reply.
 * @param type `cancel`, `wait`, `modify` or `auth` (RFC 6120, 8.3.2).
 * @param condition For example `item-not-found` (RFC 6120, 8.3.3).
 */
export function errorOf(type: string, condition: string): Stanza {
  return xml('error', { type }, xml(condition, { xmlns: STANZA_ERRORS }));
}

/** Whether a reply can reach anybody without ending our stream: servers end it over a missing or foreign address. */
export function isReplyPossible({ attrs }: Stanza, domain: string): boolean {
  const { id, from, to = domain } = attrs;
  return Boolean(id) && Boolean(from) && isAddressOf(domain, to);
}

/** Whether the address has this domain, which is in lower case. */
export function isAddressOf(domain: string, address: string): boolean {
  const [bare = ''] = address.split('/', 1);
  return bare.slice(bare.indexOf('@') + 1).toLowerCase() === domain;
}
