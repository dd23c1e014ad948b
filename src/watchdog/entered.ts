import { callbackNames } from '../core/observation.ts';

/** What of a callback module can hold the main thread. */
export const steps = ['loading', ...callbackNames] as const;
export type Step = (typeof steps)[number];

/**
 * The memory that main thread and watchdog share: how often the main thread has turned, what it entered last, and whether
 * it was taken out of a module.
 */
export const TURNS = 0;
export const ENTERED = 1;
export const ABANDONED = 2;
export const SHARED_BYTES = 3 * Int32Array.BYTES_PER_ELEMENT;

/** In the place of what was entered: nothing of a callback module was. */
export const NOTHING = 0;

/** A number for a step of the callback module of a backend, which has this index. */
export function placeOf(backend: number, step: Step): number {
  return 1 + backend * steps.length + steps.indexOf(step);
}

export function fromPlace(place: number): { readonly backend: number; readonly step: Step } {
  return { backend: Math.floor((place - 1) / steps.length), step: steps[(place - 1) % steps.length]! };
}
