import type { StanzaEvent } from '../core/event.ts';

export const FORM_CONTENT_TYPE = 'application/x-www-form-urlencoded';

/** MongooseIM's default body: author, server, receiver, message, in this order. */
export function formOf(event: StanzaEvent): string {
  const author = encode(event.sender);
  const server = encode(event.host);
  const receiver = encode(event.receiver);
  return `author=${author}&server=${server}&receiver=${receiver}&message=${encode(event.message)}`;
}

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
