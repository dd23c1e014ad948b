import type { Tap, TapOptions } from '../../core/tap.ts';

/** Messages and presences that are addressed to the component itself, except errors of the server. */
export function direct(options: TapOptions): Tap {
  return {
    read(packet) {
      const { from: rawFrom, to: rawTo } = packet.attrs;
      if (!rawFrom || !rawTo) return 'malformed';
      const to = options.parseJid(rawTo);
      if (to.domain !== options.componentDomain) return undefined;
      const from = options.parseJid(rawFrom);
      const isOfServer = from.local === '' && from.resource === '';
      return isOfServer && packet.attrs['type'] === 'error' ? 'error' : { dir: 'in', packet, from, to };
    },
  };
}
