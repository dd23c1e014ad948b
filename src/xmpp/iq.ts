import xml from '@xmpp/xml';
import type { Stanza } from '../core/event.ts';
import type { Disco } from '../core/tap.ts';
import { errorOf, isReplyPossible } from './iq-reply.ts';
import type { ComponentStream } from './library.ts';

const NAME = 'xmpp-event-pusher';
const DISCO_INFO = 'http://jabber.org/protocol/disco#info';

/** What the component says of itself. */
export interface ComponentInfo {
  /** Of this program. */
  readonly version: string;
  /** What service discovery says of us beside the table. */
  readonly disco: readonly Disco[];
}

interface IqHandler {
  /** The name of the iq's child. */
  readonly child: string;
  /** The child of the reply; true: none; an `<error/>` makes it an error. */
  readonly reply: (child: Stanza, info: ComponentInfo) => Stanza | true;
}

/**
 * The table of iqs of type get to which the component replies, by the namespace of their child, where no tap takes
 * them. A new iq is one row here. Service discovery lists each namespace as a feature.
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
function describeUs(query: Stanza, { disco }: ComponentInfo): Stanza {
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
 * Has the stream reply to the iqs of the table. Gives the function that takes each received iq. One of type get or set
 * gets its reply, or an error (RFC 6120, 8.2.3), if a reply is possible.
 */
export function replyToIqs(
  stream: ComponentStream,
  { domain, ...info }: ComponentInfo & { readonly domain: string },
): (iq: Stanza) => void {
  for (const [namespace, { child, reply }] of Object.entries(iqHandlers)) {
    stream.onGet(namespace, child, (query) => reply(query, info));
  }
  return (iq) => {
    if (isReplyPossible(iq, domain)) stream.takeIq(iq);
  };
}
