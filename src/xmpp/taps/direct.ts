import type { Tap, TapOptions } from '../../core/tap.ts';

/** Messages and presences that are addressed to the component itself. */
export function direct(options: TapOptions): Tap {
  return (packet) => {
    const { from, to: rawTo } = packet.attrs;
    const isKnown = packet.is('message') || packet.is('presence');
    if (!isKnown || !from || !rawTo) return 'malformed';
    const to = options.parseJid(rawTo);
    if (to.domain !== options.componentDomain) return undefined;
    return { dir: 'in', packet, from: options.parseJid(from), to };
  };
}
