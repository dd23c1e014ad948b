import { once as eventOf, type EventEmitter } from 'node:events';
import { inspect } from 'node:util';

/** A wait of the running test. */
interface Wait {
  readonly what: string;
  /** What was seen so far. */
  readonly story: () => unknown;
}

const waits = new Set<Wait>();
/** Beyond this, the end of a story is what matters. */
const MOST_STORY = 4000;

/**
 * Gives the promise back, and names it: a test that fails while it waits says for what, and what was seen until then.
 * @param what Completes "it waits for …".
 */
export function waitFor<T>(what: string, promise: Promise<T>, story: () => unknown = () => ''): Promise<T> {
  const wait = { what, story };
  waits.add(wait);
  const end = (): void => void waits.delete(wait);
  promise.then(end, end);
  return promise;
}

/** Waits for what comes bit by bit: whoever adds to it tells of that. */
export class Watchers {
  readonly #looks = new Set<() => void>();

  /** Something came: look again. */
  tell(): void {
    for (const look of this.#looks) look();
  }

  /** Resolves with what `find` gives once that is something; named as by `waitFor`. */
  until<Found>(what: string, find: () => Found | undefined, story?: () => unknown): Promise<Found> {
    const met = new Promise<Found>((resolve) => {
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        this.#looks.delete(look);
        resolve(found);
      };
      this.#looks.add(look);
      look();
    });
    return waitFor(what, met, story);
  }
}

/** Node's `once`, named by the event and its source. */
export function once(
  source: EventEmitter,
  event: string,
  options?: { signal?: AbortSignal },
): Promise<unknown[]> {
  return waitFor(`"${event}" of a ${source.constructor.name}`, eventOf(source, event, options));
}

/** What the test waits for now, in words, and forgets it. */
export function unmetWaits(): string[] {
  const texts = [...waits].map(({ what, story }) => {
    const told = storyText(story);
    return told === '' ? `it waits for ${what}` : `it waits for ${what}; so far:\n${told}`;
  });
  waits.clear();
  return texts;
}

function storyText(story: () => unknown): string {
  const told = story();
  const shown = { depth: 6, maxArrayLength: 20, maxStringLength: 200, breakLength: 120 };
  const text = typeof told === 'string' ? told : inspect(told, shown);
  return text.length > MOST_STORY ? `… ${text.slice(-MOST_STORY)}` : text;
}
