import { PlainError } from '../../core/errors.ts';
import { http } from '../../node/http.ts';
import { detachedText } from '../detached.ts';

/** These frame the request or name the notification. We make them ourselves: a wrong one would break the connection. */
const reservedHeaders = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'webhook-id',
]);

/**
 * Checks headers: gives them with their names in lower case, without those that we make ourselves.
 * @throws PlainError, TypeError
 */
export type HeaderCheck = (headers: unknown) => Readonly<Record<string, string>>;

/** Makes the check of one backend. Most backends give the same headers each time, which then are checked once. */
export function headerCheck(): HeaderCheck {
  let last: readonly [string, unknown][] = [];
  let checked: Readonly<Record<string, string>> = {};
  return (headers) => {
    // A Map or Headers would seem to hold nothing.
    if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
      throw new PlainError('it did not give a plain object');
    }
    const entries = Object.entries(headers);
    const isAsLast =
      entries.length === last.length &&
      entries.every(([name, value], index) => name === last[index]?.[0] && value === last[index][1]);
    if (!isAsLast) {
      checked = checkAll(entries);
      last = entries;
    }
    return checked;
  };
}

function checkAll(entries: readonly [string, unknown][]): Record<string, string> {
  // Without a prototype, so that every name is one like any other.
  const checked = Object.create(null) as Record<string, string>;
  for (const [name, value] of entries) {
    const lowerCaseName = name.toLowerCase();
    http.validateHeaderName(name);
    if (typeof value !== 'string') throw new PlainError(`header ${name} is not a string`);
    http.validateHeaderValue(name, value);
    if (!reservedHeaders.has(lowerCaseName)) checked[detachedText(lowerCaseName)] = detachedText(value);
  }
  return checked;
}
