import type { Direction, Stanza, StanzaEvent } from '../../src/core/event.ts';
import { parseJid } from '../../src/core/jid.ts';
import { SAFE } from '../../src/core/event-sink.ts';
import { Ingest } from '../../src/xmpp/ingest.ts';
import { StanzaParser } from '../../src/xmpp/xml/parser.ts';
import { ManualClock } from './clock.ts';

const HEADER =
  "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>";
const COMPONENT = 'push.invalid';

/** Reads one stanza as the component's session does: inside a stream, whose namespace it inherits. */
export function parseStanza(text: string): Stanza {
  const stanzas: Stanza[] = [];
  const parser = new StanzaParser(Number.POSITIVE_INFINITY);
  parser.on('element', (stanza) => stanzas.push(stanza));
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(HEADER);
  parser.write(text.trim());
  const [stanza] = stanzas;
  if (stanza === undefined || stanzas.length > 1) throw new Error(`${stanzas.length} stanzas in: ${text}`);
  return stanza;
}

/** A stanza as a server's tap hands it on; `outer` is what stands between `<message ` and its `>`. */
export function envelope(outer: string, inner: string): string {
  return `<message ${outer}><forwarded xmlns='urn:xmpp:forward:0'>${inner}</forwarded></message>`;
}

/** The event that a stanza becomes which a local user sent (`in`) or is to get (`out`); it needs `from`. */
export function eventOf(stanza: string | Stanza, dir: Direction = 'in', receivedAtMs = 0): StanzaEvent {
  const packet = typeof stanza === 'string' ? parseStanza(stanza) : stanza;
  const server = parseJid(packet.attrs['from'] ?? '', () => undefined).domain;
  const local = dir === 'in' ? 'sent' : 'received';
  const outer = parseStanza(envelope(`from='${server}' to='${local}@${COMPONENT}'`, ''));
  const [forwarded] = outer.getChildElements();
  forwarded?.append(packet);
  if (packet.getNS() === forwarded?.getNS()) packet.attrs['xmlns'] = 'jabber:client';

  const events: StanzaEvent[] = [];
  const ingest = new Ingest(
    {
      taps: ['forwarded'],
      componentDomain: COMPONENT,
      trustedDomains: new Set([server]),
      parseJid: (jid) => parseJid(jid, () => undefined),
    },
    {
      hasRoom: () => true,
      take: (event) => {
        events.push(event);
        return SAFE;
      },
    },
    { clock: new ManualClock(receivedAtMs), observe: () => undefined },
  );
  ingest.onStanza(outer, 100);
  const [event] = events;
  if (event === undefined) throw new Error(`no event from: ${packet.toString()}`);
  return event;
}
