import { createHash } from 'node:crypto';
import type { Stanza } from '../../core/event.ts';
import type { Tap, TapOptions } from '../../core/tap.ts';
import { readTrustedCopy } from './envelope.ts';

const NS_STANZA_ID = 'urn:xmpp:sid:0';

/** How long the copies of one stanza may lie apart: a loaded ejabberd hands the recipients' copies on late. */
const WINDOW_MS = 10_000;
/** Bounds the memory of the window: at 20,000 stanzas a second it then holds the last five seconds. */
const MOST_REMEMBERED = 100_000;

/**
 * ejabberd's mod_service_log copies whatever local users send and whatever they receive, without saying which. What
 * remains here is "sent by a local user, once each"; every other copy is a `duplicate`.
 */
export function serviceLog(options: TapOptions): Tap {
  const seen = new RecentlySeen(WINDOW_MS, MOST_REMEMBERED);
  return {
    read(stanza, receivedAtMs) {
      const { from: server, to: address } = stanza.attrs;
      if (address !== options.componentDomain) return undefined;
      const copy = readTrustedCopy(stanza, 'in', options);
      if (typeof copy !== 'object') return copy;
      const { from, packet } = copy;
      const isOfLocalUser =
        from.local !== '' && from.resource !== '' && from.domain === options.parseJid(server).domain;
      if (!isOfLocalUser || wasArchivedFor(packet, copy.to.bare().toString(), options)) return 'duplicate';
      return seen.before(contentOf(packet), receivedAtMs) ? 'duplicate' : copy;
    },
  };
}

/** An offline message that is delivered at login has the recipient's archive id (XEP-0359); a new message has none. */
function wasArchivedFor(packet: Stanza, recipient: string, options: TapOptions): boolean {
  return packet
    .getChildElements()
    .some((child) => isStanzaId(child) && options.parseJid(child.attrs['by'] ?? '').toString() === recipient);
}

/** Without stanza ids, because the server strips forged ones from one of the two copies only. */
function contentOf(packet: Stanza): string {
  const children = packet.children.filter((child) => typeof child === 'string' || !isStanzaId(child));
  return JSON.stringify([packet.name, packet.attrs, ...children.map(String)]);
}

function isStanzaId(element: Stanza): boolean {
  return element.is('stanza-id', NS_STANZA_ID);
}

/** Remembers texts for a while, as digests, so that long stanzas cost no more memory than short ones. */
export class RecentlySeen {
  readonly #windowMs: number;
  readonly #most: number;
  readonly #seenAtMs = new Map<string, number>();

  constructor(windowMs: number, most: number) {
    this.#windowMs = windowMs;
    this.#most = most;
  }

  /** Whether the text was seen within the window; from now on it was. */
  before(text: string, nowMs: number): boolean {
    const digest = createHash('sha256').update(text).digest('base64');
    this.#forget(nowMs);
    if (this.#seenAtMs.has(digest)) return true;
    this.#seenAtMs.set(digest, nowMs);
    return false;
  }

  #forget(nowMs: number): void {
    for (const [digest, seenAtMs] of this.#seenAtMs) {
      const isFresh = Math.abs(nowMs - seenAtMs) < this.#windowMs;
      if (isFresh && this.#seenAtMs.size < this.#most) return;
      this.#seenAtMs.delete(digest);
    }
  }
}
