import type { DiscardReason } from './discard-reasons.ts';
import type { Direction, Stanza } from './event.ts';
import type { Acceptance } from './event-sink.ts';
import type { Jid } from './jid.ts';

/** The stanza that a tap found, out of its envelope. */
export interface TappedStanza {
  readonly dir: Direction;
  readonly packet: Stanza;
  readonly from: Jid;
  readonly to: Jid;
  /** Called once, when it is known what became of the event: for a tap that owes its server a reply. */
  readonly onAccepted?: (acceptance: Acceptance) => void;
}

/** The stanza that a tap found, the reason why it becomes no event, or undefined: not mine, ask the next tap. */
export type TapResult = TappedStanza | DiscardReason | undefined;

/** The way back to the XMPP server, from the handshake until the stream ends. */
export interface OutgoingStream {
  /**
   * Sends a stanza; without `from` its sender is the component's domain. False: it was not sent. Then the stream has
   * ended, its `from` has another domain, it is longer than 65,536 characters, or 1 MiB waits for the server to read.
   */
  send(stanza: Stanza): boolean;
}

/** What service discovery says of the component because of a tap (XEP-0030, 3). */
export interface Disco {
  readonly identities?: readonly { readonly category: string; readonly type: string }[];
  readonly features?: readonly string[];
}

/** A kind of envelope in which servers hand stanzas to a component. None of its functions may wait. */
export interface Tap {
  readonly disco?: Disco;
  /** Reads a message or a presence. */
  read(stanza: Stanza, receivedAtMs: number): TapResult;
  /**
   * Reads an iq of any type. A tap that takes an iq of type get or set (gives anything except undefined) sends the
   * reply itself (RFC 6120, 8.2.3). Without this function the tap takes no iq: then the table in xmpp/iq.ts has the
   * reply.
   */
  readIq?(iq: Stanza, receivedAtMs: number): TapResult;
  /** The server has let the component in: the stream takes stanzas until `onStreamEnd`. */
  onStreamStart?(stream: OutgoingStream): void;
  onStreamEnd?(): void;
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
