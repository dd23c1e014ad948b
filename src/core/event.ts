import type { Element } from '@xmpp/xml';
import type { Jid } from './jid.ts';

/** A stanza (message, presence or iq) as an `@xmpp/xml` Element (RFC 6120, section 8). */
export type Stanza = Element;

/**
 * Which way the stanza goes, in MongooseIM's words: `in` = a local user sent it (it came in to the server),
 * `out` = it is delivered to a local user.
 */
export const directions = ['in', 'out'] as const;
export type Direction = (typeof directions)[number];

/** One stanza, out of its envelope, with its addresses prepared: all that a callback module gets to see. */
export interface StanzaEvent {
  /** Shared by all backends for this one stanza; starts empty. MongooseIM's `Acc`. */
  readonly acc: Map<string, unknown>;
  readonly dir: Direction;
  readonly packet: Stanza;
  readonly from: Jid;
  readonly to: Jid;
  /** Domain of `from`. */
  readonly host: string;
  /** Local part of `from`, '' if it has none. */
  readonly sender: string;
  /** Local part of `to`, '' if it has none. */
  readonly receiver: string;
  /** Text of the first direct `<body/>` child in the stanza's own namespace, or ''. */
  readonly message: string;
  /** When the component received the stanza: Unix time in milliseconds. */
  readonly receivedAtMs: number;
}
