import type { StanzaEvent } from './event.ts';

/**
 * What became of an event. `safe`: every notification that a backend wanted is as safe as its outbox promises (for
 * lmdb: on disk). An event that no backend wanted is safe, too. `refused`: at least one notification was not taken.
 */
export type Acceptance = 'safe' | 'refused';

/**
 * Shared by all events for which no promise is needed: most stanzas are unwanted, and that is known without waiting.
 */
export const SAFE: Promise<Acceptance> = Promise.resolve('safe');
export const REFUSED: Promise<Acceptance> = Promise.resolve('refused');

/** Where events go. */
export interface EventSink {
  /** False while as much is under way as may be. */
  hasRoom(): boolean;
  /** Takes an event; `size` is the bytes of its stanza on the wire. Its promise never rejects. */
  take(event: StanzaEvent, size: number): Promise<Acceptance>;
}
