import type { StanzaEvent } from '../../core/event.ts';

/** What MongooseIM's default callback wants: a chat message with a text that a local user sends. */
export function isSentChat({ dir, packet, message }: StanzaEvent): boolean {
  return dir === 'in' && message !== '' && packet.attrs['type'] === 'chat' && packet.is('message');
}
