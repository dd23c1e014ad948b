/** A value, or a promise of it: what is there already costs no promise. */
export type Awaitable<T> = T | Promise<T>;

/** Whether it has to be awaited; so must a thenable that is no Promise of this language's own. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | null | undefined)?.then === 'function';
}
