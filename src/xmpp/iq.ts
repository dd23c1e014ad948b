import xml from '@xmpp/xml';
import type { Stanza } from '../core/event.ts';
import type { Disco } from '../core/tap.ts';
import type { ComponentStream } from './library.ts';

const NAME = 'xmpp-event-pusher';
const DISCO_INFO = 'http://jabber.org/protocol/disco#info';
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** What a reply may need to know. */
export interface ReplyContext {
  /** Of this program. */
  readonly version: string;
  /** What service discovery says of us beside the table. */
  readonly disco: readonly Disco[];
}

interface IqHandler {
  /** The name of the iq's child. */
  readonly child: string;
  /** The child of the reply; true: none; an `<error/>` makes it an error. */
  readonly reply: (child: Stanza, context: ReplyContext) => Stanza | true;
}

/**
 * The table of iqs of type get to which the component replies, by the namespace of their child. A new iq is one row
 * here. Service discovery lists each namespace as a feature.
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
function describeUs(query: Stanza, { disco }: ReplyContext): Stanza {
  if (query.attrs['node'] !== undefined) return errorOf('cancel', 'item-not-found');
  const identities = disco.flatMap((part) => part.identities ?? []);
  const features = disco.flatMap((part) => part.features ?? []);
  return xml(
    'query',
    { xmlns: DISCO_INFO },
    ...[{ category: 'component', type: 'generic' }, ...identities].map((identity) =>
      xml('identity', { ...identity, name: NAME }),
    ),
    ...[...Object.keys(iqHandlers), ...features].map((feature) => xml('feature', { var: feature })),
  );
}

/**
 * Has the stream reply to the iqs of the table. Gives the function that takes each received iq: one of type get or set
 * gets its reply, or an error (RFC 6120, 8.2.3), if a reply is possible.
 */
export function replyToIqs(
  stream: ComponentStream,
  { domain, ...context }: ReplyContext & { readonly domain: string },
): (iq: Stanza) => void {
  for (const [namespace, { child, reply }] of Object.entries(iqHandlers)) {
    stream.onGet(namespace, child, (query) => reply(query, context));
  }
  return (iq) => {
    if (isReplyPossible(iq, domain)) stream.takeIq(iq);
  };
}

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
function isReplyPossible({ attrs }: Stanza, domain: string): boolean {
  const { id, from, to = domain } = attrs;
  return Boolean(id) && Boolean(from) && isAddressOf(domain, to);
}

/** Whether the address has this domain, which is in lower case. */
export function isAddressOf(domain: string, address: string): boolean {
  const [bare = ''] = address.split('/', 1);
  return bare.slice(bare.indexOf('@') + 1).toLowerCase() === domain;
}
