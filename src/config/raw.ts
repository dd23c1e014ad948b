import { isSection } from '../schema/values.ts';

// Reads content of which nothing was checked: what is not there, or is of another type, counts as absent.

export function field(value: unknown, key: string): unknown {
  return isSection(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

export function itemsOf(value: unknown, key: string): readonly unknown[] {
  const items = field(value, key);
  return Array.isArray(items) ? items : [];
}

/** Text that is not empty. */
export function textOf(value: unknown, key: string): string | undefined {
  const text = field(value, key);
  return typeof text === 'string' && text !== '' ? text : undefined;
}

/** What stands under `http` in each entry of the list of backends. */
export function backendsOf(content: unknown): readonly unknown[] {
  return itemsOf(field(content, 'mod_event_pusher'), 'backends').map((entry) => field(entry, 'http'));
}
