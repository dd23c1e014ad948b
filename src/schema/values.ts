import { z } from 'zod';
import type { Form } from './forms.ts';
import type { ProblemCode } from './problem-codes.ts';

/** Node's timers count milliseconds in 31 bits (about 24.8 days) and fire at once beyond that. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Text of a certain form; `code` is that of the problem if it has another form. */
export function text(form: Form, code: ProblemCode = 'invalid-value') {
  return z.string().check((context) => {
    const message = form(context.value);
    if (message === undefined) return;
    context.issues.push({ code: 'custom', message, input: context.value, params: { code } });
  });
}

/** A section with any keys, or none; zod's own record would drop a key named `__proto__`. */
export function anySection() {
  return z
    .unknown()
    .check(({ value, issues }) => {
      if (!isSection(value)) issues.push({ code: 'invalid_type', expected: 'record', input: value });
    })
    .meta({ type: 'object' })
    .default({})
    .transform((value) => value as Readonly<Record<string, unknown>>);
}

/** Whether a value of the file is a section: keys with values. */
export function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A whole number within bounds, both included. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  return z.int().min(least).max(most);
}

/** A time that Node can wait, in milliseconds. */
export function milliseconds(least: number, most: number = LONGEST_TIMER_MS) {
  return wholeNumber(least, most);
}
