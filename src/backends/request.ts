import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { CallbackOptions, CompleteCallbackModule } from '../core/callback.ts';
import type { Clock } from '../core/clock.ts';
import type { StanzaEvent } from '../core/event.ts';
import { PlainError } from '../core/errors.ts';
import { ownBody, ownText } from './own-copy.ts';
import type { CallbackName } from '../core/observation.ts';

/** A configured backend with its callback module loaded. */
export interface Backend {
  readonly name: string;
  /** Tag of the outgoing pool. */
  readonly poolName: string;
  readonly path: string;
  readonly callback: CompleteCallbackModule;
  readonly options: CallbackOptions;
}

/** What a backend's callbacks made of an event. */
export interface PreparedRequest {
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array;
}

/** A callback threw, rejected, hung or gave something that cannot be sent. */
export class CallbackError extends Error {
  readonly callback: CallbackName;

  constructor(callback: CallbackName, cause: unknown) {
    super(`${callback} failed`, { cause });
    this.callback = callback;
  }
}

/**
 * Asks the callbacks of one backend for the rest of the request, once `shouldMakeReq` has given its `answer`.
 * @throws CallbackError
 */
export async function prepareRequest(
  backend: Backend,
  event: StanzaEvent,
  answer: unknown,
  limit: CallbackLimit,
): Promise<PreparedRequest | undefined> {
  const { callback, options } = backend;
  const should = await attempt('shouldMakeReq', () => limit(answer));
  if (should !== true) return undefined;
  const headers = await attempt('prepareHeaders', async () =>
    checkHeaders(await limit(callback.prepareHeaders(event, options))),
  );
  const body = await attempt('prepareBody', async () =>
    checkBody(await limit(callback.prepareBody(event, options))),
  );
  return { headers, body };
}

async function attempt<T>(callback: CallbackName, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new CallbackError(callback, error);
  }
}

/** Gives a promise a time limit; anything else passes as it is. */
export type CallbackLimit = <T>(value: T | Promise<T>) => T | Promise<T>;

/** Makes a `CallbackLimit` of `limitMs` milliseconds. */
export function callbackLimit(limitMs: number, clock: Clock): CallbackLimit {
  return (value) => {
    if (!isThenable(value)) return value;
    return new Promise((resolve, reject) => {
      const cancel = clock.after(limitMs, () => reject(new PlainError(`not settled after ${limitMs} ms`)));
      // A thenable of another library need not give a promise of its own.
      Promise.resolve(value).then(resolve, reject).finally(cancel);
    });
  };
}

export function isThenable(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | null | undefined)?.then === 'function';
}

/** Headers that frame the message or name the notification are ours: a wrong one would break the connection. */
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

function checkHeaders(headers: unknown): Record<string, string> {
  // A Map or Headers would seem to hold nothing.
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
    throw new PlainError('it did not give a plain object');
  }
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lowerCaseName = name.toLowerCase();
    validateHeaderName(name);
    if (typeof value !== 'string') throw new PlainError(`header ${name} is not a string`);
    validateHeaderValue(name, value);
    if (!reservedHeaders.has(lowerCaseName)) checked[ownText(lowerCaseName)] = ownText(value);
  }
  return checked;
}

function checkBody(body: unknown): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return ownBody(body);
  throw new PlainError('it gave neither a string nor bytes');
}
