import type { Tap, TapOptions } from '../../core/tap.ts';
import { openEnvelope, readCopy } from './envelope.ts';

/**
 * Copies that a server module sends in a XEP-0297 envelope to `sent@` or `received@` the component. Any user can write
 * such a message, so only a bare trusted domain as outer sender is believed, and only about its own users' sending.
 */
export function forwarded(options: TapOptions): Tap {
  const sentAddress = `sent@${options.componentDomain}`;
  const receivedAddress = `received@${options.componentDomain}`;
  return (stanza) => {
    const { from: server, to: address } = stanza.attrs;
    if (address !== sentAddress && address !== receivedAddress) return undefined;
    if (!options.trustedDomains.has(server) || !stanza.is('message')) return undefined;
    const packet = openEnvelope(stanza);
    if (packet === undefined || packet === 'malformed') return packet;
    if (address === receivedAddress) return readCopy(packet, 'out', options);
    const copy = readCopy(packet, 'in', options);
    if (typeof copy !== 'string' && copy.from.domain !== options.parseJid(server).domain) return 'untrusted';
    return copy;
  };
}
