import type { Payload } from './payload.ts';

/** MongooseIM's default body: author, server, receiver, message, in this order. */
export const form: Payload = {
  contentType: 'application/x-www-form-urlencoded',
  body: ({ sender, host, receiver, message }) =>
    `author=${encode(sender)}&server=${encode(host)}&receiver=${encode(receiver)}&message=${encode(message)}`,
};

/**
 * Encodes as cowlib's cow_qs does: UTF-8, space as `+`, only `A-Z a-z 0-9 - . _` bare, upper-case hex. URLSearchParams
 * would leave `*` bare.
 */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/%20|[!~*'()]/g, encodeRest);
}

function encodeRest(found: string): string {
  return found === '%20' ? '+' : `%${found.charCodeAt(0).toString(16).toUpperCase()}`;
}
