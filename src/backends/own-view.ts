import type { StanzaEvent } from '../core/event.ts';
import { Jid } from '../core/jid.ts';
import { ownStanza } from './own-stanza.ts';

/**
 * An event as the callback module of one backend gets it: whatever the module does to it, the event itself stays as it
 * is. Only `acc` is shared.
 */
export function ownView(event: StanzaEvent): StanzaEvent {
  const { acc, dir, packet, from, to, host, sender, receiver, message, receivedAtMs } = event;
  return {
    acc,
    dir,
    packet: ownStanza(packet),
    from: copyOf(from),
    to: copyOf(to),
    host,
    sender,
    receiver,
    message,
    receivedAtMs,
  };
}

function copyOf({ local, domain, resource }: Jid): Jid {
  return new Jid(local, domain, resource);
}
