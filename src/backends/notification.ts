import type { DeadLetter } from '../core/dead-letter.ts';
import type { Notification } from '../core/delivery.ts';
import type { StanzaEvent } from '../core/event.ts';
import type { Backend } from './backend.ts';
import type { RequestContent } from './callbacks/caller.ts';
import { detachedText } from './detached.ts';

/** What the router adds to a request. */
export interface NotificationFrame {
  readonly id: string;
  /** Label of the outgoing pool. */
  readonly pool: string;
  /** Unix time in milliseconds. */
  readonly acceptedAtMs: number;
}

/** The notification of what a backend made from an event. */
export function notificationOf(
  backend: Backend,
  event: StanzaEvent,
  { headers, body }: RequestContent,
  { id, pool, acceptedAtMs }: NotificationFrame,
): Notification {
  return {
    id,
    backend: backend.name,
    pool,
    sender: senderOf(event),
    receiver: detachedText(event.to.bare().toString()),
    host: detachedText(event.host),
    path: backend.path,
    headers,
    body,
    acceptedAtMs,
  };
}

/** The dead letter of an event from which a callback could make no request: it holds the stanza. */
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

/** Bare JID of the sender, by which order is kept. */
export function senderOf({ from }: StanzaEvent): string {
  return detachedText(from.bare().toString());
}
