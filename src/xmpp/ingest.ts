import type { Clock } from '../core/clock.ts';
import type { Stanza, StanzaEvent } from '../core/event.ts';
import type { DiscardReason, Observe, TapName } from '../core/observation.ts';
import type { Tap, TapOptions } from '../core/tap.ts';
import { eventOf } from './event.ts';
import { type ConfiguredTapName, taps } from './taps/index.ts';
import { watchUnaskedTaps } from './unasked-taps.ts';

/** Most domains that are named in the log as untrusted: it bounds lines and memory. */
const MOST_NAMED = 100;

export interface IngestOptions extends Omit<TapOptions, 'onUntrustedCopy'> {
  /** Who is asked, in this order. */
  readonly taps: readonly ConfiguredTapName[];
}

/** Where events go. */
export interface EventSink {
  /** False while the inside has as much under way as it may hold. */
  hasRoom(): boolean;
  /** Takes an event; `size` is what its stanza took on the wire. */
  take(event: StanzaEvent, size: number): void;
}

/** Makes of each received stanza either an event or a counted discard: stanzas = events + discarded. */
export function openIngest(
  options: IngestOptions,
  sink: EventSink,
  { clock, observe }: { clock: Clock; observe: Observe },
): (stanza: Stanza, size: number) => void {
  const tapOptions = { ...options, onUntrustedCopy: nameOnce(observe) };
  const configuredTaps = options.taps.map((name): [ConfiguredTapName, Tap] => [name, taps[name](tapOptions)]);
  const noteUnasked = watchUnaskedTaps(options.taps, tapOptions, observe);
  const discard = (tap: TapName, reason: DiscardReason): void => {
    observe({ kind: 'stanza-received', tap });
    observe({ kind: 'stanza-discarded', reason });
  };

  return (stanza, size) => {
    if (stanza.name === 'iq') return discard('direct', 'iq');
    if (stanza.name !== 'message' && stanza.name !== 'presence') return discard('none', 'malformed');
    const receivedAtMs = clock.now();
    for (const [name, tap] of configuredTaps) {
      const found = tap(stanza, receivedAtMs);
      if (found === undefined) continue;
      if (name === 'direct') noteUnasked(stanza, receivedAtMs);
      if (typeof found === 'string') return discard(name, found);
      if (!sink.hasRoom()) return discard(name, 'overload');
      observe({ kind: 'stanza-received', tap: name });
      observe({ kind: 'event-made', dir: found.dir });
      sink.take(eventOf(found, receivedAtMs), size);
      return;
    }
    noteUnasked(stanza, receivedAtMs);
    discard('none', 'untrusted');
  };
}

/** Tells once of each domain whose copies are not believed: most likely it is missing in trusted_domains, or misspelt. */
function nameOnce(observe: Observe): TapOptions['onUntrustedCopy'] {
  const named = new Set<string>();
  return (domain) => {
    if (named.has(domain) || named.size === MOST_NAMED) return;
    named.add(domain);
    observe({ kind: 'untrusted-copy', domain, isLast: named.size === MOST_NAMED });
  };
}
