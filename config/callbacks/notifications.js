/**
 * Notifications for a push service: a JSON object for each text that a local user sends to somebody or to a room.
 *
 * Options: `types`, which types of messages are sent (default: chat), and `preview`, how many characters of the text
 * are sent (default 100).
 *
 * @type {import('xmpp-event-pusher').CallbackModule}
 */
const notifications = {
  shouldMakeReq({ acc, dir, packet, message }, options) {
    const { types = ['chat'] } = /** @type {{ types?: string[] }} */ (options);
    if (acc.has('alert')) return false; // alerts.js has it already
    // A message without a type is a normal one (RFC 6121, section 5.2.2).
    const type = packet.attrs.type ?? 'normal';
    return dir === 'in' && packet.is('message') && types.includes(type) && message !== '';
  },

  prepareHeaders: () => ({ 'content-type': 'application/json' }),

  prepareBody({ from, to, packet, message, receivedAtMs }, options) {
    const { preview = 100 } = /** @type {{ preview?: number }} */ (options);
    return JSON.stringify({
      from: from.bare().toString(),
      to: to.bare().toString(),
      type: packet.attrs.type ?? 'normal',
      // By code points, so that no character is cut in two.
      text: Array.from(message).slice(0, preview).join(''),
      time: new Date(receivedAtMs).toISOString(),
    });
  },
};

export default notifications;
