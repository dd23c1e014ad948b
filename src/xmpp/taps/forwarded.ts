import type { Tap, TapOptions } from '../../core/tap.ts';
import { readTrustedCopy } from './envelope.ts';

/**
 * Copies that a server module sends in a XEP-0297 envelope to `sent@` or `received@` the component. Any user can write
 * such a message, so only a bare trusted domain as outer sender is believed, and only about its own users' sending.
 */
export function forwarded(options: TapOptions): Tap {
  const sentAddress = `sent@${options.componentDomain}`;
  const receivedAddress = `received@${options.componentDomain}`;
  return {
    read(stanza) {
      const { from: server, to: address } = stanza.attrs;
      if (address === receivedAddress) return readTrustedCopy(stanza, 'out', options);
      if (address !== sentAddress) return undefined;
      const copy = readTrustedCopy(stanza, 'in', options);
      return typeof copy === 'object' && copy.from.domain !== options.parseJid(server).domain
        ? 'untrusted'
        : copy;
    },
  };
}
