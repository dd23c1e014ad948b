import xml from '@xmpp/xml';
import type { StoredStanza } from '../core/dead-letter.ts';
import type { Stanza, StanzaEvent } from '../core/event.ts';
import type { Jid } from '../core/jid.ts';
import type { TappedStanza } from '../core/tap.ts';
import { StanzaParser } from './xml/parser.ts';

/** The event of a stanza that a tap has found. */
export function eventOf({ dir, packet, from, to }: TappedStanza, receivedAtMs: number): StanzaEvent {
  return {
    acc: new Map(),
    dir,
    packet,
    from,
    to,
    host: from.domain,
    sender: from.local,
    receiver: to.local,
    message: bodyOf(packet),
    receivedAtMs,
  };
}

/** Other namespaces have bodies too (XHTML-IM, XEP-0071), and they may stand first. */
function bodyOf(stanza: Stanza): string {
  const namespace = stanza.getNS();
  const body = stanza.getChildElements().find((child) => child.is('body', namespace));
  return body?.getText() ?? '';
}

/**
 * The event of a stanza that was kept as text.
 * @throws Error if it is no well-formed stanza.
 */
export function storedEvent(stored: StoredStanza, parseJid: (text: string) => Jid): StanzaEvent {
  const { xml: text, namespace, dir, from, to, receivedAtMs } = stored;
  const parser = new StanzaParser(Infinity);
  let packet: Stanza | undefined;
  parser.on('element', (element) => {
    packet = element;
  });
  parser.on('error', (error) => {
    throw error;
  });
  // In a header of its namespace, as it came from the server.
  parser.write(`<stream xmlns="${xml.escapeXML(namespace)}">${text}`);
  if (packet === undefined) throw new Error('a stored stanza cannot be read');
  return eventOf({ dir, packet, from: parseJid(from), to: parseJid(to) }, receivedAtMs);
}
