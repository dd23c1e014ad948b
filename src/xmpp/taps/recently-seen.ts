import { createHash } from 'node:crypto';

/** Remembers texts for a while, as digests, so that long stanzas cost no more memory than short ones. */
export class RecentlySeen {
  readonly #windowMs: number;
  readonly #most: number;
  readonly #seenAtMs = new Map<string, number>();

  constructor(windowMs: number, most: number) {
    this.#windowMs = windowMs;
    this.#most = most;
  }

  /** Whether the text was seen within the window; from now on it was. */
  before(text: string, nowMs: number): boolean {
    const digest = createHash('sha256').update(text).digest('base64');
    this.#forget(nowMs);
    if (this.#seenAtMs.has(digest)) return true;
    this.#seenAtMs.set(digest, nowMs);
    return false;
  }

  #forget(nowMs: number): void {
    for (const [digest, seenAtMs] of this.#seenAtMs) {
      const isFresh = Math.abs(nowMs - seenAtMs) < this.#windowMs;
      if (isFresh && this.#seenAtMs.size < this.#most) return;
      this.#seenAtMs.delete(digest);
    }
  }
}
