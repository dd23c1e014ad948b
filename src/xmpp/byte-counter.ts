/** Counts the UTF-8 bytes of one stanza in a stream of strings; each character is counted once. */
export class ByteCounter {
  #chunk = '';
  #from = 0;
  #ascii = true;
  #bytes = 0;

  /** Goes on with the next chunk of the stream. */
  next(chunk: string): void {
    this.#chunk = chunk;
    this.#from = 0;
    this.#ascii = Buffer.byteLength(chunk) === chunk.length;
  }

  /** Bytes from the last `restart` up to this index of the chunk. */
  upTo(index: number): number {
    this.#bytes += this.#ascii ? index - this.#from : Buffer.byteLength(this.#chunk.slice(this.#from, index));
    this.#from = index;
    return this.#bytes;
  }

  restart(index: number): void {
    this.#from = index;
    this.#bytes = 0;
  }
}
