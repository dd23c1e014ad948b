/**
 * A copy in one piece that shares no memory with the stanza: V8 keeps the whole 64 KiB read from the socket alive for any
 * text that was cut out of them, so that 3,000 waiting notifications held 200 MB, and a text that was put together as a tree
 * of its pieces.
 */
export function ownText(text: string): string {
  return Buffer.from(text).toString();
}

/** The same for a body; bytes are copied because the callback may use its own again. */
export function ownBody(body: string | Uint8Array): string | Uint8Array {
  return typeof body === 'string' ? ownText(body) : new Uint8Array(body);
}
