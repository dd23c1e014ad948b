import type { Clock } from '../core/clock.ts';
import type { Stanza, StanzaEvent } from '../core/event.ts';
import type { Observe } from '../core/observation.ts';
import type { Tap, TapOptions } from '../core/tap.ts';
import { eventOf } from './event.ts';
import { type ConfiguredTapName, taps } from './taps/index.ts';

export interface IngestOptions extends TapOptions {
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
  const configuredTaps = options.taps.map((name): [ConfiguredTapName, Tap] => [name, taps[name](options)]);

  return (stanza, size) => {
    if (stanza.is('iq')) {
      observe({ kind: 'stanza-received', tap: 'direct' });
      observe({ kind: 'stanza-discarded', reason: 'iq' });
      return;
    }
    const receivedAtMs = clock.now();
    for (const [name, tap] of configuredTaps) {
      const found = tap(stanza, receivedAtMs);
      if (found === undefined) continue;
      observe({ kind: 'stanza-received', tap: name });
      if (typeof found === 'string') observe({ kind: 'stanza-discarded', reason: found });
      else if (!sink.hasRoom()) observe({ kind: 'stanza-discarded', reason: 'overload' });
      else {
        observe({ kind: 'event-made', dir: found.dir });
        sink.take(eventOf(found, receivedAtMs), size);
      }
      return;
    }
    observe({ kind: 'stanza-received', tap: 'none' });
    observe({ kind: 'stanza-discarded', reason: 'untrusted' });
  };
}
