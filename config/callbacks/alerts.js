/**
 * Alerts: messages with certain words. The body is a form: the fields of the default notification, and the words that
 * were found. For prepareHeaders, which is not exported here, the default applies.
 *
 * Options: `words`, in lower case, and `threshold`: how many different words of these make an alert (default 1).
 */

/** @type {import('xmpp-event-pusher').CallbackModule['shouldMakeReq']} */
export const shouldMakeReq = ({ acc, dir, packet, message }, options) => {
  const { threshold = 1 } = /** @type {{ threshold?: number }} */ (options);
  const isAlert = dir === 'in' && packet.is('message') && wordsIn(message, options).length >= threshold;
  // All backends of one stanza share `acc`, and are asked in the order of the configuration: see notifications.js.
  if (isAlert) acc.set('alert', true);
  return isAlert;
};

/** @type {import('xmpp-event-pusher').CallbackModule['prepareBody']} */
export const prepareBody = ({ sender, host, receiver, message }, options) => {
  const words = wordsIn(message, options).join(' ');
  return new URLSearchParams({ author: sender, server: host, receiver, message, words }).toString();
};

/**
 * @param {string} message
 * @param {import('xmpp-event-pusher').CallbackOptions} options
 */
function wordsIn(message, options) {
  const { words = [] } = /** @type {{ words?: string[] }} */ (options);
  const written = new Set(message.toLowerCase().match(/[\p{L}\p{N}]+/gu));
  return words.filter((word) => written.has(word));
}
