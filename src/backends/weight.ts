import type { Stanza } from '../core/event.ts';

/** Beside its stanza, what an event takes that waits for a callback or an outbox. */
const EVENT_BYTES = 2048;
/** `<a/>` is four bytes on the wire, and 160 as an Element. */
const ELEMENT_BYTES = 200;
const ATTRIBUTE_BYTES = 100;

/** What an event takes in memory, roughly, whose stanza took `size` bytes on the wire; copies share the texts. */
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
