import type { Stanza } from '../core/event.ts';
import type { Observe } from '../core/observation.ts';
import type { TapOptions } from '../core/tap.ts';
import { type TapName, tapNames, taps } from './taps/index.ts';

/**
 * Tells once of each tap that is not configured, or comes after `direct`, when a trusted server hands over a copy for it:
 * such copies become messages to the component, or untrusted, and nobody would know why. To be given what `direct` or no
 * tap takes.
 */
export function watchUnaskedTaps(
  configured: readonly TapName[],
  options: TapOptions,
  observe: Observe,
): (stanza: Stanza, receivedAtMs: number) => void {
  const asked = configured.includes('direct')
    ? configured.slice(0, configured.indexOf('direct'))
    : configured;
  const unasked = new Map(
    tapNames
      .filter((name) => name !== 'direct' && !asked.includes(name))
      .map((name) => [name, taps[name](options)]),
  );
  return (stanza, receivedAtMs) => {
    const { from: domain } = stanza.attrs;
    if (!options.trustedDomains.has(domain)) return;
    for (const [tap, wouldTake] of unasked) {
      const found = wouldTake.read(stanza, receivedAtMs);
      if (found === undefined || found === 'malformed') continue;
      unasked.delete(tap);
      observe({ kind: 'tap-not-configured', tap, domain });
    }
  };
}
