/**
 * A copy of a text in one piece that shares no memory with its stanza. V8 keeps the whole 64 KiB that were read from the
 * socket for any text that was cut out of them (3,000 waiting notifications held 200 MB), and all pieces of a text that was
 * put together.
 */
export function detachedText(text: string): string {
  return Buffer.from(text).toString();
}

/** The same for a body. Bytes are copied because the callback may write into its own. */
export function detachedBody(body: string | Uint8Array): string | Uint8Array {
  return typeof body === 'string' ? detachedText(body) : new Uint8Array(body);
}
