import type { Direction, Stanza } from './event.ts';
import type { Jid } from './jid.ts';
import type { DiscardReason } from './observation.ts';

/** The stanza that a tap found, out of its envelope. */
export interface TappedStanza {
  readonly dir: Direction;
  readonly packet: Stanza;
  readonly from: Jid;
  readonly to: Jid;
}

/** What a tap needs to know. */
export interface TapOptions {
  /** The component's own domain, prepared. */
  readonly componentDomain: string;
  /** Whose copies are believed: exactly these as outer `from`. */
  readonly trustedDomains: ReadonlySet<string>;
  /** Prepares an address and counts what could not be prepared. */
  readonly parseJid: (text: string) => Jid;
  /** Told of every copy that comes from a domain which is not trusted. */
  readonly onUntrustedCopy: (domain: string) => void;
}

/**
 * A kind of envelope in which servers hand stanzas to a component: the stanza, the reason why it is no event, or
 * undefined (not mine: ask the next tap).
 */
export type Tap = (stanza: Stanza, receivedAtMs: number) => TappedStanza | DiscardReason | undefined;
