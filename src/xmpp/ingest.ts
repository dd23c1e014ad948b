import type { Clock } from '../core/clock.ts';
import type { DiscardReason } from '../core/discard-reasons.ts';
import type { Stanza } from '../core/event.ts';
import type { Observe } from '../core/observation.ts';
import { type Acceptance, type EventSink, REFUSED } from '../core/event-sink.ts';
import type { Disco, OutgoingStream, Tap, TapOptions, TappedStanza, TapResult } from '../core/tap.ts';
import { eventOf } from './event.ts';
import type { SessionHandlers } from './session.ts';
import { type TapName, tapNames, taps } from './taps/index.ts';

/** Most domains that are named in the log as untrusted: it bounds lines and memory. */
const MOST_NAMED = 100;

export interface IngestOptions extends Omit<TapOptions, 'onUntrustedCopy'> {
  /** Who is asked, in this order. */
  readonly taps: readonly TapName[];
}

export interface IngestPorts {
  readonly clock: Clock;
  readonly observe: Observe;
}

interface NamedTap {
  readonly name: TapName;
  readonly tap: Tap;
}

type IqReader = NamedTap & { readonly tap: Required<Pick<Tap, 'readIq'>> };

/** Makes of each received stanza either an event or a counted discard: stanzas = events + discarded. */
export class Ingest implements SessionHandlers {
  readonly disco: readonly Disco[];
  readonly #sink: EventSink;
  readonly #clock: Clock;
  readonly #observe: Observe;
  readonly #taps: readonly NamedTap[];
  readonly #iqReaders: readonly IqReader[];
  readonly #noteUnasked: (stanza: Stanza, receivedAtMs: number) => void;

  constructor(options: IngestOptions, sink: EventSink, { clock, observe }: IngestPorts) {
    const tapOptions = { ...options, onUntrustedCopy: nameOnce(observe) };
    this.#sink = sink;
    this.#clock = clock;
    this.#observe = observe;
    this.#taps = options.taps.map((name) => ({ name, tap: taps[name](tapOptions) }));
    this.#iqReaders = this.#taps.filter((named): named is IqReader => named.tap.readIq !== undefined);
    this.disco = this.#taps.flatMap(({ tap }) => tap.disco ?? []);
    this.#noteUnasked = watchUnaskedTaps(options.taps, tapOptions, observe);
  }

  onStanza(stanza: Stanza, size: number): boolean {
    if (stanza.name === 'iq') return this.#readIq(stanza, size);
    if (stanza.name === 'message' || stanza.name === 'presence') this.#read(stanza, size);
    else this.#discard('none', 'malformed');
    return false;
  }

  onTooLarge(): void {
    this.#discard('none', 'too-large');
  }

  onStreamStart(stream: OutgoingStream): void {
    this.#tellTaps((tap) => tap.onStreamStart?.(stream));
  }

  onStreamEnd(): void {
    this.#tellTaps((tap) => tap.onStreamEnd?.());
  }

  #read(stanza: Stanza, size: number): void {
    const receivedAtMs = this.#clock.now();
    for (const { name, tap } of this.#taps) {
      const found = tap.read(stanza, receivedAtMs);
      if (found === undefined) continue;
      if (name === 'direct') this.#noteUnasked(stanza, receivedAtMs);
      return this.#take(name, found, size, receivedAtMs);
    }
    this.#noteUnasked(stanza, receivedAtMs);
    this.#discard('none', 'untrusted');
  }

  /** Whether a tap has taken it, which then sends the reply. */
  #readIq(iq: Stanza, size: number): boolean {
    const receivedAtMs = this.#clock.now();
    for (const { name, tap } of this.#iqReaders) {
      const found = tap.readIq(iq, receivedAtMs);
      if (found === undefined) continue;
      this.#take(name, found, size, receivedAtMs);
      return true;
    }
    // Counted as `direct` even where that tap is not configured: it is addressed to the component, and gets its reply.
    this.#discard('direct', 'iq');
    return false;
  }

  #take(tap: TapName, found: Exclude<TapResult, undefined>, size: number, receivedAtMs: number): void {
    if (typeof found === 'string') return this.#discard(tap, found);
    const { onAccepted } = found;
    if (!this.#sink.hasRoom()) {
      this.#discard(tap, 'overload');
      return this.#tell(onAccepted, REFUSED);
    }
    this.#observe({ kind: 'stanza-received', tap });
    this.#observe({ kind: 'event-made', dir: found.dir });
    this.#tell(onAccepted, this.#sink.take(eventOf(found, receivedAtMs), size));
  }

  /** Without `onAccepted`, as in most taps, nothing is waited for. */
  #tell(onAccepted: TappedStanza['onAccepted'], acceptance: Promise<Acceptance>): void {
    if (onAccepted === undefined) return;
    acceptance.then(onAccepted).catch((error: unknown) => this.#observeFault(error));
  }

  #tellTaps(tell: (tap: Tap) => void): void {
    for (const { tap } of this.#taps) {
      try {
        tell(tap);
      } catch (error) {
        this.#observeFault(error);
      }
    }
  }

  #observeFault(error: unknown): void {
    this.#observe({ kind: 'internal-error', where: 'tap', error });
  }

  #discard(tap: TapName | 'none', reason: DiscardReason): void {
    this.#observe({ kind: 'stanza-received', tap });
    this.#observe({ kind: 'stanza-discarded', reason });
  }
}

/** Tells once of each domain whose copies are not believed: most likely trusted_domains lacks or misspells it. */
function nameOnce(observe: Observe): TapOptions['onUntrustedCopy'] {
  const named = new Set<string>();
  return (domain) => {
    if (named.has(domain) || named.size === MOST_NAMED) return;
    named.add(domain);
    observe({ kind: 'untrusted-copy', domain, isLast: named.size === MOST_NAMED });
  };
}

/**
 * Tells once of each tap that is not configured, or comes after `direct`, when a trusted server hands over a copy for
 * it. Such copies become messages to the component, or untrusted, and no operator would know why. Gives the function
 * that takes each stanza that `direct` or no tap has taken.
 */
function watchUnaskedTaps(
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
