import type { Component } from '@xmpp/component';
import xml from '@xmpp/xml';
import type { Stanza } from '../core/event.ts';
import type { PatientWriter } from './patient-writer.ts';

const NAME = 'xmpp-event-pusher';
const DISCO_INFO = 'http://jabber.org/protocol/disco#info';
const PING = 'urn:xmpp:ping';
const VERSION = 'jabber:iq:version';
const STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** Prosody ends the stream of a component that sends a stanza of more than 512 KiB. */
const LONGEST_ANSWER = 64 * 1024;
/** A server that does not read shall not fill our memory with answers. */
const MOST_UNSENT_BYTES = 1024 * 1024;

/**
 * Answers every iq of type get or set that can be answered (RFC 6120, 8.2.3): service discovery (XEP-0030), ping
 * (XEP-0199) and version (XEP-0092), anything else with an error. Gives the function that takes each received iq; it
 * throws nothing.
 */
export function answerQueries(
  entity: Component,
  writer: PatientWriter,
  { domain, version }: { readonly domain: string; readonly version: string },
): (iq: Stanza) => void {
  // What the library does with an element: on its own way it would do so with every stanza, and throw.
  const [route] = entity.listeners('element') as ((stanza: Stanza) => unknown)[];
  entity.send = async (answer) => {
    const text = textOf(answer, domain);
    const unsent = (entity.socket?.writableLength ?? 0) + writer.held;
    if (text.length <= LONGEST_ANSWER && unsent <= MOST_UNSENT_BYTES) writer.write(text);
  };
  entity.iqCallee.get(DISCO_INFO, 'query', ({ element }) => aboutUs(element));
  entity.iqCallee.get(PING, 'ping', () => true);
  entity.iqCallee.get(VERSION, 'query', () =>
    xml('query', { xmlns: VERSION }, xml('name', {}, NAME), xml('version', {}, version)),
  );
  return (iq) => {
    if (!isAnswerable(iq, domain)) return;
    try {
      route?.(iq);
    } catch {
      // Its `from` is no JID, so there is nobody to answer.
    }
  };
}

/** Whether an answer can reach anybody without ending our stream: servers end it over a missing or foreign address. */
function isAnswerable({ attrs }: Stanza, domain: string): boolean {
  const { id, from, to = domain } = attrs as Record<string, string | undefined>;
  if (!id || !from) return false;
  return domainOf(to).toLowerCase() === domain;
}

function domainOf(address: string): string {
  const [bare = ''] = address.split('/', 1);
  return bare.slice(bare.indexOf('@') + 1);
}

/** An answer without the query in it: that may be long, or use prefixes that were declared elsewhere. */
function textOf(answer: Stanza, domain: string): string {
  answer.attrs['from'] ??= domain;
  if (answer.attrs['type'] === 'error') answer.children = answer.children.slice(-1);
  return answer.toString();
}

function aboutUs(query: Stanza): Stanza {
  if (query.attrs['node'] !== undefined) {
    return xml('error', { type: 'cancel' }, xml('item-not-found', { xmlns: STANZA_ERRORS }));
  }
  return xml(
    'query',
    { xmlns: DISCO_INFO },
    xml('identity', { category: 'component', type: 'generic', name: NAME }),
    ...[DISCO_INFO, PING, VERSION].map((feature) => xml('feature', { var: feature })),
  );
}
