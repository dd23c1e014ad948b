import type { Component } from '@xmpp/component';
import xml from '@xmpp/xml';
import type { Stanza } from '../core/event.ts';

const NAME = 'xmpp-event-pusher';
const DISCO_INFO = 'http://jabber.org/protocol/disco#info';
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** What a reply may need to know. */
interface ReplyContext {
  /** Of this program. */
  readonly version: string;
}

interface IqHandler {
  /** The name of the iq's child. */
  readonly child: string;
  /** The child of the reply; true: none; an `<error/>` makes it an error. */
  readonly reply: (child: Stanza, context: ReplyContext) => Stanza | true;
}

/**
 * The table of iqs of type get to which the component replies, by the namespace of their child, which is a feature in
 * service discovery as well: a new one is one row here.
 */
const iqHandlers: Readonly<Record<string, IqHandler>> = {
  [DISCO_INFO]: { child: 'query', reply: describeUs },
  'urn:xmpp:ping': { child: 'ping', reply: () => true },
  'jabber:iq:version': {
    child: 'query',
    reply: (_, { version }) =>
      xml('query', { xmlns: 'jabber:iq:version' }, xml('name', {}, NAME), xml('version', {}, version)),
  },
};

/** XEP-0030, 3. */
function describeUs(query: Stanza): Stanza {
  if (query.attrs['node'] !== undefined) return errorOf('cancel', 'item-not-found');
  return xml(
    'query',
    { xmlns: DISCO_INFO },
    xml('identity', { category: 'component', type: 'generic', name: NAME }),
    ...Object.keys(iqHandlers).map((feature) => xml('feature', { var: feature })),
  );
}

export interface ReplierOptions extends ReplyContext {
  /** The component's own, in lower case. */
  readonly domain: string;
  readonly send: (reply: Stanza) => void;
}

/**
 * Replies to every iq of type get or set to which a reply is possible (RFC 6120, 8.2.3): to those of the table, and with
 * an error to any other. Gives the function that takes each received iq; it throws nothing.
 */
export function iqReplier(
  entity: Component,
  { domain, send, ...context }: ReplierOptions,
): (iq: Stanza) => void {
  // What the library does with an element: on its own way it would do so with every stanza, and throw.
  const [route] = entity.listeners('element') as ((stanza: Stanza) => unknown)[];
  entity.send = async (reply) => send(withoutQuery(reply));
  for (const [namespace, { child, reply }] of Object.entries(iqHandlers)) {
    entity.iqCallee.get(namespace, child, ({ element }) => reply(element, context));
  }
  return (iq) => {
    if (!isReplyPossible(iq, domain)) return;
    try {
      route?.(iq);
    } catch {
      // Its `from` is no JID, so there is nobody to reply to.
    }
  };
}

/** @param type `cancel`, `wait`, `modify` or `auth` (RFC 6120, 8.3.2); `condition` is one of its section 8.3.3. */
function errorOf(type: string, condition: string): Stanza {
  return xml('error', { type }, xml(condition, { xmlns: STANZA_ERRORS }));
}

/** Whether a reply can reach anybody without ending our stream: servers end it over a missing or foreign address. */
function isReplyPossible({ attrs }: Stanza, domain: string): boolean {
  const { id, from, to } = attrs as Record<string, string | undefined>;
  return Boolean(id) && Boolean(from) && isAddressOf(domain, to ?? domain);
}

/** Whether the address is the domain itself, or one at it. */
export function isAddressOf(domain: string, address: string): boolean {
  const [bare = ''] = address.split('/', 1);
  return bare.slice(bare.indexOf('@') + 1).toLowerCase() === domain;
}

/** An error reply without the query in it: that may be long, or use prefixes that were declared elsewhere. */
function withoutQuery(reply: Stanza): Stanza {
  if (reply.attrs['type'] === 'error') reply.children = reply.children.slice(-1);
  return reply;
}
