/** A value, or a promise of it: what is there already costs no promise. */
export type Awaitable<T> = T | Promise<T>;

/** Whether a value must be awaited. A thenable that is no native Promise must be, too. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | null | undefined)?.then === 'function';
}
