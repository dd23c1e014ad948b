import type { CallbackOptions, CompleteCallbackModule } from '../core/callback.ts';
import type { Clock } from '../core/clock.ts';
import type { StanzaEvent } from '../core/event.ts';
import { PlainError } from '../core/errors.ts';
import { afterReading } from '../node/clock.ts';
import { type Eventually, isThenable } from './eventually.ts';
import { type HeaderCheck, headerCheck } from './headers.ts';
import { ownBody } from './own-copy.ts';
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
  readonly headers: Readonly<Record<string, string>>;
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

/** How the callbacks of one backend are asked. */
export interface AskSettings {
  readonly limit: CallbackLimit;
  /** Called before each call of a callback. */
  readonly enter: (callback: CallbackName) => void;
  /** Whether what `shouldMakeReq` gave is `true`, the only thing that sends. */
  readonly isTrue: (answer: unknown) => boolean;
  readonly checkHeaders: HeaderCheck;
}

/** Who is told of what the callbacks of one backend do. */
export interface AskWatchers {
  /** Called before each call of a callback. */
  readonly onEnter: (callback: CallbackName) => void;
  /** Called with the first answer of `shouldMakeReq` that was meant to be `true`, it seems, but is not. */
  readonly onNotTrue: (answer: unknown) => void;
}

/** @param limitMs How long each callback may take, in milliseconds. */
export function askSettings(limitMs: number, clock: Clock, { onEnter, onNotTrue }: AskWatchers): AskSettings {
  return {
    limit: callbackLimit(limitMs, clock),
    enter: onEnter,
    isTrue: trueCheck(onNotTrue),
    checkHeaders: headerCheck(),
  };
}

/** What the callbacks made of an event; undefined: it is not wanted. */
export type Prepared = PreparedRequest | CallbackError | undefined;

/**
 * Asks the callbacks of one backend for the rest of the request, once `shouldMakeReq` has given its `answer`. Never throws
 * nor rejects.
 */
export function prepareRequest(
  { callback, options }: Backend,
  event: StanzaEvent,
  answer: unknown,
  { limit, enter, isTrue, checkHeaders }: AskSettings,
): Eventually<Prepared> {
  const should = ask('shouldMakeReq', limit, () => answer, isTrue);
  return whenWell(should, (isWanted) => {
    if (!isWanted) return undefined;
    enter('prepareHeaders');
    const gave = ask('prepareHeaders', limit, () => callback.prepareHeaders(event, options), checkHeaders);
    return whenWell(gave, (headers) => {
      enter('prepareBody');
      const body = ask('prepareBody', limit, () => callback.prepareBody(event, options), checkBody);
      return whenWell(body, (there) => ({ headers, body: there }));
    });
  });
}

/** What one callback gives, checked; or how it failed. */
function ask<T>(
  name: CallbackName,
  limit: CallbackLimit,
  call: () => unknown,
  check: (value: unknown) => T,
): Eventually<T | CallbackError> {
  const failed = (cause: unknown): CallbackError => new CallbackError(name, cause);
  try {
    const value = limit(call());
    return isThenable(value) ? value.then(check).catch(failed) : check(value);
  } catch (error) {
    return failed(error);
  }
}

/** Goes on with what a callback gave, unless it failed. */
function whenWell<T, R>(
  value: Eventually<T | CallbackError>,
  goOn: (value: T) => Eventually<R | CallbackError>,
): Eventually<R | CallbackError> {
  const look = (there: T | CallbackError): Eventually<R | CallbackError> =>
    there instanceof CallbackError ? there : goOn(there);
  return isThenable(value) ? value.then(look) : look(value);
}

function trueCheck(onNotTrue: (answer: unknown) => void): AskSettings['isTrue'] {
  let isTold = false;
  return (answer) => {
    if (answer === true) return true;
    if (Boolean(answer) && !isTold) {
      isTold = true;
      onNotTrue(answer);
    }
    return false;
  };
}

/** Gives a promise a time limit; anything else passes as it is. */
type CallbackLimit = <T>(value: Eventually<T>) => Eventually<T>;

/** Makes a `CallbackLimit` of `limitMs` milliseconds. */
function callbackLimit(limitMs: number, clock: Clock): CallbackLimit {
  return (value) => {
    if (!isThenable(value)) return value;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(new PlainError(`not settled after ${limitMs} ms`));
      const cancel = afterReading(clock, limitMs, giveUp);
      // A thenable of another library need not give a promise of its own.
      Promise.resolve(value).then(resolve, reject).finally(cancel);
    });
  };
}

function checkBody(body: unknown): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return ownBody(body);
  throw new PlainError('it gave neither a string nor bytes');
}
