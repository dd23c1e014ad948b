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
  /**
   * MongooseIM's `Acc`: a Map for this one stanza that all backends share. It starts empty; what one backend's callback
   * puts in, those of the backends below it in the configuration can see.
   */
  readonly acc: Map<string, unknown>;
  /** `in`: a local user sent the stanza; `out`: it is delivered to a local user. */
  readonly dir: Direction;
  /** The stanza. A callback may change it: each backend has a copy of its own. */
  readonly packet: Stanza;
  /** The sender, with resource. */
  readonly from: Jid;
  /** The receiver, with resource if the stanza names one. */
  readonly to: Jid;
  /** Domain of `from`. */
  readonly host: string;
  /** Local part of `from`, '' if it has none. */
  readonly sender: string;
  /** Local part of `to`, '' if it has none. */
  readonly receiver: string;
  /** Text of the first direct `<body/>` child in the stanza's own namespace; '' if it has none. */
  readonly message: string;
  /** When the component received the stanza: Unix time in milliseconds. */
  readonly receivedAtMs: number;
}
