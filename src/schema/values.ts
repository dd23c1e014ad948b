import { resolve } from 'node:path';
import { z } from 'zod';
import { type Form, nameForm } from './forms.ts';
import type { ProblemCode, ProblemText } from './problem-codes.ts';
import { isSection } from './raw.ts';

/** Node's timers count milliseconds in 31 bits (about 24.8 days) and fire immediately beyond that. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Text of a certain form; `code` is that of the problem if it has another form. */
export function text(form: Form, code: ProblemCode = 'invalid-value') {
  return z.string().check(({ value, issues }) => {
    const message = form(value);
    if (message !== undefined) issues.push(issue(value, { code, message }));
  });
}

/** A path, absolute or relative to `folder`, which is that of the configuration file; gives the absolute path. */
export function pathFrom(folder: string) {
  return text(nameForm).transform((path) => resolve(folder, path));
}

/** What a text stands for, or the problem with it: `text(form).transform(meaning(find))`. `find` may look at the disk. */
export function meaning<T>(
  find: (text: string) => Awaitable<{ readonly value: T } | ProblemText>,
): (text: string, context: { readonly issues: z.core.$ZodRawIssue[] }) => Promise<T> {
  return async (given, { issues }) => {
    const found = await find(given);
    if ('value' in found) return found.value;
    issues.push(issue(given, found));
    return z.NEVER;
  };
}

type Awaitable<T> = T | Promise<T>;

/** A word of a table, which is the only place where such words are. */
export function wordOf<Name extends string>(table: Readonly<Record<Name, unknown>>) {
  return z.enum(Object.keys(table) as Name[]);
}

/** A list without repetitions; each repetition is told, whatever else is wrong with the list. */
export function distinct<Item extends z.ZodType>(list: z.ZodArray<Item>) {
  const tell = (items: readonly unknown[], { issues }: z.core.$RefinementCtx): void => {
    for (const [index, item] of items.entries()) {
      if (items.indexOf(item) === index) continue;
      const problem = { code: 'duplicate', message: 'repeats an earlier one: remove it' } as const;
      issues.push({ ...issue(item, problem), path: [index] });
    }
  };
  return list.superRefine(tell, { when: ({ value }) => Array.isArray(value) }).meta({ uniqueItems: true });
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

/** A whole number within bounds, both included. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  return z.int().min(least).max(most);
}

/** A time that Node can wait, in milliseconds. */
export function milliseconds(least: number, most: number = LONGEST_TIMER_MS) {
  return wholeNumber(least, most);
}

function issue(input: unknown, { code, message }: ProblemText) {
  return { code: 'custom', message, input, params: { code } } as const;
}
