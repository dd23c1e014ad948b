import type { Stanza } from '../core/event.ts';

/** Most memory for all that callbacks and outboxes have under way, in equal shares for the backends. */
const MOST_UNDER_WAY_BYTES = 64 * 1024 * 1024;
/** What an event takes, besides its stanza, while it waits for a callback or an outbox. */
const EVENT_BYTES = 2048;
/** `<a/>` is four bytes on the wire, and 160 as an Element. */
const ELEMENT_BYTES = 200;
const ATTRIBUTE_BYTES = 100;

/** The memory that one backend may take for what it has under way: a slow backend takes none from the others. */
export class MemoryShare {
  readonly #bytes: number;
  #taken = 0;

  /** @param backends How many backends there are. */
  constructor(backends: number) {
    this.#bytes = MOST_UNDER_WAY_BYTES / backends;
  }

  /** Whether more may come in; the last thing to come in may take more than is left. */
  get isLeft(): boolean {
    return this.#taken < this.#bytes;
  }

  take(bytes: number): void {
    this.#taken += bytes;
  }

  giveBack(bytes: number): void {
    this.#taken -= bytes;
  }
}

/** Roughly the memory of an event whose stanza took `size` bytes on the wire; copies share the texts. */
export function weightOf(stanza: Stanza, size: number, copies: number): number {
  return EVENT_BYTES + size + copies * weightOfElements(stanza);
}

function weightOfElements(element: Stanza): number {
  let weight = ELEMENT_BYTES + ATTRIBUTE_BYTES * Object.keys(element.attrs).length;
  for (const child of element.children) {
    if (typeof child === 'object') weight += weightOfElements(child);
  }
  return weight;
}
