import type { DeadLetter } from '../core/dead-letter.ts';
import type { Notification } from '../core/delivery.ts';
import type { StanzaEvent } from '../core/event.ts';
import { ownText } from './own-copy.ts';
import type { Backend, PreparedRequest } from './request.ts';

/** What the router adds to a request: its place in the order of things. */
export interface NotificationFrame {
  readonly id: string;
  /** Label of the outgoing pool. */
  readonly pool: string;
  /** Unix time in milliseconds. */
  readonly acceptedAtMs: number;
}

/** Frames what a backend's callbacks made of an event. */
export function notificationOf(
  backend: Backend,
  event: StanzaEvent,
  { headers, body }: PreparedRequest,
  { id, pool, acceptedAtMs }: NotificationFrame,
): Notification {
  return {
    id,
    backend: backend.name,
    pool,
    sender: bareText(event.from),
    receiver: bareText(event.to),
    host: ownText(event.host),
    path: backend.path,
    headers,
    body,
    acceptedAtMs,
  };
}

/** A letter for an event of which a callback could make no request. */
export function letterOf(backend: Backend, event: StanzaEvent, frame: NotificationFrame): DeadLetter {
  const { packet, dir, from, to, receivedAtMs } = event;
  return {
    notification: notificationOf(backend, event, { headers: {}, body: '' }, frame),
    reason: 'callback',
    diedAtMs: frame.acceptedAtMs,
    attempts: 0,
    stanza: {
      xml: packet.toString(),
      namespace: packet.getNS() ?? '',
      dir,
      from: from.toString(),
      to: to.toString(),
      receivedAtMs,
    },
  };
}

/** Text of a bare JID that keeps no stanza alive. */
export function bareText(jid: StanzaEvent['from']): string {
  return ownText(jid.bare().toString());
}
