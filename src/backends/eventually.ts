/** A value that is there, or a promise of it. What is there costs no promise, which most callbacks do not need. */
export type Eventually<T> = T | Promise<T>;

export function isThenable(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | null | undefined)?.then === 'function';
}
