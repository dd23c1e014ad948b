import type { StanzaEvent } from './event.ts';

/**
 * What became of an event. `safe`: every notification that a backend wanted is as safe as its outbox promises (on disk
 * for lmdb); an event that no backend wanted is safe, too. `refused`: at least one notification could not be taken.
 */
export type Acceptance = 'safe' | 'refused';

/** Shared by all events whose fate is known at once: most stanzas are unwanted, and these cost no promise. */
export const SAFE: Promise<Acceptance> = Promise.resolve('safe');
export const REFUSED: Promise<Acceptance> = Promise.resolve('refused');

/** Where events go. */
export interface EventSink {
  /** False while the inside has as much under way as it may hold. */
  hasRoom(): boolean;
  /** Takes an event; `size` is the bytes of its stanza on the wire. What it gives never rejects. */
  take(event: StanzaEvent, size: number): Promise<Acceptance>;
}
