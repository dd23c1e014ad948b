import type { Stanza } from '../../core/event.ts';
import type { TapOptions, TappedStanza, TapResult } from '../../core/tap.ts';

const NS_FORWARD = 'urn:xmpp:forward:0';
const NS_CLIENT = 'jabber:client';
const STANZA_NAMES = new Set(['message', 'presence', 'iq']);
/** RFC 7622, 3.2: in bytes. */
const LONGEST_DOMAIN = 1023;

/**
 * Takes the stanza out of a XEP-0297 envelope, one level only; undefined: the message is no envelope. Two envelopes,
 * two stanzas or a stanza outside `jabber:client` are ambiguous, so they are not believed.
 */
function openEnvelope(message: Stanza): Stanza | 'malformed' | undefined {
  const envelopes = message.getChildElements().filter((child) => child.is('forwarded', NS_FORWARD));
  const [envelope, secondEnvelope] = envelopes;
  if (envelope === undefined) return undefined;
  if (secondEnvelope !== undefined) return 'malformed';
  const stanzas = envelope.getChildElements().filter((child) => STANZA_NAMES.has(child.getName()));
  const [stanza, secondStanza] = stanzas;
  if (stanza === undefined || secondStanza !== undefined || stanza.getNS() !== NS_CLIENT) return 'malformed';
  return stanza;
}

/** The stanza in an envelope that a trusted server sent; undefined: it is no envelope, or its sender is no server. */
export function readTrustedCopy(message: Stanza, dir: TappedStanza['dir'], options: TapOptions): TapResult {
  const { from: server } = message.attrs;
  const isTrusted = options.trustedDomains.has(server);
  if (!(isTrusted || isBareDomain(server)) || !message.is('message')) return undefined;
  const packet = openEnvelope(message);
  if (packet === undefined) return undefined;
  if (!isTrusted) {
    options.onUntrustedCopy(server);
    return 'untrusted';
  }
  return packet === 'malformed' ? packet : readCopy(packet, dir, options);
}

/** Whether an address can be a server's: users' addresses have a local part. */
function isBareDomain(address: string | undefined): boolean {
  return address !== undefined && /^[^@/]+$/.test(address) && Buffer.byteLength(address) <= LONGEST_DOMAIN;
}

/** Reads the addresses of a copied stanza. Without `to` it goes to its sender's own bare JID (RFC 6120, 8.1.1.1). */
function readCopy(packet: Stanza, dir: TappedStanza['dir'], options: TapOptions): TapResult {
  const { from: rawFrom, to: rawTo } = packet.attrs;
  if (!rawFrom) return 'malformed';
  const from = options.parseJid(rawFrom);
  const to = rawTo ? options.parseJid(rawTo) : from.bare();
  if (to.domain === options.componentDomain) return 'copy-of-direct';
  return { dir, packet, from, to };
}
